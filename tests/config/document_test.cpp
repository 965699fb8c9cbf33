// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/document.hpp"

#include <doctest/doctest.h>

#include "tests/config/support.hpp"

namespace perf::config {

using test::Complaints;
using test::Good;

TEST_CASE("config: kinds, order and text of a tree") {
  const Node root = Good("b: 1\na: [x, ~, 'y']\nc:\nd: {}\n").root;
  REQUIRE(root.IsMap());
  REQUIRE(root.Entries().size() == 4);
  CHECK(root.Entries()[0].key == "b");
  CHECK(root.Entries()[1].key == "a");
  CHECK(root.Find("b")->Text() == "1");
  const auto& items = root.Find("a")->Items();
  REQUIRE(items.size() == 3);
  CHECK(items[0].Text() == "x");
  CHECK(items[1].IsNull());
  CHECK(items[2].Text() == "y");
  CHECK(root.Find("c")->IsNull());
  CHECK(root.Find("d")->IsMap());
  CHECK(root.Find("e") == nullptr);
  CHECK(root.TreeSize() == 8);
  CHECK(root.Height() == 3);
}

TEST_CASE("config: a quoted scalar stays apart from a plain one") {
  const Node root = Good("[10, \"10\", '10', !!str 10]\n").root;
  const std::vector<Node>& items = root.Items();
  REQUIRE(items.size() >= 4);
  CHECK(!items[0].Quoted());
  CHECK(items[1].Quoted());
  CHECK(items[2].Quoted());
  CHECK(items[3].Quoted());
  CHECK(Good("a: |\n  10\n").root.Find("a")->Quoted());
}

TEST_CASE("config: places count characters from one, of keys and of values") {
  const Node root = Good("a: 1\nüber: {größe: x,\ty: [1, z]}\n").root;
  const Node::Entry* entry = root.FindEntry("über");
  REQUIRE(entry != nullptr);
  CHECK(entry->key_at.Describe() == "t.yaml:2:1");
  CHECK(entry->value.At().Describe() == "t.yaml:2:7");
  CHECK(entry->value.Find("größe")->At().Describe() == "t.yaml:2:15");
  CHECK(entry->value.Find("y")->Items()[1].At().Describe() == "t.yaml:2:25");
}

TEST_CASE("config: a byte order mark and CRLF are no part of the text") {
  const Node root = Good(
                        "\xEF\xBB\xBF"
                        "a: 1\r\nb: two\r\n")
                        .root;
  CHECK(root.Find("a")->Text() == "1");
  CHECK(root.Find("b")->Text() == "two");
  CHECK(root.FindEntry("b")->key_at.Describe() == "t.yaml:2:1");
}

TEST_CASE("config: aliases and merge keys") {
  const Node root = Good(
                        "base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3, z: 4}\n"
                        "list: {<<: [{x: 9}, *b]}\nquoted: {'<<': 5}\n")
                        .root;
  CHECK(root.Find("same")->Find("y")->Text() == "2");
  CHECK(root.Find("same")->At().line == 1);
  const Node& more = *root.Find("more");
  CHECK(more.Entries().size() == 3);
  CHECK(more.Find("x")->Text() == "1");
  CHECK(more.Find("y")->Text() == "3");
  CHECK(root.Find("list")->Find("x")->Text() == "9");
  CHECK(root.Find("list")->Find("y")->Text() == "2");
  CHECK(root.Find("quoted")->Find("<<")->Text() == "5");
}

TEST_CASE("config: nothing, comments only and a scalar are documents") {
  CHECK(Good("").root.IsNull());
  CHECK(Good("# only this\n").root.IsNull());
  CHECK(Good("---\n...\n").root.IsNull());
  CHECK(Good("word\n").root.Text() == "word");
}

TEST_CASE("config: JSON of a tree") {
  const Node root =
      Good(
          "{a: 1, b: -1.5e2, c: true, d: yes, e: 007, f: '1', g: ~, h: [0x1f, .5, +1, "
          "1e400, 99999999999999999999], i: {j: no}}")
          .root;
  CHECK(ToJson(root).Dump() == R"({"a":1,"b":-150.0,"c":true,"d":"yes","e":"007","f":"1","g":null,)"
                               R"("h":["0x1f",".5","+1","1e400",1e+20],"i":{"j":"no"}})");
}

TEST_CASE("config: the line of a source") {
  const Source source("s", "one\r\ntwo\n\nlast");
  CHECK(source.Lines() == 4);
  CHECK(source.Line(1) == "one");
  CHECK(source.Line(2) == "two");
  CHECK(source.Line(3).empty());
  CHECK(source.Line(4) == "last");
  CHECK(source.Line(0).empty());
  CHECK(source.Line(5).empty());
}

TEST_CASE("config: paths start from the file that names them") {
  const auto source = std::make_shared<const Source>("x/a.yaml", "", "x");
  CHECK(Place{source, 1, 1}.Resolve("b.sql") == "x/b.sql");
  CHECK(Place{source, 1, 1}.Resolve("/b.sql") == "/b.sql");
  CHECK(Place{}.Resolve("b.sql") == "b.sql");
}

TEST_CASE("config: all duplicates of a file are told at once") {
  const std::string said = Complaints("a: 1\na: 2\nb: {c: 1, c: 2}\n");
  CHECK(said.find("t.yaml:2:1: error: duplicate key 'a'; first defined at t.yaml:1:1\n") !=
        std::string::npos);
  CHECK(said.find("t.yaml:3:11: error: duplicate key 'c'; first defined at t.yaml:3:5\n") !=
        std::string::npos);
}

TEST_CASE("config: a file that is not there, or is a directory") {
  Diagnostics diagnostics;
  const Document document = LoadWithIncludes("/no/such/file.yaml", diagnostics);
  CHECK(document.root.IsNull());
  CHECK(diagnostics.Render().starts_with("/no/such/file.yaml: error: "));
  Diagnostics other;
  LoadWithIncludes("/", other);
  CHECK(other.HasErrors());
}

}  // namespace perf::config
