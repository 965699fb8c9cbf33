// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/output_dir.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "libperf/base/error.hpp"

using namespace perf;
using namespace perf::report;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "perfkit-report-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::ptrdiff_t Entries(const std::string& path) {
  return std::distance(fs::directory_iterator(path), fs::directory_iterator());
}

}  // namespace

TEST_CASE("output dir: is made with its parents, and holds what is written and nothing else") {
  const Folder folder;
  const OutputDir out(folder.path + "/a/b", "scenario");
  CHECK(out.Path() == folder.path + "/a/b");
  CHECK(Entries(out.Path()) == 0);
  const std::string path = out.Write("result.json", "{}");
  CHECK(path == out.Path() + "/result.json");
  CHECK(Content(path) == "{}");
  out.Write("result.json", "[1]");
  CHECK(Content(path) == "[1]");
  CHECK(Entries(out.Path()) == 1);
}

TEST_CASE("output dir: a place that cannot be is refused with path, reason and remedy") {
  const Folder folder;
  std::ofstream(folder.path + "/file") << "x";
  for (const std::string& place : {folder.path + "/file", folder.path + "/file/below"}) {
    try {
      const OutputDir out(place, "scenario");
      FAIL("accepted " << place);
    } catch (const OutputError& error) {
      CHECK(std::string(error.what()).find(place) != std::string::npos);
      CHECK(std::string(error.what()).find("--out") != std::string::npos);
    }
  }
  if (fs::exists("/proc/self")) CHECK_THROWS_AS(OutputDir("/proc/self/x", "s"), OutputError);
}

TEST_CASE("output dir: a write that fails leaves the old file and no temporary one") {
  const Folder folder;
  const OutputDir out(folder.path, "scenario");
  out.Write("kept", "old");
  // The temporary file cannot be made: its name is taken by a directory.
  fs::create_directory(folder.path + "/kept.tmp");
  CHECK_THROWS_AS(out.Write("kept", "new"), OutputError);
  CHECK(Content(folder.path + "/kept") == "old");
  fs::remove(folder.path + "/kept.tmp");
  // The rename cannot be done: what is there is a directory.
  fs::create_directories(folder.path + "/taken/inside");
  CHECK_THROWS_AS(out.Write("taken", "new"), OutputError);
  CHECK(fs::is_directory(folder.path + "/taken/inside"));
  CHECK(!fs::exists(folder.path + "/taken.tmp"));
}

TEST_CASE("output dir: without a wish each run has a new directory of the user's state") {
  const Folder folder;
  const char* before = std::getenv("XDG_STATE_HOME");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("XDG_STATE_HOME", folder.path.c_str(), 1);
  const OutputDir first("", "my/../scenario name");
  const OutputDir second("", "my/../scenario name");
  if (before != nullptr) {
    ::setenv("XDG_STATE_HOME", kept.c_str(), 1);
  } else {
    ::unsetenv("XDG_STATE_HOME");
  }
  CHECK(first.Path() != second.Path());
  CHECK(fs::path(first.Path()).parent_path() == folder.path + "/perfkit/runs");
  CHECK(first.Path().find("my----scenario-name") != std::string::npos);
}
