// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/template.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace perf::load {
namespace {

/// A small scenario: constants, two slots, one data set with one row.
struct World {
  Symbols symbols;
  Random random{42};
  std::vector<std::string> row{"7", "Ann \"A\" Müller", ""};
  Scope scope;

  World() {
    symbols.AddConstant("vars.guests", Json(1000));
    symbols.AddConstant("vars.text", Json("forty two"));
    symbols.AddConstant("vars.number", Json("42"));
    symbols.AddConstant("vars.skew", Json(1.5));
    symbols.AddConstant("vars.langs", Json::Parse(R"(["de", "en", "fr"])"));
    symbols.AddConstant("vars.empty", Json::MakeArray());
    symbols.AddConstant("vars.deep", Json::Parse(R"({"a": {"b/c": [1, 2.5, null]}})"));
    symbols.AddDataSet("guest", {0, {"id", "full name", "a/b(c)"}});
    scope.values.resize(2);
    REQUIRE(symbols.AddSlot("lang") == 0);
    REQUIRE(symbols.AddSlot("reply") == 1);
    scope.random = &random;
    scope.user_id = 17;
    scope.iteration = 3;
    scope.seq = 123456789012;
    scope.values[0] = Json("en");
    scope.values[1] = Json::Parse(R"({"rows": [{"id": 5, "ok": true, "x": 0.5, "~": {"y": []}}]})");
    scope.rows = {&row};
  }

  std::string Render(std::string_view text) {
    std::string out = "old";
    Template::Compile(text, symbols).Render(scope, out);
    return out;
  }
  Json Value(std::string_view text) { return Template::Compile(text, symbols).Evaluate(scope); }
  std::string AsJson(std::string_view document) {
    std::string out = "old";
    JsonTemplate::Compile(Json::Parse(document), symbols).Render(scope, out);
    return out;
  }
};

struct Failure {
  std::size_t offset = 0;
  std::string message;
  std::string suggestion;
};

Failure FailureOf(const World& world, std::string_view text) {
  try {
    Template::Compile(text, world.symbols);
  } catch (const TemplateError& error) {
    return {error.Offset(), error.what(), error.Suggestion()};
  }
  return {};
}

TEST_CASE("template: text with expressions in it") {
  World world;
  const std::map<std::string, std::string> cases = {
      {"", ""},
      {"plain", "plain"},
      {"select $1, $$ and {}", "select $1, $$ and {}"},
      {"$${not} $$${user.id}", "${not} $${user.id}"},
      {"ends in $", "ends in $"},
      {"token:${user.id}", "token:17"},
      {"${ user.id }-${iteration}-${seq}", "17-3-123456789012"},
      {"/${vars.guests}/${vars.text}/${vars.skew}", "/1000/forty two/1.5"},
      {"${vars.langs}", R"(["de","en","fr"])"},
      {"${vars.langs/1}!", "en!"},
      {"${vars.deep/a/b~1c/1}", "2.5"},
      {"${vars.deep/a/b~1c/2}", ""},
      {"[${lang}]", "[en]"},
      {"${reply/rows/0/id}${reply/rows/0/ok}${reply/rows/0/x}", "5true0.5"},
      {"${reply/rows/0/~0}", R"({"y":[]})"},
      {"${reply/rows/9/id}", ""},
      {"${guest.id}:${guest.full name}", "7:Ann \"A\" Müller"},
      {"<${guest.a/b(c)}>", "<>"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.first);
    CHECK(world.Render(c.first) == c.second);
  }
}

TEST_CASE("template: constants are folded") {
  World world;
  const Template folded = Template::Compile("a-${vars.guests}-$${x}", world.symbols);
  REQUIRE(folded.IsConstant());
  CHECK(folded.Constant() == "a-1000-${x}");
  CHECK(Template().IsConstant());
  CHECK(Template().Constant().empty());
  CHECK_FALSE(Template::Compile("a-${user.id}", world.symbols).IsConstant());
  // What Compile saw counts, not what is added later.
  world.symbols.AddConstant("vars.guests", Json(5));
  CHECK(folded.Constant() == "a-1000-${x}");
}

TEST_CASE("template: one expression and nothing else keeps its type") {
  World world;
  CHECK(world.Value("${user.id}") == Json(17));
  CHECK(world.Value("${user.id} ") == Json("17 "));
  CHECK(world.Value("${vars.guests}") == Json(1000));
  CHECK(world.Value("${vars.guests}").IsInt());
  CHECK(world.Value("${vars.langs}").IsArray());
  CHECK(world.Value("${reply/rows/0/ok}") == Json(true));
  CHECK(world.Value("${reply/none}").IsNull());
  CHECK(world.Value("${guest.id}") == Json("7"));
  CHECK(world.Value("${rand.int(3,3)}") == Json(3));
  CHECK(world.Value("plain") == Json("plain"));
  CHECK(world.Value("${vars.guests}${vars.guests}") == Json("10001000"));
  world.scope.rows[0] = nullptr;
  CHECK(world.Value("${guest.id}").IsNull());
  world.scope.values.clear();
  CHECK(world.Value("${lang}").IsNull());
  CHECK(world.Render("<${lang}${guest.id}>") == "<>");
}

TEST_CASE("template: random numbers stay in range and are repeated by the seed") {
  World world;
  const Template dice = Template::Compile("${rand.int(-1,1)}", world.symbols);
  std::map<std::string, int> faces;
  std::string out;
  for (int i = 0; i < 3000; ++i) {
    dice.Render(world.scope, out);
    ++faces[out];
  }
  CHECK(faces.size() == 3);
  for (const auto& [face, count] : faces) CHECK(std::abs(count - 1000) < 130);

  const Template zipf = Template::Compile("${rand.zipf(vars.guests, 1.0)}", world.symbols);
  std::map<std::int64_t, int> ranks;
  for (int i = 0; i < 5000; ++i) ++ranks[zipf.Evaluate(world.scope).AsInt()];
  CHECK(ranks.begin()->first == 1);
  CHECK(ranks.rbegin()->first <= 1000);
  CHECK(ranks[1] > 3 * ranks[8]);

  const Template choice = Template::Compile("${rand.choice(de, 'a,b', \"1\", 1)}", world.symbols);
  std::set<std::string> words;
  for (int i = 0; i < 200; ++i) words.insert(choice.Evaluate(world.scope).Dump());
  CHECK(words == std::set<std::string>{"\"de\"", "\"a,b\"", "\"1\"", "1"});
  const Template listed = Template::Compile("${rand.choice(vars.langs)}", world.symbols);
  std::set<std::string> langs;
  for (int i = 0; i < 200; ++i) {
    listed.Render(world.scope, out);
    langs.insert(out);
  }
  CHECK(langs == std::set<std::string>{"de", "en", "fr"});

  World first;
  World second;
  const std::string_view text = "${rand.int(1,1000000)} ${rand.zipf(1000,vars.skew)} ${uuid}";
  CHECK(first.Render(text) == second.Render(text));
  CHECK(first.Render(text) != world.Render(text));
}

TEST_CASE("template: arguments may be constants, also numbers written as text") {
  World world;
  CHECK(world.Value("${rand.int(vars.number,vars.number)}") == Json(42));
  CHECK(world.Value("${rand.int( 1e3 , vars.guests )}") == Json(1000));
  CHECK(world.Value("${rand.zipf(1,0)}") == Json(1));
}

TEST_CASE("template: uuids are of version 4 and distinct") {
  World world;
  const Template uuid = Template::Compile("${uuid}", world.symbols);
  std::set<std::string> seen;
  std::string out;
  for (int i = 0; i < 1000; ++i) {
    uuid.Render(world.scope, out);
    REQUIRE(out.size() == 36);
    CHECK(out[14] == '4');
    CHECK(std::string_view("89ab").find(out[19]) != std::string_view::npos);
    for (const std::size_t dash : {8, 13, 18, 23}) CHECK(out[dash] == '-');
    CHECK(std::count(out.begin(), out.end(), '-') == 4);
    CHECK(out.find_first_not_of("0123456789abcdef-") == std::string::npos);
    seen.insert(out);
  }
  CHECK(seen.size() == 1000);
}

TEST_CASE("template: errors say where and what was perhaps meant") {
  World world;
  struct Case {
    std::string_view text;
    std::size_t offset;
    std::string_view message;
    std::string_view suggestion;
  };
  const Case cases[] = {
      {"a ${user.id", 2, "without its '}'", ""},
      {"${}", 2, "names nothing", ""},
      {"${  }", 2, "names nothing", ""},
      {"ab${langg}", 4, "'langg'", "lang"},
      {"${usr.id}", 2, "'usr.id'", "user.id"},
      {"${vars.guest}", 2, "'vars.guest'", "vars.guests"},
      {"${guests}", 2, "'guests'", "vars.guests"},
      {"${guest.ids}", 8, "no column 'ids'", "id"},
      {"${ lnag/rows/0}", 3, "'lnag'", "lang"},
      {"${reply/a~2}", 9, "JSON pointer", ""},
      {"${vars.langs/7}", 12, "nothing at '/7'", ""},
      {"${rand.int}", 2, "needs arguments", ""},
      {"${rand.int()}", 11, "takes 2 arguments, not 0", ""},
      {"${rand.int(1)}", 11, "takes 2 arguments, not 1", ""},
      {"${rand.int(1,2,3)}", 11, "not 3", ""},
      {"${rand.int(1,2}", 10, "without its ')'", ""},
      {"${rand.int(6,1)}", 11, "above the second", ""},
      {"${rand.int(1, x)}", 14, "'x'", ""},
      {"${rand.int(1,1.5)}", 13, "integer", ""},
      {"${rand.int(1,nan)}", 13, "integer", ""},
      {"${rand.int(1,vars.text)}", 13, "integer", ""},
      {"${rand.int(1,vars.guest)}", 13, "'vars.guest'", "vars.guests"},
      {"${rand.int(1,lang)}", 13, "integer or a constant", ""},
      {"${rand.int(1,99999999999999999999)}", 13, "integer", ""},
      {"${rand.zipf(0,1)}", 12, "zipf", ""},
      {"${rand.zipf(10,-1)}", 12, "zipf", ""},
      {"${rand.choice()}", 14, "empty argument", ""},
      {"${rand.choice(a,)}", 16, "empty argument", ""},
      {"${rand.choice('a)}", 14, "quote", ""},
      {"${rand.choice('a' b)}", 14, "closing quote", ""},
      {"${rand.choice(vars.empty)}", 14, "empty list", ""},
      {"${rand.itn(1,2)}", 2, "no function 'rand.itn'", "rand.int"},
      {"${uuid()}", 2, "takes no arguments", ""},
      {"x${env.HOME}", 3, "resolved when the scenario is loaded", ""},
      {"${file:/etc/x}", 2, "resolved when the scenario is loaded", ""},
      {"${a${lang}}", 3, "does not nest", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const Failure failure = FailureOf(world, c.text);
    CHECK(failure.offset == c.offset);
    CHECK(failure.message.find(c.message) != std::string::npos);
    CHECK(failure.suggestion == c.suggestion);
  }
}

TEST_CASE("template: symbols") {
  Symbols symbols;
  CHECK(symbols.AddSlot("a") == 0);
  CHECK(symbols.AddSlot("b") == 1);
  CHECK(symbols.AddSlot("a") == 0);
  CHECK(symbols.Slots() == 2);
  CHECK(symbols.Slot("b") == 1);
  CHECK_FALSE(symbols.Slot("c"));
  CHECK(symbols.Constant("a") == nullptr);
  symbols.AddDataSet("d", {3, {"x", "y"}});
  REQUIRE(symbols.DataSet("d") != nullptr);
  CHECK(symbols.DataSet("d")->data_set == 3);
  const auto names = symbols.AllNames();
  for (const std::string_view name : {"a", "b", "d.x", "d.y", "uuid", "rand.zipf"}) {
    CHECK(std::count(names.begin(), names.end(), name) == 1);
  }
  CHECK(Symbols::IsReserved("seq"));
  CHECK(Symbols::IsReserved("vars"));
  CHECK_FALSE(Symbols::IsReserved("guest"));
  CHECK_FALSE(Symbols::IsReserved("file"));
  // What may be written alone or before a dot may not be taken by a capture.
  for (const std::string_view name : Symbols().AllNames()) {
    CHECK(Symbols::IsReserved(name.substr(0, name.find('.'))));
  }
}

TEST_CASE("json template: leaves keep their type and text is escaped") {
  World world;
  world.scope.values[0] = Json("a\"b\\c\n\x01\x7F \xC3\xA9");
  const std::map<std::string, std::string> cases = {
      {"null", "null"},
      {"[1, 2.5, true, \"x\"]", R"([1,2.5,true,"x"])"},
      {R"({"id": "${user.id}", "text": "no ${user.id}"})", R"({"id":17,"text":"no 17"})"},
      {R"({"v": "${vars.guests}", "l": "${vars.langs}"})", R"({"v":1000,"l":["de","en","fr"]})"},
      {R"(["${lang}", "<${lang}>"])",
       "[\"a\\\"b\\\\c\\n\\u0001\x7F \xC3\xA9\",\"<a\\\"b\\\\c\\n\\u0001\x7F \xC3\xA9>\"]"},
      {R"({"k${user.id}": 1, "${user.id}": 2, "${vars.guests}": 3})",
       R"({"k17":1,"17":2,"1000":3})"},
      {R"(["${guest.full name}", "${guest.id}", "${reply/rows/0/ok}", "${reply/no}"])",
       R"(["Ann \"A\" Müller","7",true,null])"},
      {R"({"a\"b": {"c": []}, "e": {}})", R"({"a\"b":{"c":[]},"e":{}})"},
      {R"("$${x}")", R"("${x}")"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.first);
    CHECK(world.AsJson(c.first) == c.second);
  }
  std::string out = "old";
  JsonTemplate().Render(world.scope, out);
  CHECK(out.empty());
}

TEST_CASE("json template: bytes that are not UTF-8 are replaced, so that the result is JSON") {
  World world;
  const std::string bad[] = {"\xFF",         "a\xC3",
                             "\xC3(",        "\xE2\x82",
                             "\xED\xA0\x80", "\xF4\x90\x80\x80",
                             "\xC0\xAF",     "\xE0\x80\xAF",
                             "\x80\"\xFE\n", "\xF0\x9F\x98\x80 \xF0\x9F\x98"};
  for (const std::string& text : bad) {
    world.scope.values[0] = Json(text);
    const std::string json = world.AsJson(R"(["${lang}", "x${lang}y"])");
    CAPTURE(json);
    const std::optional<Json> parsed = Json::TryParse(json);
    REQUIRE(parsed);
    CHECK(parsed->AsArray()[0].AsString().find("\xEF\xBF\xBD") != std::string::npos);
    CHECK("x" + parsed->AsArray()[0].AsString() + "y" == parsed->AsArray()[1].AsString());
  }
}

TEST_CASE("json template: an error names the place in the document") {
  World world;
  try {
    JsonTemplate::Compile(Json::Parse(R"({"a": [1, {"b/c": "xx${langg}"}]})"), world.symbols);
    FAIL("no error");
  } catch (const TemplateError& error) {
    CHECK(std::string(error.what()).starts_with("at /a/1/b~1c: "));
    CHECK(error.Offset() == 4);
    CHECK(error.Suggestion() == "lang");
  }
}

}  // namespace
}  // namespace perf::load
