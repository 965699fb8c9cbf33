// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace perf::audio {

/// Numbers in network byte order. Thread safety: pure. Requires: so many bytes at `at`.
inline std::uint16_t Get16(const std::byte* at) noexcept {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 |
                                    std::to_integer<unsigned>(at[1]));
}
inline std::uint32_t Get32(const std::byte* at) noexcept {
  return std::uint32_t{Get16(at)} << 16 | Get16(at + 2);
}
inline void Put16(std::byte* at, std::uint16_t value) noexcept {
  at[0] = static_cast<std::byte>(value >> 8);
  at[1] = static_cast<std::byte>(value & 0xff);
}
inline void Put32(std::byte* at, std::uint32_t value) noexcept {
  Put16(at, static_cast<std::uint16_t>(value >> 16));
  Put16(at + 2, static_cast<std::uint16_t>(value & 0xffff));
}

/// Numbers of a file that tells its byte order at its front.
struct EitherEndian {
  bool big = false;

  std::uint16_t Get16(const std::byte* at) const noexcept {
    const std::uint16_t value = audio::Get16(at);
    return big ? value : static_cast<std::uint16_t>(value << 8 | value >> 8);
  }
  std::uint32_t Get32(const std::byte* at) const noexcept {
    const std::uint32_t value = audio::Get32(at);
    return big ? value : __builtin_bswap32(value);
  }
  /// Its high half stands first, in either order.
  std::uint64_t GetHalves(const std::byte* at) const noexcept {
    return std::uint64_t{Get32(at)} << 32 | Get32(at + 4);
  }
};

}  // namespace perf::audio
