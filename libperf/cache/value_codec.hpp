// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "libperf/base/json.hpp"

namespace perf::cache {

/// What turns values of one type into bytes and back: const, thread-safe, and Decode gives nothing
/// for bytes that Encode did not make.
template <typename C, typename T>
concept CodecOf = requires(const C& codec, const T& value, std::string& out, std::string_view in) {
  { codec.Encode(value, out) };
  { codec.Decode(in) } -> std::same_as<std::optional<T>>;
};

/// The codec of a type where none is named: of texts, JSON, numbers and enumerations. For others
/// specialise it, or name a codec.
template <typename T>
struct ValueCodec;

/// The bytes themselves.
template <>
struct ValueCodec<std::string> {
  void Encode(const std::string& value, std::string& out) const { out = value; }
  std::optional<std::string> Decode(std::string_view in) const { return std::string(in); }
};

template <>
struct ValueCodec<Json> {
  void Encode(const Json& value, std::string& out) const { out = value.Dump(); }
  std::optional<Json> Decode(std::string_view in) const { return Json::TryParse(in); }
};

/// A tag of one byte that tells the kind and size, then the bytes, lowest first whatever the
/// machine: what was written as another type is not decoded.
template <typename T>
  requires std::integral<T> || std::floating_point<T> || std::is_enum_v<T>
struct ValueCodec<T> {
  static_assert(sizeof(T) <= 8, "wider numbers differ among machines");
  static constexpr char kTag = static_cast<char>((std::is_floating_point_v<T> ? 0x40
                                                  : std::is_signed_v<T>       ? 0x20
                                                                              : 0x10) |
                                                 static_cast<int>(sizeof(T)));

  void Encode(const T& value, std::string& out) const {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.assign(1, kTag);
    for (std::size_t i = 0; i < sizeof(T); ++i) out += bytes[At(i)];
  }

  std::optional<T> Decode(std::string_view in) const {
    if (in.size() != 1 + sizeof(T) || in.front() != kTag) return std::nullopt;
    char bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes[At(i)] = in[1 + i];
    if constexpr (std::is_same_v<T, bool>) {
      if (bytes[0] != 0 && bytes[0] != 1) return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }

 private:
  /// Where the i-th lowest byte of a value stands on this machine.
  static constexpr std::size_t At(std::size_t i) noexcept {
    return std::endian::native == std::endian::big ? sizeof(T) - 1 - i : i;
  }
};

}  // namespace perf::cache
