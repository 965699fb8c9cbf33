// SPDX-License-Identifier: Apache-2.0
// Threshold expressions from scenarios and the command line.
#include "libperf/load/threshold.hpp"

#include <cmath>

#include "libperf/base/error.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = perf::fuzz::Text(data, size);
  try {
    const auto condition = perf::load::Condition::Parse(text);
    perf::fuzz::Require(std::isfinite(condition.limit), "limits are finite");
    perf::fuzz::Require(condition.percentile >= 0 && condition.percentile <= 100, "0 <= p <= 100");
    condition.Holds(1);
  } catch (const perf::ConfigError&) {
  }
  try {
    perf::load::ThresholdSpec::Parse(text);
  } catch (const perf::ConfigError&) {
  }
  return 0;
}
