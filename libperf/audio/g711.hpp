// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace perf::audio {

/// The two laws of ITU-T G.711 in tables of 8 KiB to encode and half a KiB to decode. What is
/// encoded are the upper 14 bits of a sample, as the nearest value that the law has, which is what
/// common encoders do: at the 126 borders between two steps of unlike width it differs by half a
/// step from a reading of the standard's decision values.
/// Thread safety: constants and pure functions.
namespace g711 {

/// One law: how a code is expanded, and what its bits are combined with on the line.
struct Law {
  std::array<std::int16_t, 256> decoded{};
  /// The step (0…127) of each 14-bit magnitude.
  std::array<std::uint8_t, 8192> step{};
  std::uint8_t mask = 0;
};

constexpr std::int16_t ExpandUlaw(unsigned step) noexcept {
  return static_cast<std::int16_t>(((((step & 15U) << 3) + 132U) << (step >> 4)) - 132U);
}
constexpr std::int16_t ExpandAlaw(unsigned step) noexcept {
  const unsigned base = ((step & 15U) << 4) + 8;
  return static_cast<std::int16_t>(step < 16 ? base : (base + 256) << ((step >> 4) - 1));
}

template <typename Expand>
constexpr Law MakeLaw(Expand expand, std::uint8_t mask) noexcept {
  Law law;
  law.mask = mask;
  for (unsigned step = 0; step < 128; ++step) {
    const std::int16_t value = expand(step);
    law.decoded[step ^ mask] = value;
    law.decoded[step ^ mask ^ 0x80U] = static_cast<std::int16_t>(-value);
  }
  unsigned step = 0;
  for (int magnitude = 0; magnitude < 8192; ++magnitude) {
    // The middle between two values of 16 bits, rounded up to one of 14.
    while (step < 127 && magnitude >= (expand(step) + expand(step + 1) + 4) / 8) ++step;
    law.step[static_cast<std::size_t>(magnitude)] = static_cast<std::uint8_t>(step);
  }
  return law;
}

inline constexpr Law kUlaw = MakeLaw(ExpandUlaw, 0xFF);
inline constexpr Law kAlaw = MakeLaw(ExpandAlaw, 0xD5);

constexpr std::uint8_t Encode(const Law& law, std::int16_t sample) noexcept {
  const int value = sample >> 2;
  const int magnitude = value < 0 ? -value : value;
  // -8192 has no positive counterpart.
  const unsigned step = law.step[static_cast<std::size_t>(magnitude < 8191 ? magnitude : 8191)];
  return static_cast<std::uint8_t>(step ^ law.mask ^ (value < 0 ? 0x80U : 0U));
}
constexpr std::int16_t Decode(const Law& law, std::uint8_t code) noexcept {
  return law.decoded[code];
}

}  // namespace g711

constexpr std::uint8_t EncodeUlaw(std::int16_t sample) noexcept {
  return g711::Encode(g711::kUlaw, sample);
}
constexpr std::uint8_t EncodeAlaw(std::int16_t sample) noexcept {
  return g711::Encode(g711::kAlaw, sample);
}
constexpr std::int16_t DecodeUlaw(std::uint8_t code) noexcept {
  return g711::Decode(g711::kUlaw, code);
}
constexpr std::int16_t DecodeAlaw(std::uint8_t code) noexcept {
  return g711::Decode(g711::kAlaw, code);
}

}  // namespace perf::audio
