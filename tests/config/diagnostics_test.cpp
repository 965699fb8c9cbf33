// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/diagnostics.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "libperf/base/error.hpp"

namespace perf::config {
namespace {

Place At(const std::string& text, int line, int column) {
  return {std::make_shared<const Source>("dir/f.yaml", text), line, column};
}

std::string Shown(const std::string& text, int line, int column) {
  Diagnostics diagnostics;
  diagnostics.Error(At(text, line, column), "no");
  return diagnostics.Render();
}

}  // namespace

TEST_CASE("config: place, line, caret and suggestion") {
  Diagnostics diagnostics;
  constexpr std::array<std::string_view, 2> kKnown{"timeout", "url"};
  diagnostics.ErrorWithSuggestion(At("a: 1\n  timout: 2\n", 2, 3), "unknown key", "timout", kKnown);
  CHECK(diagnostics.Render() ==
        "dir/f.yaml:2:3: error: unknown key; did you mean 'timeout'?\n    timout: 2\n    ^\n");
}

TEST_CASE("config: the caret minds tabs and characters of several bytes") {
  CHECK(Shown("\tü: x\n", 1, 5) == "dir/f.yaml:1:5: error: no\n  \tü: x\n  \t   ^\n");
  CHECK(Shown("最大: x\n", 1, 3) == "dir/f.yaml:1:3: error: no\n  最大: x\n    ^\n");
}

TEST_CASE("config: places without a line or beyond the text") {
  CHECK(Shown("a\n", 0, 0) == "dir/f.yaml: error: no\n");
  CHECK(Shown("a\n", 9, 9) == "dir/f.yaml:9:9: error: no\n  \n  ^\n");
  CHECK(Shown("ab\n", 1, 99) == "dir/f.yaml:1:99: error: no\n  ab\n    ^\n");
  Diagnostics diagnostics;
  diagnostics.Error({}, "no");
  CHECK(diagnostics.Render() == "(no file): error: no\n");
}

TEST_CASE("config: a line that nobody has written by hand is not shown") {
  CHECK(Shown(std::string((1 << 20) + 1, 'x'), 1, 7) == "dir/f.yaml:1:7: error: no\n");
}

TEST_CASE("config: a long line is cut around the column") {
  const std::string said =
      Shown(std::string(100'000, 'x') + "!" + std::string(100'000, 'y'), 1, 100'001);
  CHECK(said.size() < 400);
  CHECK(said.find("…" + std::string(80, 'x') + "!" + std::string(79, 'y') + "…") !=
        std::string::npos);
  const auto caret = said.substr(said.rfind('\n', said.size() - 2) + 1);
  CHECK(caret == std::string(2 + 1 + 80, ' ') + "^\n");
}

TEST_CASE("config: secrets of a line and of a message are masked, the caret keeps its place") {
  const std::string line = "url: postgres://app:hunter2@db/x  # here\n";
  const std::string said = Shown(line, 1, static_cast<int>(line.find("here")) + 1);
  CHECK(said.find("hunter2") == std::string::npos);
  const auto lines_end = said.find('\n', said.find('\n') + 1);
  const auto shown = said.substr(said.find('\n') + 1, lines_end - said.find('\n') - 1);
  CHECK(said.substr(lines_end + 1).find('^') == shown.find("here"));
  Diagnostics diagnostics;
  diagnostics.Error(At("", 1, 1), "cannot reach redis://:hunter2@kv");
  CHECK(diagnostics.Render().find("hunter2") == std::string::npos);
}

TEST_CASE("config: sorted by file, line and column; told once") {
  const auto a = std::make_shared<const Source>("a", "");
  const auto b = std::make_shared<const Source>("b", "");
  Diagnostics diagnostics;
  diagnostics.Error({b, 2, 1}, "3");
  diagnostics.Error({b, 1, 9}, "2");
  diagnostics.Error({a, 5, 1}, "4");
  diagnostics.Error({b, 1, 2}, "1");
  diagnostics.Error({b, 1, 2}, "1");
  CHECK(diagnostics.Count() == 4);
  std::string order;
  for (const auto& diagnostic : diagnostics.Sorted()) order += diagnostic.message;
  CHECK(order == "1234");
}

TEST_CASE("config: at most 50 are printed and 1,000 kept") {
  const auto source = std::make_shared<const Source>("a", "");
  Diagnostics diagnostics;
  for (int line = 1; line <= 5000; ++line) diagnostics.Error({source, line, 1}, "no");
  CHECK(diagnostics.Count() == 5000);
  CHECK(diagnostics.Sorted().size() == 1000);
  CHECK(diagnostics.Render().ends_with("and 4950 more errors\n"));
  CHECK(diagnostics.Render(DiagnosticFormat::kGitHub).ends_with("::error::and 4950 more errors\n"));
}

TEST_CASE("config: the form for GitHub escapes what would end a field") {
  Diagnostics diagnostics;
  diagnostics.Error({std::make_shared<const Source>("a,b:c%.yaml", ""), 3, 4}, "50% of x: y, z");
  diagnostics.Error({std::make_shared<const Source>("d", ""), 0, 0}, "a\nb");
  const std::string said = diagnostics.Render(DiagnosticFormat::kGitHub);
  CHECK(said.starts_with(
      "::error file=a%2Cb%3Ac%25.yaml,line=3,col=4::50%25 of x: y, z\n::error file=d::a"));
  CHECK(std::count(said.begin(), said.end(), '\n') == 2);
}

TEST_CASE("config: thrown as a configuration error") {
  Diagnostics diagnostics;
  diagnostics.ThrowIfAny();
  diagnostics.Error(At("x\n", 1, 1), "no");
  CHECK_THROWS_WITH_AS(diagnostics.ThrowIfAny(), "dir/f.yaml:1:1: error: no\n  x\n  ^",
                       PlacedError);
}

}  // namespace perf::config
