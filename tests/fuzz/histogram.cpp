// SPDX-License-Identifier: Apache-2.0
// Decoding of a histogram from a result file that somebody else wrote. Most inputs are taken for
// the inner payload and wrapped as the format asks, or none would get past base64 and deflate.
#include <zlib.h>

#include <string>

#include "libperf/base/error.hpp"
#include "libperf/stats/base64.hpp"
#include "libperf/stats/hdr_codec.hpp"
#include "libperf/stats/histogram.hpp"
#include "tests/fuzz/require.hpp"

namespace {

std::string Wrapped(std::string_view payload) {
  uLongf size = compressBound(payload.size());
  std::string out(8 + size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data() + 8), &size,
            reinterpret_cast<const Bytef*>(payload.data()), payload.size(), 1);
  out.resize(8 + size);
  const std::uint32_t words[] = {0x1c849314, static_cast<std::uint32_t>(size)};
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(words[i / 4] >> (24 - i % 4 * 8));
  return perf::stats::EncodeBase64(out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest = perf::fuzz::Text(data + 1, size - 1);
  try {
    const auto histogram = perf::stats::Decode(data[0] == '=' ? std::string(rest) : Wrapped(rest));
    const std::string text = perf::stats::Encode(histogram);
    const auto again = perf::stats::Decode(text);
    perf::fuzz::Require(perf::stats::Encode(again) == text, "what is encoded decodes to itself");
  } catch (const perf::Error&) {
  }
  return 0;
}
