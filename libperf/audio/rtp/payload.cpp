// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/rtp/payload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/audio/byte_order.hpp"
#include "libperf/audio/format.hpp"
#include "libperf/audio/g711.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {
namespace {

constexpr std::size_t kMostName = 32;
/// As an AudioFormat has them; clocks of video lie in between.
constexpr std::int64_t kLeastRate = AudioFormat::kMinRate, kMostRate = AudioFormat::kMaxRate;
constexpr std::int64_t kMostChannels = AudioFormat::kMaxChannels;

struct Static {
  std::uint8_t type;
  const char* name;
  std::uint32_t rate;
  unsigned channels;
};
/// RFC 3551, tables 4 and 5.
constexpr Static kStatic[] = {
    {0, "PCMU", 8000, 1},   {3, "GSM", 8000, 1},    {4, "G723", 8000, 1},   {5, "DVI4", 8000, 1},
    {6, "DVI4", 16000, 1},  {7, "LPC", 8000, 1},    {8, "PCMA", 8000, 1},   {9, "G722", 8000, 1},
    {10, "L16", 44100, 2},  {11, "L16", 44100, 1},  {12, "QCELP", 8000, 1}, {13, "CN", 8000, 1},
    {14, "MPA", 90000, 1},  {15, "G728", 8000, 1},  {16, "DVI4", 11025, 1}, {17, "DVI4", 22050, 1},
    {18, "G729", 8000, 1},  {25, "CelB", 90000, 1}, {26, "JPEG", 90000, 1}, {28, "nv", 90000, 1},
    {31, "H261", 90000, 1}, {32, "MPV", 90000, 1},  {33, "MP2T", 90000, 1}, {34, "H263", 90000, 1},
};

RtpPayload::Codec CodecOf(std::string_view name) noexcept {
  using Codec = RtpPayload::Codec;
  constexpr std::pair<std::string_view, Codec> kCodecs[] = {{"PCMU", Codec::kPcmu},
                                                            {"PCMA", Codec::kPcma},
                                                            {"L16", Codec::kL16},
                                                            {"CN", Codec::kComfortNoise}};
  for (const auto& [known, codec] : kCodecs) {
    if (EqualsIgnoreCase(known, name)) return codec;
  }
  return Codec::kOther;
}

bool IsNameCharacter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '+';
}

}  // namespace

std::string RtpPayload::ToString() const {
  if (!Known()) return "unknown";
  return channels == 1 ? fmt::format("{}/{}", name, clock_rate)
                       : fmt::format("{}/{}/{}", name, clock_rate, channels);
}

std::optional<RtpPayload> ParsePayload(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, '/');
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  const std::string_view name = parts[0];
  const auto rate = ParseInteger(parts[1]);
  const auto channels = parts.size() == 3 ? ParseInteger(parts[2]) : std::int64_t{1};
  if (name.empty() || name.size() > kMostName ||
      !std::all_of(name.begin(), name.end(), IsNameCharacter) || !rate || *rate < kLeastRate ||
      *rate > kMostRate || !channels || *channels < 1 || *channels > kMostChannels) {
    return std::nullopt;
  }
  return RtpPayload{std::string(name), static_cast<std::uint32_t>(*rate),
                    static_cast<unsigned>(*channels), CodecOf(name)};
}

RtpPayloadMap::RtpPayloadMap() {
  for (const Static& known : kStatic) {
    payloads_[known.type] = {known.name, known.rate, known.channels, CodecOf(known.name)};
  }
}

std::optional<std::uint8_t> RtpPayloadMap::StaticType(const RtpPayload& payload) noexcept {
  for (const Static& known : kStatic) {
    if (known.rate == payload.clock_rate && known.channels == payload.channels &&
        EqualsIgnoreCase(known.name, payload.name)) {
      return known.type;
    }
  }
  return std::nullopt;
}

bool RtpPayloadMap::Set(std::string_view text) {
  const std::size_t sign = text.find('=');
  if (sign == std::string_view::npos) return false;
  const auto type = ParseInteger(text.substr(0, sign));
  auto payload = ParsePayload(text.substr(sign + 1));
  if (!type || *type < 0 || *type > 127 || !payload) return false;
  Set(static_cast<std::uint8_t>(*type), *std::move(payload));
  return true;
}

std::size_t DecodePayload(const RtpPayload& payload, std::span<const std::byte> bytes,
                          std::span<std::int16_t> samples) noexcept {
  const std::size_t frames =
      std::min(bytes.size() / payload.BytesPerFrame(), samples.size() / payload.channels);
  const std::size_t count = frames * payload.channels;
  for (std::size_t i = 0; i < count; ++i) {
    if (payload.codec == RtpPayload::Codec::kL16) {
      samples[i] = static_cast<std::int16_t>(Get16(bytes.data() + 2 * i));
    } else {
      const auto code = std::to_integer<std::uint8_t>(bytes[i]);
      samples[i] = payload.codec == RtpPayload::Codec::kPcmu ? DecodeUlaw(code) : DecodeAlaw(code);
    }
  }
  return count;
}

std::size_t EncodePayload(const RtpPayload& payload, std::span<const std::int16_t> samples,
                          std::span<std::byte> bytes) noexcept {
  std::byte* at = bytes.data();
  for (const std::int16_t sample : samples) {
    if (payload.codec == RtpPayload::Codec::kL16) {
      Put16(at, static_cast<std::uint16_t>(sample));
      at += 2;
    } else {
      *at++ = static_cast<std::byte>(
          payload.codec == RtpPayload::Codec::kPcmu ? EncodeUlaw(sample) : EncodeAlaw(sample));
    }
  }
  return static_cast<std::size_t>(at - bytes.data());
}

}  // namespace perf::audio
