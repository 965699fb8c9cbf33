// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/log.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/text.hpp"

namespace perf {
namespace {

/// Runs `work` and gives back what it wrote to the standard error stream.
template <typename Work>
std::string Captured(Work work) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  work();
  std::fflush(stderr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::string text;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

std::vector<std::string_view> Lines(std::string_view text) {
  auto lines = Split(text, '\n');
  REQUIRE(lines.back().empty());
  lines.pop_back();
  return lines;
}

/// Puts the defaults back.
struct Restored {
  ~Restored() {
    ConfigureLog(LogLevel::kWarn, LogFormat::kText);
    SetLogRunId("");
  }
};

struct NotFormatted {};

}  // namespace
}  // namespace perf

template <>
struct fmt::formatter<perf::NotFormatted> : fmt::formatter<int> {
  template <typename Context>
  auto format(perf::NotFormatted, Context& context) const {
    FAIL("an argument of a line that is off was formatted");
    return context.out();
  }
};

namespace perf {

TEST_CASE("log: by default warnings and errors, as text") {
  const std::string text = Captured([] {
    Log(LogLevel::kInfo, "quiet {}", NotFormatted{});
    Log(LogLevel::kWarn, "loud {}", 1);
    LogText(LogLevel::kError, "error");
    LogText(LogLevel::kInfo, "quiet");
  });
  const auto lines = Lines(text);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].ends_with("Z warn loud 1"));
  CHECK(lines[0].size() == std::string_view("2026-01-01T00:00:00.000Z warn loud 1").size());
  CHECK(lines[1].ends_with(" error error"));
}

TEST_CASE("log: one JSON object a line, with the run's id once it is known") {
  const Restored restored;
  ConfigureLog(LogLevel::kDebug, LogFormat::kJson);
  const std::string text = Captured([] {
    Log(LogLevel::kDebug, "a \"quoted\" line\n{}", "break");
    SetLogRunId("r\"1");
    Log(LogLevel::kError, "b");
  });
  const auto lines = Lines(text);
  REQUIRE(lines.size() == 2);
  const Json first = Json::Parse(lines[0]);
  const Json second = Json::Parse(lines[1]);
  REQUIRE(first.AsObject().size() == 3);
  CHECK(first.AsObject()[0].first == "ts");
  CHECK(first.Find("ts")->AsString().size() == 24);
  CHECK(first.Find("level")->AsString() == "debug");
  CHECK(first.Find("msg")->AsString() == "a \"quoted\" line\nbreak");
  CHECK(second.Find("run_id")->AsString() == "r\"1");
}

TEST_CASE("log: text lines cannot be forged, and carry no secret") {
  const Restored restored;
  SetLogRunId("run7");
  const std::string text = Captured([] {
    LogText(LogLevel::kWarn,
            "a\n2026 error forged \x1b[31m postgres://u:s3cret@h/ password=s3cret");
    LogText(LogLevel::kWarn, std::string(1'000'000, 'x'));
  });
  const auto lines = Lines(text);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("[run7] a\\n2026") != std::string_view::npos);
  CHECK(text.find("s3cret") == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(lines[1].size() < 20'000);
}

TEST_CASE("log: off is silent") {
  const Restored restored;
  ConfigureLog(LogLevel::kOff, LogFormat::kText);
  CHECK_FALSE(LogEnabled(LogLevel::kError));
  CHECK_FALSE(LogEnabled(LogLevel::kOff));
  CHECK(Captured([] {
          LogText(LogLevel::kError, "x");
          LogText(LogLevel::kOff, "x");
        }).empty());
}

TEST_CASE("log: lines of several threads stay whole") {
  const Restored restored;
  ConfigureLog(LogLevel::kInfo, LogFormat::kJson);
  const std::string text = Captured([] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i) {
          SetLogRunId(i % 2 == 0 ? "even" : "odd");
          Log(LogLevel::kInfo, "thread {} line {}", t, i);
        }
      });
    }
  });
  const auto lines = Lines(text);
  CHECK(lines.size() == 800);
  for (const std::string_view line : lines) CHECK(Json::TryParse(line).has_value());
}

TEST_CASE("log: level names") {
  CHECK(ParseLogLevel("trace") == LogLevel::kTrace);
  CHECK(ParseLogLevel("warn") == LogLevel::kWarn);
  CHECK(ParseLogLevel("off") == LogLevel::kOff);
  CHECK_THROWS_AS(ParseLogLevel("Warn"), UsageError);
  CHECK_THROWS_AS(ParseLogLevel(""), UsageError);
}

}  // namespace perf
