// SPDX-License-Identifier: Apache-2.0
// Decoding of a histogram from a result file that somebody else wrote.
#include "libperf/stats/histogram.hpp"
#include "libperf/base/error.hpp"
#include "libperf/stats/hdr_codec.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const perf::stats::Histogram histogram = perf::stats::Decode(perf::fuzz::Text(data, size));
    const std::string text = perf::stats::Encode(histogram);
    const perf::stats::Histogram again = perf::stats::Decode(text);
    perf::fuzz::Require(perf::stats::Encode(again) == text, "what is encoded decodes to itself");
  } catch (const perf::Error&) {
  }
  return 0;
}
