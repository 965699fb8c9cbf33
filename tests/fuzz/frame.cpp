// SPDX-License-Identifier: Apache-2.0
// Frames of the second tier: whatever comes in is a frame of this key or nothing, within its bound.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "libperf/cache/compression.hpp"
#include "libperf/cache/frame.hpp"
#include "tests/fuzz/require.hpp"

using perf::fuzz::Require;

namespace {

constexpr std::string_view kKey = "key";
constexpr std::size_t kMost = 1U << 20;

/// The checksum put right: else the fuzzer would not get behind it.
std::string Mended(std::string bytes) {
  const std::uint64_t of_key = perf::cache::Checksum(kKey, kKey.size());
  const std::uint64_t of_head =
      perf::cache::Checksum(std::string_view(bytes).substr(0, 56), of_key);
  const std::uint64_t sum = perf::cache::Checksum(std::string_view(bytes).substr(64), of_head);
  std::memcpy(bytes.data() + 56, &sum, sizeof(sum));
  return bytes;
}

void Try(std::string_view bytes) {
  const auto frame = perf::cache::DecodeFrame(kKey, bytes, kMost);
  if (!frame) return;
  Require(frame->bytes.size() <= kMost, "no value is longer than its bound");
  const std::string again = perf::cache::EncodeFrame(kKey, *frame, {});
  const auto same = perf::cache::DecodeFrame(kKey, again, kMost);
  Require(same &&
              (frame->kind != perf::cache::Frame::Kind::kValue || same->bytes == frame->bytes) &&
              same->tags == frame->tags && same->stamp == frame->stamp,
          "a frame comes back as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Try(bytes);
  if (size >= perf::cache::kFrameHeaderBytes) Try(Mended(bytes));
  if (size > 0) {
    const auto codec = static_cast<perf::cache::Codec>(data[0] % 3);
    const auto raw =
        perf::cache::Unpack(codec, std::string_view(bytes).substr(1), size * 7 % kMost);
    Require(!raw || raw->size() == size * 7 % kMost, "as long as it was said to be");
  }
  return 0;
}
