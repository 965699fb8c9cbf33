// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>

#include "libperf/config/document.hpp"
#include "tests/config/support.hpp"

namespace perf::config {

using test::Good;
using test::With;

namespace {

std::string Set(std::string_view path, std::string value,
                const std::string& text = "a: {b: 1}\nl: [x, {y: 1}]\n") {
  Document document = Good(text);
  Diagnostics diagnostics;
  Overlay(document, path, std::move(value), diagnostics, With({{"E", "env"}}));
  return diagnostics.HasErrors() ? diagnostics.Render() : ToJson(document.root).Dump();
}

}  // namespace

TEST_CASE("config: --set replaces and creates") {
  CHECK(Set("a.b", "2") == R"({"a":{"b":2},"l":["x",{"y":1}]})");
  CHECK(Set("a.c.d", "x") == R"({"a":{"b":1,"c":{"d":"x"}},"l":["x",{"y":1}]})");
  CHECK(Set("l.1.y", "[1, 2]") == R"({"a":{"b":1},"l":["x",{"y":[1,2]}]})");
  CHECK(Set("n", "~") == R"({"a":{"b":1},"l":["x",{"y":1}],"n":null})");
  CHECK(Set("vars.x", "1", "") == R"({"vars":{"x":1}})");
}

TEST_CASE("config: the value of --set is YAML, or else plain text") {
  CHECK(Set("a", "'1'", "") == R"({"a":"1"})");
  CHECK(Set("a", "", "") == R"({"a":""})");
  CHECK(Set("a", "@home", "") == R"({"a":"@home"})");
  CHECK(Set("a", "b: c: d", "") == R"({"a":"b: c: d"})");
  CHECK(Set("a", "http://h:80/x?y=1", "") == R"({"a":"http://h:80/x?y=1"})");
  CHECK(Set("a", "${env.E}", "") == R"({"a":"env"})");
  CHECK(Set("a", "[1, 2", "").starts_with("--set a:1:1: error: "));
}

TEST_CASE("config: --set refuses paths that lead nowhere") {
  for (const auto* path : {"a.b.c", "l.2", "l.-1", "l.y", "l.0.z", "", "a..b", ".a"}) {
    CAPTURE(path);
    CHECK(Set(path, "1").starts_with(std::string("--set ") + path + ": error: "));
  }
  std::string deep = "a";
  for (int level = 0; level < 100; ++level) deep += ".a";
  CHECK(Set(deep, "1").find("nested deeper") != std::string::npos);
}

TEST_CASE("config: --set is the place of its values") {
  Document document = Good("a: 1\n");
  Diagnostics diagnostics;
  Overlay(document, "vars.x", "fast", diagnostics);
  CHECK(document.root.Find("vars")->Find("x")->At().Describe() == "--set vars.x:1:1");
}

TEST_CASE("config: a profile is laid over the document") {
  Document document = Good(
      "targets: {db: {url: a, pool: {min: 1, max: 2}}}\nload: [1, 2]\n"
      "profiles:\n  fast: {targets: {db: {pool: {max: 9}}}, load: [3], duration_scale: 0.2}\n"
      "  ci: {targets: {db: {url: \"${env.CI_URL}\"}}}\n  bad: 5\n");
  constexpr std::array<std::string_view, 1> kOwn{"duration_scale"};
  Diagnostics diagnostics;
  const Node profile = ApplyProfile(document, "fast", kOwn, diagnostics, With({}));
  CHECK(!diagnostics.HasErrors());
  CHECK(profile.Find("duration_scale")->Text() == "0.2");
  CHECK(document.root.Find("duration_scale") == nullptr);
  CHECK(ToJson(*document.root.Find("targets")).Dump() ==
        R"({"db":{"url":"a","pool":{"min":1,"max":9}}})");
  CHECK(ToJson(*document.root.Find("load")).Dump() == "[3]");

  // Its variables are asked for only when it is applied.
  ApplyProfile(document, "ci", {}, diagnostics, With({{"CI_URL", "secret"}}));
  CHECK(!diagnostics.HasErrors());
  CHECK(document.root.Find("targets")->Find("db")->Find("url")->Tainted());
  ApplyProfile(document, "ci", {}, diagnostics, With({}));
  CHECK(diagnostics.Count() == 1);
  CHECK(ApplyProfile(document, "fats", {}, diagnostics).IsNull());
  ApplyProfile(document, "bad", {}, diagnostics);
  const std::string said = diagnostics.Render();
  CHECK(said.find("there is no profile 'fats'; did you mean 'fast'?") != std::string::npos);
  CHECK(said.find("a profile must be a map") != std::string::npos);
}

}  // namespace perf::config
