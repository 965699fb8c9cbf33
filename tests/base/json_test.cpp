// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "libperf/base/error.hpp"

namespace perf {
namespace {

std::string Nested(int depth) {
  const auto count = static_cast<std::size_t>(depth);
  return std::string(count, '[') + std::string(count, ']');
}

}  // namespace

TEST_CASE("json: what is parsed is printed again, members in their order") {
  for (const char* text :
       {"null", "true", "false", "0", "-7", "9223372036854775807", "-9223372036854775808", "1.5",
        "1e+300", "\"\"", "\"a\"", "[]", "{}", R"([1,"two",[null],{"z":1,"a":{}}])",
        R"({"b":1,"a":2,"c":[]})", R"("\"\\\n\u0001ä😀")", "1.0", "-0.0"}) {
    CAPTURE(text);
    CHECK(Json::Parse(text).Dump() == text);
  }
}

TEST_CASE("json: printing with indent") {
  CHECK(Json::Parse(R"({"a":[1,2],"b":{},"c":[]})").Dump(2) ==
        "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}");
}

TEST_CASE("json: numbers keep their kind") {
  CHECK(Json::Parse("1").IsInt());
  CHECK(Json::Parse("1.0").IsDouble());
  CHECK(Json::Parse("18446744073709551615").AsDouble() == 18446744073709551615.0);
  CHECK(Json(std::uint64_t{5}).IsInt());
  CHECK(Json(std::numeric_limits<std::uint64_t>::max()).IsDouble());
  CHECK(Json::Parse(Json(0.1).Dump()).AsDouble() == 0.1);
  CHECK(Json(3.0).Dump() == "3.0");
  CHECK(Json(std::nan("")).Dump() == "null");
  CHECK(Json(-std::numeric_limits<double>::infinity()).Dump() == "null");
  CHECK(Json(7).AsDouble() == 7.0);
}

TEST_CASE("json: bad text is an error with its place") {
  for (const char* text :
       {"",         " ",   "{",     "[1,]",   "{\"a\":}", "{a:1}",    "nul",        "1 2",
        "01",       "+1",  ".5",    "1.",     "NaN",      "Infinity", "\"a",        "\"\\x\"",
        "\"\xff\"", "[1}", "1e999", "\"\t\"", "// c\n1",  "'a'",      "\"\\ud800\""}) {
    CAPTURE(text);
    CHECK_THROWS_AS(Json::Parse(text), ConfigError);
    CHECK_FALSE(Json::TryParse(text).has_value());
  }
  std::string message;
  try {
    Json::Parse("{\n  \"a\": 1,\n  \"b\": ?\n}");
  } catch (const ConfigError& error) {
    message = error.what();
  }
  CHECK(message.find("line 3, column 8") != std::string::npos);
}

TEST_CASE("json: depth is bounded") {
  CHECK(Json::TryParse(Nested(512)).has_value());
  CHECK_FALSE(Json::TryParse(Nested(513)).has_value());
  CHECK_FALSE(Json::TryParse(std::string(5'000'000, '[')).has_value());
  CHECK_THROWS_WITH_AS(Json::Parse(Nested(600)), "JSON nested deeper than 512 levels", ConfigError);
}

TEST_CASE("json: of repeated members the last wins, in the place of the first") {
  CHECK(Json::Parse(R"({"a":1,"b":2,"a":3,"c":4,"a":5})").Dump() == R"({"a":5,"b":2,"c":4})");
  std::string large = "{";
  for (int i = 0; i < 200'000; ++i) large += "\"k" + std::to_string(i) + "\":0,";
  large += "\"k7\":1}";
  const Json parsed = Json::Parse(large);
  CHECK(parsed.AsObject().size() == 200'000);
  CHECK(parsed.Find("k7")->AsInt() == 1);
}

TEST_CASE("json: bytes that are not UTF-8 are replaced in print") {
  CHECK(Json("a\xff").Dump() == "\"a\xef\xbf\xbd\"");
  Json object = Json::MakeObject();
  object["\xfe"] = 1;
  CHECK(Json::Parse(object.Dump()).AsObject().size() == 1);
}

TEST_CASE("json: another kind than asked for is an error") {
  const Json text("a");
  CHECK_THROWS_AS(text.AsBool(), Error);
  CHECK_THROWS_AS(text.AsInt(), Error);
  CHECK_THROWS_AS(text.AsDouble(), Error);
  CHECK_THROWS_AS(text.AsArray(), Error);
  CHECK_THROWS_AS(text.AsObject(), Error);
  CHECK_THROWS_AS(Json(1.5).AsInt(), Error);
  CHECK_THROWS_AS(Json(1).AsString(), Error);
  CHECK_THROWS_AS(Json(1)["a"], Error);
  CHECK_THROWS_AS(Json(1).Append(2), Error);
  CHECK(text.Find("a") == nullptr);
}

TEST_CASE("json: building") {
  Json root;
  root["list"].Append(1).IsInt();
  root["list"].Append("two");
  root["deep"]["er"] = nullptr;
  root["flag"] = true;
  root["list"].AsArray()[0] = 9;
  CHECK(root.Dump() == R"({"list":[9,"two"],"deep":{"er":null},"flag":true})");
  CHECK(Json("literal").IsString());
  CHECK(Json(Json::Array{1, "a", nullptr}).Dump() == R"([1,"a",null])");
}

TEST_CASE("json: pointers as in RFC 6901") {
  const Json root =
      Json::Parse(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"m~n":8,"k\"l":6," ":7,"01":9})");
  const auto at = [&](std::string_view pointer) {
    const Json* found = root.AtPointer(pointer);
    return found == nullptr ? std::string("-") : found->Dump();
  };
  CHECK(root.AtPointer("") == &root);
  CHECK(at("/foo") == R"(["bar","baz"])");
  CHECK(at("/foo/0") == "\"bar\"");
  CHECK(at("/foo/1") == "\"baz\"");
  CHECK(at("/") == "0");
  CHECK(at("/a~1b") == "1");
  CHECK(at("/c%d") == "2");
  CHECK(at("/m~0n") == "8");
  CHECK(at("/k\"l") == "6");
  CHECK(at("/ ") == "7");
  CHECK(at("/01") == "9");
  for (const char* pointer : {"foo", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/+1", "/foo/",
                              "/foo/0/x", "/m~2n", "/m~", "/foo/18446744073709551616", "/none"}) {
    CAPTURE(pointer);
    CHECK(root.AtPointer(pointer) == nullptr);
  }
}

TEST_CASE("json: text of a value") {
  CHECK(Json().ToText().empty());
  CHECK(Json("a\"b").ToText() == "a\"b");
  CHECK(Json(true).ToText() == "true");
  CHECK(Json(12).ToText() == "12");
  CHECK(Json(1.5).ToText() == "1.5");
  CHECK(Json::Parse("[1, 2]").ToText() == "[1,2]");
}

TEST_CASE("json: equality is that of the values, whatever the order of members") {
  CHECK(Json::Parse(R"({"a":1,"b":[2]})") == Json::Parse(R"({"b":[2],"a":1.0})"));
  CHECK_FALSE(Json::Parse("[1,2]") == Json::Parse("[2,1]"));
  CHECK_FALSE(Json::Parse(R"({"a":1})") == Json::Parse(R"({"a":1,"b":2})"));
  CHECK_FALSE(Json::Parse(R"({"a":1})") == Json::Parse(R"({"b":1})"));
  CHECK_FALSE(Json(1) == Json(true));
  CHECK_FALSE(Json("1") == Json(1));
  CHECK_FALSE(Json(std::numeric_limits<std::int64_t>::max()) ==
              Json(std::numeric_limits<std::int64_t>::max() - 1));
}

}  // namespace perf
