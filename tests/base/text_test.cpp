// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/text.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "libperf/base/error.hpp"

namespace perf {

TEST_CASE("text: suggestions are slips, not guesses") {
  constexpr std::array<std::string_view, 6> kKeys{"targets", "thresholds", "flows",
                                                  "setup",   "teardown",   "url"};
  CHECK(Suggest("tragets", kKeys) == "targets");  // a swap is one slip
  CHECK(Suggest("treshold", kKeys) == "thresholds");
  CHECK(Suggest("flow", kKeys) == "flows");
  CHECK(Suggest("ulr", kKeys) == "url");
  CHECK(Suggest("xyz", kKeys).empty());
  CHECK(Suggest("", kKeys).empty());
  CHECK(Suggest(std::string(5000, 't'), kKeys).empty());
  CHECK(Suggest("flows", {}).empty());
  constexpr std::array<std::string_view, 2> kShort{"a", "b"};
  CHECK(Suggest("x", kShort).empty());
}

TEST_CASE("text: the nearest candidate wins, the first among equals") {
  constexpr std::array<std::string_view, 3> kNames{"maximum", "max", "mix"};
  CHECK(Suggest("mex", kNames) == "max");
  CHECK(Suggest("maximun", kNames) == "maximum");
}

TEST_CASE("text: splitting") {
  using Parts = std::vector<std::string_view>;
  CHECK(Split("", ',') == Parts{""});
  CHECK(Split("a", ',') == Parts{"a"});
  CHECK(Split("a,,b,", ',') == Parts{"a", "", "b", ""});
}

TEST_CASE("text: trimming and letter case") {
  CHECK(Trim(" \t a b \r\n") == "a b");
  CHECK(Trim(" \n ").empty());
  CHECK(Trim("").empty());
  CHECK(ToLower("AbZ-Ä") == "abz-Ä");
  CHECK(EqualsIgnoreCase("Content-LENGTH", "content-length"));
  CHECK_FALSE(EqualsIgnoreCase("a", "ab"));
  CHECK_FALSE(EqualsIgnoreCase("[", "{"));
}

TEST_CASE("text: excerpts are safe to print") {
  CHECK(Excerpt("plain", 10) == "plain");
  CHECK(Excerpt("plain", 5) == "plain");
  CHECK(Excerpt("plain", 4) == "plai…");
  CHECK(Excerpt("", 0).empty());
  CHECK(Excerpt("abc", 0) == "…");
  CHECK(Excerpt("aäb", 2) == "a…");  // not half of the ä
  CHECK(Excerpt("aäb", 3) == "aä…");
  CHECK(Excerpt("a😀", 4) == "a…");
  CHECK(Excerpt("a\n\r\t\x1b[31m\x7f", 99) == "a\\n\\r\\t\\x1b[31m\\x7f");
  CHECK(Excerpt(std::string_view("a\0b", 3), 99) == "a\\x00b");
  CHECK(Excerpt("\xc2\x9b", 99) == "\\x9b");                // one-byte command of a terminal
  CHECK(Excerpt("\xff\xc3(", 99) == "\\xff\\xc3(");         // not UTF-8
  CHECK(Excerpt("\xed\xa0\x80", 99) == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(Excerpt("\x80\x80\x80\x80\x80\x80", 5) == "\\x80\\x80\\x80\\x80\\x80…");
}

TEST_CASE("text: files are read whole, within their limit") {
  std::string directory = "/tmp/perf-text-XXXXXX";
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  const std::string path = directory + "/data";
  const std::string content = std::string(40'000, 'x') + std::string("\0\n", 2);
  std::ofstream(path, std::ios::binary) << content;
  CHECK(ReadFile(path, content.size()) == content);
  CHECK_THROWS_AS(ReadFile(path, content.size() - 1), ConfigError);
  CHECK_THROWS_AS(ReadFile(path, 0), ConfigError);
  CHECK_THROWS_AS(ReadFile(directory, 100), ConfigError);
  CHECK_THROWS_WITH_AS(ReadFile(directory + "/absent", 100),
                       (directory + "/absent: cannot be read: No such file or directory").c_str(),
                       ConfigError);
  // A pipe without a writer must not be waited for.
  const std::string pipe = directory + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(ReadFile(pipe, 100), (pipe + ": cannot be read: not a regular file").c_str(),
                       ConfigError);
  CHECK_THROWS_AS(ReadFile("/dev/zero", 100), ConfigError);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "x: 1\n", 5) == 5);
  ::close(ends[1]);
  CHECK(ReadFile("/dev/fd/" + std::to_string(ends[0]), 100) == "x: 1\n");
  ::close(ends[0]);
  ::unlink(pipe.c_str());
  ::unlink(path.c_str());
  ::rmdir(directory.c_str());
}

}  // namespace perf
