// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/units.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <clocale>
#include <limits>
#include <utility>

#include "libperf/base/random.hpp"

namespace perf {

using namespace std::chrono_literals;

TEST_CASE("units: durations that are read") {
  const std::pair<const char*, Duration> kGood[] = {
      {"0", 0ns},
      {"0s", 0ns},
      {"5ns", 5ns},
      {"10us", 10us},
      {"250ms", 250ms},
      {"1.5s", 1500ms},
      {"0.1s", 100ms},
      {"1m30s", 90s},
      {"2h", 2h},
      {"1h2m3s4ms5us6ns", 1h + 2min + 3s + 4ms + 5us + 6ns},
      {"1.5h30s", 90min + 30s},
      {"0.000000001s", 1ns},
      {"007ms", 7ms},
      {"999999999ns", 999'999'999ns},
      {"87600h", 87'600h},
      {"1.0000000000000000000000000001s", 1s}};
  for (const auto& [text, value] : kGood) {
    CAPTURE(text);
    CHECK(ParseDuration(text) == value);
  }
}

TEST_CASE("units: durations that are refused") {
  for (const char* text : {"",       " ",
                           "5",      "ms",
                           "-5ms",   "+5ms",
                           " 5ms",   "5ms ",
                           "5 ms",   "1e3ms",
                           "nan",    "inf",
                           "nans",   ".5s",
                           "5.s",    "1..5s",
                           "1.5",    "1s1m",
                           "1s1s",   "1m1",
                           "5MS",    "5sec",
                           "5d",     "0x5s",
                           "1,5s",   "99999999999999999999s",
                           "87900h", "1000000000000h",
                           "00",     "1_000ms",
                           "5ms\n",  "١s"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseDuration(text).has_value());
  }
}

TEST_CASE("units: exact durations are read back as they were") {
  CHECK(FormatExact(1500ms) == "1500ms");
  CHECK(FormatExact(20s) == "20s");
  CHECK(FormatExact(0ns) == "0s");
  CHECK(FormatExact(120s) == "2m");
  CHECK(FormatExact(90s) == "90s");
  CHECK(FormatExact(1ns) == "1ns");
  CHECK(FormatExact(Duration::min()) == "-9223372036854775808ns");
  Random random(4);
  for (int i = 0; i < 2000; ++i) {
    std::int64_t unit = 1;
    for (std::int64_t n = random.Int(0, 9); n > 0; --n) unit *= 10;
    const Duration value(random.Int(0, 100'000) * unit);
    CAPTURE(value.count());
    CHECK(ParseDuration(FormatExact(value)) == value);
  }
}

TEST_CASE("units: durations for people") {
  const std::pair<Duration, const char*> kCases[] = {
      {0ns, "0"},           {1ns, "1ns"},       {850ns, "850ns"},       {999ns, "999ns"},
      {1us, "1us"},         {1234ns, "1.23us"}, {12'345us, "12.3ms"},   {999'700us, "1s"},
      {999'400us, "999ms"}, {1500ms, "1.5s"},   {59'940ms, "59.9s"},    {59'960ms, "1m"},
      {125s, "2m5s"},       {60s, "1m"},        {3599'400ms, "59m59s"}, {3599'600ms, "1h"},
      {2h + 5min, "2h5m"},  {100h, "100h"},     {-1500ms, "-1.5s"},     {100ms, "100ms"},
      {10us, "10us"}};
  for (const auto& [value, text] : kCases) CHECK(FormatDuration(value) == text);
}

TEST_CASE("units: bytes") {
  const std::pair<const char*, std::uint64_t> kGood[] = {
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"4KiB", 4096},
      {"50MiB", 52'428'800},
      {"2GiB", std::uint64_t{2} << 30},
      {"1TiB", std::uint64_t{1} << 40},
      {"10kB", 10'000},
      {"3MB", 3'000'000},
      {"1GB", 1'000'000'000},
      {"1.5KiB", 1536},
      {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()}};
  for (const auto& [text, value] : kGood) {
    CAPTURE(text);
    CHECK(ParseBytes(text) == value);
  }
  for (const char* text :
       {"", "B", "-1", "+1", "1.5", "1.5B", "1K", "1KB", "1kb", "4 KiB", "4KiB ", "1e3", "nan",
        "inf", "18446744073709551616", "17179869184GiB", "16777216TiB", "0x10"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseBytes(text).has_value());
  }
  CHECK(ParseBytes("16777215TiB") == std::uint64_t{16'777'215} << 40);
  CHECK(FormatBytes(0) == "0 B");
  CHECK(FormatBytes(1023) == "1023 B");
  CHECK(FormatBytes(1536) == "1.5 KiB");
  CHECK(FormatBytes(1'047'552) == "1023 KiB");
  CHECK(FormatBytes(1'048'064) == "1 MiB");
  CHECK(FormatBytes(52'428'800) == "50 MiB");
  CHECK(FormatBytes(std::numeric_limits<std::uint64_t>::max()) == "16 EiB");
}

TEST_CASE("units: rates") {
  CHECK(ParseRate("200/s") == 200.0);
  CHECK(ParseRate("12000/m") == 200.0);
  CHECK(ParseRate("3600/h") == 1.0);
  CHECK(ParseRate("0.5/s") == 0.5);
  CHECK(ParseRate("0/s") == 0.0);
  for (const char* text : {"", "/s", "200", "200/", "200s", "-1/s", "+1/s", "nan/s", "inf/s",
                           "1e999/s", "200/d", "200/ s", " 200/s", "200/s ", "200//s", ".5/s"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseRate(text).has_value());
  }
}

TEST_CASE("units: fractions") {
  CHECK(ParseFraction("1%") == 0.01);
  CHECK(ParseFraction("0.01") == 0.01);
  CHECK(ParseFraction("100%") == 1.0);
  CHECK(ParseFraction("0") == 0.0);
  for (const char* text : {"", "%", "-1%", "+1%", "1%%", "1 %", "nan%", "inf", "%1", "1.%"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseFraction(text).has_value());
  }
}

TEST_CASE("units: numbers") {
  CHECK(ParseNumber("12") == 12.0);
  CHECK(ParseNumber("-0.5") == -0.5);
  CHECK(ParseNumber("+0.5") == 0.5);
  CHECK(ParseNumber("1e3") == 1000.0);
  CHECK(ParseNumber("1.25E-2") == 0.0125);
  for (const char* text : {"", "-", "+", "+-1", "-+1", "--1", "nan", "-nan", "inf", "infinity",
                           "1e999", "1e", ".5", "5.", "1.e3", "0x10", "1 ", " 1", "1,5"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseNumber(text).has_value());
  }
  CHECK(ParseInteger("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(ParseInteger("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(ParseInteger("+7") == 7);
  for (const char* text : {"", "-", "+", "+-7", "9223372036854775808", "1.0", "1e3", " 1", "1 "}) {
    CAPTURE(text);
    CHECK_FALSE(ParseInteger(text).has_value());
  }
}

TEST_CASE("units: counts for people") {
  CHECK(FormatCount(0) == "0");
  CHECK(FormatCount(950) == "950");
  CHECK(FormatCount(999.6) == "1k");
  CHECK(FormatCount(12'345) == "12.3k");
  CHECK(FormatCount(4'560'000) == "4.56M");
  CHECK(FormatCount(0.5) == "0.5");
  CHECK(FormatCount(-1500) == "-1.5k");
  CHECK(FormatCount(2e15) == "2000T");
}

TEST_CASE("units: the locale has no say") {
  const char* found = nullptr;
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"}) {
    if (found == nullptr) found = std::setlocale(LC_NUMERIC, name);
  }
  if (found == nullptr) MESSAGE("no locale with a decimal comma is installed; checked as C only");
  CHECK(ParseNumber("1.5") == 1.5);
  CHECK(FormatDuration(1500ms) == "1.5s");
  std::setlocale(LC_NUMERIC, "C");
}

}  // namespace perf
