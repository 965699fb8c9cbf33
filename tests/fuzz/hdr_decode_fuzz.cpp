// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "libperf/base/error.hpp"
#include "libperf/stats/base64.hpp"
#include "libperf/stats/hdr_codec.hpp"

namespace {

void DecodeTwice(std::string_view text) {
  try {
    const perf::stats::Histogram first = perf::stats::Decode(text);
    const perf::stats::Histogram second = perf::stats::Decode(perf::stats::Encode(first));
    if (second.Count() != first.Count() || !(second.Config() == first.Config())) std::abort();
    if (second.ValueAtQuantile(0.5) > second.Max()) std::abort();
  } catch (const perf::ConfigError&) {
    // What damaged input has to give.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  DecodeTwice(input);
  // Also as bytes, or nearly all inputs would end at the base64 alphabet.
  DecodeTwice(perf::stats::EncodeBase64(input));
  return 0;
}
