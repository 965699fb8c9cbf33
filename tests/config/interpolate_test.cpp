// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "libperf/config/document.hpp"
#include "tests/config/support.hpp"

namespace perf::config {

using test::Complaints;
using test::Folder;
using test::Good;
using test::With;

namespace {

std::string Text(const std::string& scalar, const LoadOptions& options = With({})) {
  return Good("a: " + scalar, options).root.Find("a")->Text();
}

}  // namespace

TEST_CASE("config: variables of the environment") {
  const auto options = With({{"A", "one"}, {"EMPTY", ""}});
  CHECK(Text("${env.A}", options) == "one");
  CHECK(Text("'x${env.A}y${env.A}z'", options) == "xoneyonez");
  CHECK(Text("'${env.A:-two}'", options) == "one");
  CHECK(Text("'${env.B:-two}'", options) == "two");
  CHECK(Text("'${env.EMPTY:-two}'", options) == "two");
  CHECK(Text("'${env.EMPTY}'", options).empty());
  CHECK(Text("'${env.B:-}'", options).empty());
  CHECK(Text("'${env.B:-${env.A}}'", options) == "one");
  CHECK(Text("'${env.B:-${env.C:-{x}}}'", options) == "{x}");
  CHECK(Text("'${env.B:-http://h:80/-}'", options) == "http://h:80/-");
}

TEST_CASE("config: other expressions are left to the scenario") {
  for (const auto* text : {"${vars.x}", "${rand.int(1,6)}", "$$", "$${env.A}", "$", "a$b", "${",
                           "${envelope}", "${environment.x}", "$1"}) {
    CHECK(Text(std::string("'") + text + "'") == text);
  }
  CHECK(Text("'$$$${env.A}'", With({{"A", "1"}})) == "$$$${env.A}");
  CHECK(Text("'$$$${env.A}$${x}${env.A}'", With({{"A", "1"}})) == "$$$${env.A}$${x}1");
}

TEST_CASE("config: keys are not resolved") {
  const Node root = Good("'${env.A}': 1", With({{"A", "one"}})).root;
  CHECK(root.Entries()[0].key == "${env.A}");
}

TEST_CASE("config: foreign values are tainted and no templates") {
  const Node root =
      Good("a: ${env.A}\nb: plain\nc: '${env.B:-${vars.x}}'\nd: &d [\"${env.A}\"]\ne: *d\n",
           With({{"A", "p$${x}"}}))
          .root;
  CHECK(root.Find("a")->Text() == "p$${x}");
  CHECK(root.Find("a")->TemplateText() == "p$$$${x}");
  CHECK(root.Find("a")->Tainted());
  CHECK(!root.Find("b")->Tainted());
  CHECK(root.Find("b")->TemplateText() == "plain");
  CHECK(!root.Find("c")->Tainted());
  CHECK(root.Find("c")->TemplateText() == "${vars.x}");
  CHECK(root.Find("e")->Items()[0].Text() == "p$${x}");
  // Resolved once: both names lead to the same items.
  CHECK(&root.Find("e")->Items() == &root.Find("d")->Items());
  CHECK(ToJson(*root.Find("a"), true).AsString() == "p$$$${x}");
}

TEST_CASE("config: secret files") {
  const Folder folder;
  folder.Write("sub/key", "s3cret\n");
  folder.Write("two", "x\r\n\n");
  folder.Write("large", std::string(kMaxSecretBytes + 1, 'x'));
  folder.Write("nul", std::string("a\0b", 3));
  REQUIRE(mkfifo((folder.Path() + "/pipe").c_str(), 0600) == 0);
  const auto load = [&](const std::string& text, Diagnostics& diagnostics) {
    return LoadWithIncludes(folder.Write("main.yaml", text), diagnostics, With({})).root;
  };
  Diagnostics good;
  const Node root = load("a: ${file:sub/key}\nb: '<${file:two}>'\n", good);
  CHECK(!good.HasErrors());
  CHECK(root.Find("a")->Text() == "s3cret");
  CHECK(root.Find("a")->Tainted());
  CHECK(root.Find("b")->Text() == "<x\r\n>");
  // A pipe that nobody writes to would block for ever.
  for (const auto* name : {"large", "nul", "pipe", "sub", "absent", ""}) {
    CAPTURE(name);
    Diagnostics bad;
    load(std::string("a: '${file:") + name + "}'\n", bad);
    CHECK(bad.Count() == 1);
  }
}

TEST_CASE("config: files can be forbidden") {
  LoadOptions options = With({});
  options.files = false;
  CHECK(Complaints("a: ${file:/etc/hostname}", options).find("not allowed") != std::string::npos);
  CHECK(Complaints("include: [/etc/hostname]", options).find("not allowed") != std::string::npos);
}

TEST_CASE("config: resolved text is bounded") {
  std::string text = "a:\n";
  for (int line = 0; line < 300; ++line) text += "  - ${env.BIG}\n";
  const std::string said = Complaints(text, With({{"BIG", std::string(64 << 10, 'x')}}));
  CHECK(said.find("add up to over 16 MiB") != std::string::npos);
}

TEST_CASE("config: a secret is not echoed") {
  const auto options = With({{"PASSWORD", "hunter2"}});
  Diagnostics diagnostics;
  const Document document = LoadText("t.yaml", "a: ${env.PASSWORD}\n", diagnostics, options);
  diagnostics.Error(document.root.Find("a")->At(), "expected a number");
  CHECK(diagnostics.Render() ==
        "t.yaml:1:4: error: expected a number\n  a: ${env.PASSWORD}\n     ^\n");
}

}  // namespace perf::config
