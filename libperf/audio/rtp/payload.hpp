// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::audio {

/// What a payload type stands for.
/// Thread safety: a value.
struct RtpPayload {
  enum class Codec : std::uint8_t { kOther, kPcmu, kPcma, kL16, kComfortNoise };

  std::string name;              ///< "PCMU"; empty: not known
  std::uint32_t clock_rate = 0;  ///< Hz; 0: not known
  unsigned channels = 1;
  Codec codec = Codec::kOther;

  bool Known() const noexcept { return clock_rate > 0; }
  /// PCMU, PCMA and L16: what DecodePayload can do.
  bool Decodable() const noexcept {
    return codec == Codec::kPcmu || codec == Codec::kPcma || codec == Codec::kL16;
  }
  /// Requires: Decodable().
  std::size_t BytesPerFrame() const noexcept {
    return channels * (codec == Codec::kL16 ? std::size_t{2} : std::size_t{1});
  }
  /// "PCMU/8000/2"; "unknown".
  std::string ToString() const;
};

/// "PCMU/8000/2" or "opus/48000": name, clock rate, channels; as in SDP (RFC 8866). Nothing for
/// other text.
PERF_EXPORT std::optional<RtpPayload> ParsePayload(std::string_view text);

/// Which payload type is what: the static ones of RFC 3551, and those that are told.
/// Thread safety: as a standard container.
class PERF_EXPORT RtpPayloadMap {
 public:
  RtpPayloadMap();
  /// Requires: type < 128.
  void Set(std::uint8_t type, RtpPayload payload) { payloads_[type] = std::move(payload); }
  /// "125=PCMU/8000/2"; false for other text.
  bool Set(std::string_view text);
  /// The type that stands for it in RFC 3551.
  static std::optional<std::uint8_t> StaticType(const RtpPayload& payload) noexcept;
  /// Requires: type < 128.
  const RtpPayload& At(std::uint8_t type) const noexcept { return payloads_[type]; }

 private:
  std::array<RtpPayload, 128> payloads_;
};

/// Decodes the whole frames of a payload, as far as there is room; the count of samples (of all
/// channels). Requires: Decodable().
PERF_EXPORT std::size_t DecodePayload(const RtpPayload& payload, std::span<const std::byte> bytes,
                                      std::span<std::int16_t> samples) noexcept;
/// The reverse; the count of bytes. Requires: Decodable(), and room.
PERF_EXPORT std::size_t EncodePayload(const RtpPayload& payload,
                                      std::span<const std::int16_t> samples,
                                      std::span<std::byte> bytes) noexcept;

}  // namespace perf::audio
