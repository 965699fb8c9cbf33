// SPDX-License-Identifier: Apache-2.0
// Units, URLs, percent codes, masks and JSON: whatever comes in, only the documented errors go out.
#include <cmath>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"
#include "tests/fuzz/require.hpp"

using perf::fuzz::Require;

namespace {

void Units(std::string_view text) {
  if (auto value = perf::ParseDuration(text)) {
    Require(value->count() >= 0, "no duration is negative");
    Require(perf::ParseDuration(perf::FormatExact(*value)) == value, "FormatExact is exact");
  }
  if (auto value = perf::ParseNumber(text)) Require(std::isfinite(*value), "numbers are finite");
  if (auto value = perf::ParseRate(text)) Require(std::isfinite(*value), "rates are finite");
  if (auto value = perf::ParseFraction(text))
    Require(std::isfinite(*value), "fractions are finite");
  perf::ParseInteger(text);
  if (auto value = perf::ParseBytes(text)) perf::FormatBytes(*value);
}

void Urls(std::string_view text) {
  Require(perf::PercentDecode(perf::PercentEncode(text)) == text, "percent codes round-trip");
  perf::MaskSecrets(text);
  perf::IsLoopback(text);
  try {
    const perf::Url url = perf::Url::Parse(text);
    const std::string masked = url.Masked();
    if (url.password.size() > 8 && perf::PercentEncode(url.password) == url.password &&
        url.user.find(url.password) == std::string::npos &&
        url.host.find(url.password) == std::string::npos &&
        url.path.find(url.password) == std::string::npos &&
        url.query.find(url.password) == std::string::npos) {
      Require(masked.find(url.password) == std::string::npos, "Masked has no password");
    }
  } catch (const perf::ConfigError&) {
  }
}

void Values(std::string_view text) {
  const auto value = perf::Json::TryParse(text);
  bool parsed = true;
  try {
    perf::Json::Parse(text);
  } catch (const perf::ConfigError&) {
    parsed = false;
  }
  Require(parsed == value.has_value(), "Parse and TryParse agree");
  if (!value) return;
  const std::string printed = value->Dump();
  const auto again = perf::Json::TryParse(printed);
  Require(again && again->Dump() == printed, "what is printed reads back");
  value->AtPointer(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = perf::fuzz::Text(data, size);
  Units(text);
  Urls(text);
  Values(text);
  return 0;
}
