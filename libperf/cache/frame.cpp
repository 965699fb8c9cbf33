// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/frame.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <xxhash.h>

#include "libperf/cache/bytes.hpp"
#include "libperf/cache/compression.hpp"
#include "libperf/cache/second_tier.hpp"

namespace perf::cache {
namespace {

constexpr std::string_view kMagic = "PKC1";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecksumOffset = 56;

std::uint64_t Micros(Duration length) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(length.count(), 0)) / 1000;
}

/// What does not fit is for ever.
Duration FromMicros(std::uint64_t micros) noexcept {
  constexpr auto kMost = static_cast<std::uint64_t>(Duration::max().count()) / 1000;
  return micros >= kMost ? Duration::max() : Duration(static_cast<std::int64_t>(micros) * 1000);
}

std::uint64_t FrameChecksum(std::string_view key, std::string_view frame) noexcept {
  const std::uint64_t of_key = Checksum(key, key.size());
  const std::uint64_t of_head = Checksum(frame.substr(0, kChecksumOffset), of_key);
  return Checksum(frame.substr(kChecksumOffset + sizeof(std::uint64_t)), of_head);
}

bool Encodable(const Frame& frame) noexcept {
  return frame.tags.size() <= kMaxFrameTags &&
         std::all_of(frame.tags.begin(), frame.tags.end(), [](const TagMark& mark) {
           return mark.tag.size() <= std::numeric_limits<std::uint16_t>::max();
         });
}

}  // namespace

std::uint64_t Checksum(std::string_view bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string EncodeFrame(std::string_view key, const Frame& frame,
                        const CompressionOptions& compression) {
  const bool valid = Encodable(frame);
  const Frame::Kind kind = valid ? frame.kind : Frame::Kind::kTombstone;
  const bool payload = kind == Frame::Kind::kValue;
  const std::optional<std::string> packed = payload ? Pack(frame.bytes, compression) : std::nullopt;
  const std::string_view body = packed    ? std::string_view(*packed)
                                : payload ? std::string_view(frame.bytes)
                                          : std::string_view();
  std::string out;
  std::size_t tag_bytes = 0;
  for (const TagMark& mark : frame.tags) tag_bytes += mark.tag.size() + 10;
  out.reserve(kFrameHeaderBytes + tag_bytes + body.size());
  ByteWriter writer(out);
  writer.Raw(kMagic);
  writer.Put(kVersion);
  writer.Put(static_cast<std::uint8_t>(packed ? compression.codec : Codec::kNone));
  writer.Put(static_cast<std::uint8_t>(kind));
  writer.Put(static_cast<std::uint8_t>(valid ? frame.tags.size() : 0));
  // Big endian: the tier compares stamps as strings of bytes.
  writer.Put(__builtin_bswap64(frame.stamp));
  writer.Put(static_cast<std::uint64_t>(payload ? frame.bytes.size() : 0));
  writer.Put(Micros(frame.ttl));
  writer.Put(Micros(frame.stale_while_revalidate));
  writer.Put(Micros(frame.stale_if_error));
  writer.Put(Micros(frame.load_time));
  writer.Put(std::uint64_t{0});
  if (valid) {
    for (const TagMark& mark : frame.tags) {
      writer.Put(mark.generation);
      writer.Short(mark.tag);
    }
  }
  writer.Raw(body);
  const std::uint64_t checksum = FrameChecksum(key, out);
  std::memcpy(out.data() + kChecksumOffset, &checksum, sizeof(checksum));
  return out;
}

std::optional<Frame> DecodeFrame(std::string_view key, std::string_view bytes,
                                 std::size_t max_value) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  ByteReader reader(bytes);
  if (reader.Raw(kMagic.size()) != kMagic || reader.Get<std::uint8_t>() != kVersion) {
    return std::nullopt;
  }
  const auto codec = reader.Get<std::uint8_t>();
  const auto kind = reader.Get<std::uint8_t>();
  const auto tags = reader.Get<std::uint8_t>();
  Frame frame;
  frame.stamp = __builtin_bswap64(reader.Get<std::uint64_t>());
  const auto raw_length = reader.Get<std::uint64_t>();
  frame.ttl = FromMicros(reader.Get<std::uint64_t>());
  frame.stale_while_revalidate = FromMicros(reader.Get<std::uint64_t>());
  frame.stale_if_error = FromMicros(reader.Get<std::uint64_t>());
  frame.load_time = FromMicros(reader.Get<std::uint64_t>());
  const auto checksum = reader.Get<std::uint64_t>();
  if (codec > static_cast<std::uint8_t>(Codec::kZstd) ||
      kind > static_cast<std::uint8_t>(Frame::Kind::kTombstone) || raw_length > max_value ||
      checksum != FrameChecksum(key, bytes)) {
    return std::nullopt;
  }
  frame.kind = static_cast<Frame::Kind>(kind);
  frame.tags.reserve(tags);
  for (int i = 0; i < tags; ++i) {
    const auto generation = reader.Get<std::uint64_t>();
    frame.tags.push_back({std::string(reader.Short()), generation});
  }
  if (!reader.Ok()) return std::nullopt;
  std::optional<std::string> raw = Unpack(static_cast<Codec>(codec), reader.Rest(), raw_length);
  if (!raw) return std::nullopt;
  frame.bytes = std::move(*raw);
  return frame;
}

}  // namespace perf::cache
