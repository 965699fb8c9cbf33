// SPDX-License-Identifier: Apache-2.0
// Each data/NAME.yaml is read by a small schema; NAME.txt is what must be said about it.
// PERF_TEST_WRITE=1 writes the .txt files anew; read the difference before committing it.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "libperf/base/text.hpp"
#include "libperf/config/reader.hpp"
#include "tests/config/support.hpp"

namespace perf::config {
namespace {

using namespace std::chrono_literals;

void ReadSchema(const Node& root, Diagnostics& diagnostics) {
  MapReader top(root, diagnostics, "the scenario", root.Find("vars"));
  constexpr std::array<std::string_view, 3> kKinds{"http", "postgres", "redis"};
  top.String("scenario");
  top.Duration("timeout", {1ms, 1h});
  top.Rate("rate");
  top.Bytes("size");
  top.Fraction("share");
  top.Integer("users", {1, 100000});
  top.Bool("enabled");
  top.Enum("kind", kKinds);
  top.Strings("hosts");
  top.Get("vars");
  MapReader pool = top.Child("pool");
  const auto min = pool.Integer("min", {0, 1000});
  const auto max = pool.Integer("max", {1, 1000});
  if (min && max && *min > *max) pool.Error("min", "min is larger than max");
  pool.Finish();
  top.Finish();
}

std::string Said(const std::filesystem::path& file, DiagnosticFormat format) {
  Diagnostics diagnostics;
  const Document document = LoadWithIncludes(file.string(), diagnostics, test::With({}));
  if (!document.root.IsNull()) ReadSchema(document.root, diagnostics);
  std::string text = diagnostics.Render(format);
  const std::string folder = file.parent_path().string() + "/";
  for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
    text.erase(at, folder.size());
  }
  return text;
}

}  // namespace

TEST_CASE("config: every bad file is refused with its message") {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(PERF_TEST_DATA)) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path());
  }
  CHECK(files.size() >= 30);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    const std::string said = Said(file, DiagnosticFormat::kText);
    std::filesystem::path expected = file;
    expected.replace_extension(".txt");
    if (std::getenv("PERF_TEST_WRITE") != nullptr) {
      std::ofstream(expected, std::ios::binary) << said;
    }
    REQUIRE(std::filesystem::exists(expected));
    CHECK(!said.empty());
    CHECK(said == ReadFile(expected.string(), 1 << 16));
    CHECK(said.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("config: the same errors in the form that GitHub reads") {
  const std::string said =
      Said(std::filesystem::path(PERF_TEST_DATA) / "unknown_key.yaml", DiagnosticFormat::kGitHub);
  CHECK(
      said.starts_with("::error file=unknown_key.yaml,line=2,col=1::unknown key 'timout' in "
                       "the scenario; did you mean 'timeout'?\n"));
}

}  // namespace perf::config
