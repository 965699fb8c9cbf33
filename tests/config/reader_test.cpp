// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/reader.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/config/support.hpp"

namespace perf::config {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 3> kNames{"auto", "native", "curl"};

std::string Message(const std::string& scalar, const std::function<void(MapReader&)>& read) {
  const Document document = test::Good("k: " + scalar, test::With({{"SECRET", "hunter2"}}));
  Diagnostics diagnostics;
  MapReader reader(document.root, diagnostics, "it", document.root.Find("vars"));
  read(reader);
  const auto errors = diagnostics.Sorted();
  return errors.empty() ? "" : errors[0].message;
}

}  // namespace

TEST_CASE("config: typed values") {
  const Document document = test::Good(
      "d: 1m30s\ni: -5\nn: 1e3\nf: 5%\nr: 200/s\nb: 4KiB\nt: true\ns: 10\ne: curl\nq: '10'\n"
      "l: [a, 1, 'b']\nm: {x: 1}\nz: 0\n");
  Diagnostics diagnostics;
  MapReader r(document.root, diagnostics, "it");
  CHECK(r.Duration("d") == 90s);
  CHECK(r.Duration("z") == 0s);
  CHECK(r.Integer("i") == -5);
  CHECK(r.Integer("q") == 10);
  CHECK(r.Number("n") == 1000.0);
  CHECK(r.Fraction("f") == doctest::Approx(0.05));
  CHECK(r.Rate("r") == 200.0);
  CHECK(r.Bytes("b") == 4096u);
  CHECK(r.Bool("t") == true);
  CHECK(r.String("s") == "10");
  CHECK(r.Enum("e", kNames) == 2u);
  CHECK(r.Strings("l") == std::vector<std::string>{"a", "1", "b"});
  CHECK(r.Child("m").Integer("x") == 1);
  CHECK(r.Entries("m").at(0).key == "x");
  CHECK(!r.Duration("absent"));
  CHECK(r.Duration("absent").value_or(2s) == 2s);
  CHECK(r.Items("absent").empty());
  CHECK(!r.Has("absent"));
  r.Finish();
  CHECK_MESSAGE(!diagnostics.HasErrors(), diagnostics.Render());
}

TEST_CASE("config: messages name the rule and what was found") {
  const auto duration = [](MapReader& r) { r.Duration("k", {1ms, 1h}); };
  CHECK(Message("5x", duration) ==
        "expected a duration such as 250ms, between 1ms and 1h, found '5x'");
  CHECK(Message("2h", duration) ==
        "expected a duration such as 250ms, between 1ms and 1h, found '2h'");
  CHECK(Message("", duration) ==
        "expected a duration such as 250ms, between 1ms and 1h, found nothing");
  CHECK(Message("x", [](MapReader& r) { r.Duration("k"); }) ==
        "expected a duration such as 250ms, found 'x'");
  CHECK(Message("0", [](MapReader& r) { r.Integer("k", {1, kAnyInteger.max}); }) ==
        "expected a whole number, at least 1, found '0'");
  CHECK(Message("9", [](MapReader& r) { r.Integer("k", {kAnyInteger.min, 5}); }) ==
        "expected a whole number, at most 5, found '9'");
  CHECK(Message("2GiB", [](MapReader& r) { r.Bytes("k", {1, 1 << 20}); }) ==
        "expected a size such as 50MiB, between 1 and 1MiB, found '2GiB'");
  CHECK(Message("[1]", [](MapReader& r) { r.Rate("k"); }) ==
        "expected a rate such as 200/s, found a list");
  CHECK(Message("crul", [](MapReader& r) { r.Enum("k", kNames); }) ==
        "expected one of auto, native, curl, found 'crul'");
  CHECK(Message("1", [](MapReader& r) { r.Bool("k"); }) == "expected true or false, found '1'");
  CHECK(Message("{}", [](MapReader& r) { r.String("k"); }) == "expected text, found a map");
  CHECK(Message("x", [](MapReader& r) { r.Items("k"); }) == "expected a list, found 'x'");
  CHECK(Message("x", [](MapReader& r) { r.Child("k"); }) == "it.k must be a map, found 'x'");
  CHECK(Message("x", [](MapReader& r) { r.Require("l"); }) == "it has no 'l'");
}

TEST_CASE("config: NaN, infinity, signs and overflow are no values") {
  for (const auto* text : {"nan", ".nan", "inf", "-.inf", "1e999", "-1/s", "-1s", "-1%", "0x10",
                           "1_000", "1,5", "99999999999999999999999s"}) {
    CAPTURE(text);
    CHECK(!Message(text, [](MapReader& r) { r.Number("k", {0, 1e12}); }).empty());
    CHECK(!Message(text, [](MapReader& r) { r.Duration("k"); }).empty());
    CHECK(!Message(text, [](MapReader& r) { r.Rate("k"); }).empty());
    CHECK(!Message(text, [](MapReader& r) { r.Bytes("k"); }).empty());
    CHECK(!Message(text, [](MapReader& r) { r.Fraction("k"); }).empty());
  }
}

TEST_CASE("config: secrets are read but not repeated") {
  CHECK(Message("${env.SECRET}", [](MapReader& r) { r.Integer("k"); }).find("hunter2") ==
        std::string::npos);
  const Document document =
      test::Good("{n: \"${env.N}\", b: \"${env.B}\"}", test::With({{"N", "7"}, {"B", "true"}}));
  Diagnostics diagnostics;
  MapReader reader(document.root, diagnostics, "it");
  CHECK(reader.Integer("n") == 7);
  CHECK(reader.Bool("b") == true);
}

TEST_CASE("config: ${vars.NAME} stands for the variable where a type is expected") {
  const Document document = test::Good(
      "vars: {wait: 2s, n: \"${vars.m}\", m: 5, loop: \"${vars.loop}\"}\na: ${vars.wait}\nb: "
      "${vars.n}\n"
      "c: ${vars.loop}\nd: ${vars.wiat}\ne: '${vars.wait}'\n");
  Diagnostics diagnostics;
  MapReader reader(document.root, diagnostics, "it", document.root.Find("vars"));
  CHECK(reader.Duration("a") == 2s);
  CHECK(reader.Integer("b") == 5);
  CHECK(reader.String("e") == "${vars.wait}");
  CHECK(!diagnostics.HasErrors());
  CHECK(!reader.Duration("c"));
  CHECK(!reader.Duration("d"));
  CHECK(diagnostics.Count() == 2);
  CHECK(diagnostics.Render().find("did you mean 'wait'?") != std::string::npos);
}

TEST_CASE("config: every unknown key is reported, with a suggestion") {
  const Document document = test::Good("timout: 1s\nurl: x\nzzzzzzzz: 1\n");
  Diagnostics diagnostics;
  MapReader reader(document.root, diagnostics, "target 'db'");
  reader.Duration("timeout");
  reader.String("url");
  reader.Finish();
  const auto errors = diagnostics.Sorted();
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].message == "unknown key 'timout' in target 'db'");
  CHECK(errors[0].suggestion == "timeout");
  CHECK(errors[1].place.Describe() == "t.yaml:3:1");
  CHECK(errors[1].suggestion.empty());
}

TEST_CASE("config: an absent child reads as empty and reports at its parent") {
  const Document document = test::Good("a: 1\n");
  Diagnostics diagnostics;
  MapReader reader(document.root, diagnostics, "it");
  MapReader child = reader.Child("pool");
  CHECK(!child.Integer("max"));
  child.Require("min");
  CHECK(diagnostics.Render().starts_with("t.yaml:1:1: error: it.pool has no 'min'\n"));
}

}  // namespace perf::config
