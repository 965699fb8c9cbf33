// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/frame_mutator.hpp"

#include <algorithm>
#include <cstring>

#include "libperf/cache/frame.hpp"

namespace perf::bench {
namespace {

// Of EncodeFrame's layout.
constexpr std::size_t kVersionAt = 4, kCodecAt = 5, kTagsAt = 7, kLengthAt = 16, kChecksumAt = 56;

std::size_t Below(Random& random, std::size_t limit) {
  return static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(limit) - 1));
}

std::string RandomBytes(Random& random, std::size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Int(0, 255));
  return bytes;
}

/// Makes the checksum fit, as an attacker or a bug of a writer would.
std::string Sealed(std::string_view key, std::string frame) {
  if (frame.size() < cache::kFrameHeaderBytes) return frame;
  const std::string_view view = frame;
  const std::uint64_t of_key = cache::Checksum(key, key.size());
  const std::uint64_t of_head = cache::Checksum(view.substr(0, kChecksumAt), of_key);
  const std::uint64_t sum = cache::Checksum(view.substr(cache::kFrameHeaderBytes), of_head);
  std::memcpy(frame.data() + kChecksumAt, &sum, sizeof sum);
  return frame;
}

std::string OtherLength(std::string frame, Random& random) {
  std::uint64_t length = 0;
  std::memcpy(&length, frame.data() + kLengthAt, sizeof length);
  const std::uint64_t lengths[] = {length + 1,        length - 1,
                                   length * 1000,     std::uint64_t{63} << 20,
                                   ~std::uint64_t{0}, std::uint64_t{1} << 63};
  const std::uint64_t chosen = lengths[Below(random, std::size(lengths))];
  const std::uint64_t other = chosen == length ? length + 2 : chosen;
  std::memcpy(frame.data() + kLengthAt, &other, sizeof other);
  return frame;
}

/// Only from packed ones: plain bytes may be taken for packed ones that unpack to as many others,
/// which is a forgery and not damage.
std::string OtherCodec(std::string frame, Random& random) {
  char& codec = frame[kCodecAt];
  if (codec == 0) {
    codec = static_cast<char>(random.Int(3, 255));
  } else {
    codec = static_cast<char>(codec == 1 ? 2 * random.Int(0, 1) : random.Int(0, 1));
  }
  return frame;
}

}  // namespace

std::string_view Name(FrameHarm harm) noexcept {
  constexpr std::string_view kNames[] = {
      "truncate",      "extend",      "flip_bits",      "set_bytes",      "splice",
      "random",        "empty",       "of_other_key",   "sealed_version", "sealed_codec",
      "sealed_length", "sealed_tags", "sealed_truncate"};
  static_assert(std::size(kNames) == kFrameHarms);
  return kNames[static_cast<std::size_t>(harm)];
}

std::string HarmFrame(FrameHarm harm, std::string_view key, std::string frame,
                      std::string_view other, Random& random) {
  const std::size_t size = frame.size();
  switch (harm) {
    case FrameHarm::kTruncate: frame.resize(Below(random, size)); return frame;
    case FrameHarm::kExtend: return frame + RandomBytes(random, 1 + Below(random, 64));
    case FrameHarm::kFlipBits:
      for (std::size_t i = 0, flips = 1 + Below(random, 8); i < flips; ++i) {
        frame[Below(random, size)] ^= static_cast<char>(1 << Below(random, 8));
      }
      return frame;
    case FrameHarm::kSetBytes:
      for (std::size_t i = 0, count = 1 + Below(random, 8); i < count; ++i) {
        constexpr char kBytes[] = {'\0', '\x01', '\x7f', '\x80', '\xff'};
        frame[Below(random, size)] = kBytes[Below(random, sizeof kBytes)];
      }
      return frame;
    case FrameHarm::kSplice:
      return frame.substr(0, Below(random, size)) +
             std::string(other.substr(Below(random, other.size())));
    case FrameHarm::kRandom: return RandomBytes(random, Below(random, 512));
    case FrameHarm::kEmpty: return {};
    case FrameHarm::kOfOther: return std::string(other);
    case FrameHarm::kSealedVersion:
      frame[kVersionAt] = static_cast<char>(frame[kVersionAt] + 1 + random.Int(0, 200));
      break;
    case FrameHarm::kSealedCodec: frame = OtherCodec(std::move(frame), random); break;
    case FrameHarm::kSealedLength: frame = OtherLength(std::move(frame), random); break;
    case FrameHarm::kSealedTags:
      frame[kTagsAt] = static_cast<char>(frame[kTagsAt] + 1 + random.Int(0, 200));
      break;
    case FrameHarm::kSealedTruncate:
      if (size > cache::kFrameHeaderBytes) {
        frame.resize(cache::kFrameHeaderBytes + Below(random, size - cache::kFrameHeaderBytes));
      }
      break;
  }
  return Sealed(key, std::move(frame));
}

}  // namespace perf::bench
