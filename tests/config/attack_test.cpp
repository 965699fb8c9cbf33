// SPDX-License-Identifier: Apache-2.0
// Files made to exhaust a parser. Each must be refused; the time is watched only for what
// would otherwise take minutes, as machines differ.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <string>

#include "libperf/config/document.hpp"
#include "tests/config/support.hpp"

namespace perf::config {
namespace {

std::string Repeat(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  while (times-- > 0) out += text;
  return out;
}

// The message of a text that must be refused as a whole.
std::string Refusal(std::string text) {
  Diagnostics diagnostics;
  const auto start = std::chrono::steady_clock::now();
  const Document document = LoadText("t.yaml", std::move(text), diagnostics, test::With({}));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  INFO(taken.count() << " s");
  CHECK(taken.count() < 30);
  CHECK(document.root.IsNull());
  const auto errors = diagnostics.Sorted();
  REQUIRE(!errors.empty());
  // The whole rendering must be short, too: the line may have 16 MiB.
  CHECK(diagnostics.Render().size() < 50'000);
  return errors.back().place.Describe() + ": " + errors.back().message;
}

bool Mentions(const std::string& text, std::string_view part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

std::string Laughs(int levels, int width) {
  std::string text = "a0: &a0 ha\n";
  for (int level = 1; level <= levels; ++level) {
    std::string items;
    for (int item = 0; item < width; ++item) items += fmt::format("*a{}, ", level - 1);
    text += fmt::format("a{}: &a{} [{}]\n", level, level, items);
  }
  return text;
}

}  // namespace

TEST_CASE("config: depth of every kind is bounded") {
  const std::string deep = "nested deeper than 64 levels";
  CHECK(Refusal(Repeat("[", 100'000)).ends_with(deep));
  CHECK(Refusal(Repeat("{", 100'000)).ends_with(deep));
  CHECK(Refusal(Repeat("{a: ", 100'000)).ends_with(deep));
  CHECK(Refusal(Repeat("[a, ", 50'000)).ends_with(deep));
  CHECK(Refusal("[" + Repeat(": ", 100'000)).ends_with(deep));
  CHECK(Refusal(Repeat("- ", 100'000)) == "t.yaml:1:129: " + deep);
  CHECK(Refusal(Repeat("? ", 100'000)).ends_with(deep));
  std::string block;
  for (int level = 0; level < 3000; ++level) block += std::string(level, ' ') + "a:\n";
  CHECK(Refusal(block) == "t.yaml:64:64: " + deep);
}

TEST_CASE("config: the deepest file that is allowed") {
  Diagnostics diagnostics;
  const Document document =
      LoadText("t.yaml", Repeat("[", 64) + Repeat("]", 64), diagnostics, test::With({}));
  CHECK(!diagnostics.HasErrors());
  CHECK(document.root.Height() == 64);
}

TEST_CASE("config: what the parser holds back is bounded") {
  for (const std::string unit : {"[", "{", "[\n", "[a,", "{a: {", "{a,"}) {
    CAPTURE(unit);
    Refusal(Repeat(unit, (std::size_t{15} << 20) / unit.size()));
  }
  const std::string long_flow = "[" + Repeat("a,\n", 4'000'000);
  CHECK(Mentions(Refusal(long_flow), "a single value or comment holds more than 250000"));
  CHECK(Mentions(Refusal("[" + Repeat("'a'\n", 2'000'000)), "a single value or comment holds"));
  CHECK(Mentions(Refusal("[" + Repeat("&a\n", 3'000'000)), "a single value or comment holds"));
  CHECK(Mentions(Refusal("[" + Repeat("a #\n", 3'000'000)), "a single value or comment holds"));
}

TEST_CASE("config: aliases may not multiply") {
  CHECK(Refusal(Laughs(9, 10)) == "t.yaml:6:45: aliases expand to more than 100000 values");
  CHECK(Mentions(Refusal(Laughs(40, 2)), "aliases expand to more than 100000 values"));
  CHECK(Mentions(Refusal(Laughs(70, 1)), "nested deeper than 64 levels"));
  // By merge keys: each level has all keys of the one before it, twice as large.
  std::string merges = "a0: &a0 {x: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n";
  for (int level = 1; level < 30; ++level) {
    merges += fmt::format("a{0}: &a{0} {{<<: *a{1}, k{0}: *a{1}}}\n", level, level - 1);
  }
  CHECK(Mentions(Refusal(merges), "aliases expand to more than 100000 values"));
}

TEST_CASE("config: aliases within the bound are fine and share memory") {
  const Document document = test::Good(Laughs(4, 10));
  CHECK(document.root.Find("a4")->TreeSize() == 11'111);
}

TEST_CASE("config: the number of values is bounded") {
  CHECK(Refusal(Repeat("- a\n", 4'000'000)) ==
        "t.yaml:200000:3: more than 200000 values in one document");
  CHECK(Mentions(Refusal(Repeat("a:\n", 4'000'000)), "more than 200000 values"));
  CHECK(Mentions(Refusal(Repeat("- |\n", 4'000'000)), "more than 200000 values"));
}

TEST_CASE("config: size, documents, directives and long tokens") {
  CHECK(Refusal(std::string((std::size_t{16} << 20) + 1, 'a')) ==
        "t.yaml:1:1: the file is larger than 16 MiB");
  CHECK(Mentions(Refusal(Repeat("---\n", 4'000'000)), "t.yaml:2:1: a second document"));
  CHECK(Mentions(Refusal(Repeat("[],", 10'000)), "a second document"));
  Refusal(Repeat("%TAG !a! tag:x\n", 100'000) + "--- [");
  Refusal("&" + std::string(1 << 20, 'a') + " [");
  Refusal("!" + std::string(1 << 20, 'a') + " [");
  Refusal(std::string(1 << 20, 'a') + ": [");
  Refusal("\"" + std::string(1 << 20, 'a'));
  Refusal("[ " + std::string(1 << 20, ' '));
}

TEST_CASE("config: a bomb behind much text is not reached") {
  const std::size_t most = std::size_t{15} << 20;
  const std::string bomb = Laughs(9, 10);
  CHECK(Refusal("x: " + std::string(most, 'a') + "\n" + bomb) ==
        "t.yaml:1:1: a line of more than 1 MiB; keep large data in a file of its own");
  CHECK(Refusal("x: \"" + Repeat("a b ", most / 4) + "\"\n" + bomb)
            .starts_with("t.yaml:1:1: a line of more"));
  const std::string large = "t.yaml: a single value or comment is larger than 4 MiB";
  CHECK(Refusal("x: a\n" + Repeat("  a\n", most / 4) + bomb).starts_with(large));
  CHECK(Refusal("x: |\n" + Repeat("  a b c d e f\n", most / 14) + bomb).starts_with(large));
  CHECK(Refusal(Repeat("\n", most) + bomb).starts_with(large));
  std::string many;
  for (int i = 0; i < 15'000; ++i) many += fmt::format("k{}: {}\n", i, std::string(1000, 'a'));
  CHECK(Mentions(Refusal(many + bomb), "more than 2 MiB of text without quotes"));
}

TEST_CASE("config: long texts that are no attack") {
  const std::string line = Repeat("select 1 from guests ", 50);
  const std::string text = "sql: |\n" + Repeat("  " + line + "\n", 3500);
  CHECK(test::Good(text).root.Find("sql")->Text().size() == (line.size() + 1) * 3500);
  CHECK(test::Good("a: " + std::string(1'000'000, 'x') + "\n").root.Find("a")->Text().size() ==
        1'000'000);
  CHECK(test::Good("a: \"" + std::string(1'000'000, 'x') + "\"\nb: '" +
                   std::string(1'000'000, 'x') + "'\nc: \"" + std::string(1'000'000, 'x') + "\"\n")
            .root.Entries()
            .size() == 3);
}

TEST_CASE("config: no byte is swallowed or guessed") {
  CHECK(Refusal(std::string("a: 1\nb: \0", 9)) ==
        "t.yaml:2:4: control character U+0000; write it as an escape in double quotes");
  CHECK(Mentions(Refusal("a: 1\n\x04 b: 2"), "t.yaml:2:1: control character U+0004"));
  CHECK(Mentions(Refusal("a: \x7f"), "control character U+007F"));
  CHECK(Mentions(Refusal(std::string("\xFE\xFF\0a", 4)), "UTF-16"));
  CHECK(Mentions(Refusal(std::string("a\0b\0", 4)), "UTF-16"));
  for (const auto* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80",
                          "\xFF", "\xF0\x80\x80\x80"}) {
    CHECK(Mentions(Refusal(std::string("ü: ") + bad), "t.yaml:1:4: byte 0x"));
  }
  CHECK(test::Good("a: \xF0\x9F\x98\x80\n").root.Find("a")->Text() == "\xF0\x9F\x98\x80");
}

}  // namespace perf::config
