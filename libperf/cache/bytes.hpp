// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace perf::cache {

static_assert(std::endian::native == std::endian::little, "frames and snapshots are little endian");

/// Appends numbers and counted strings to a string.
/// Thread safety: none. Lifetime: of the string it writes to.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) noexcept : out_(&out) {}

  template <typename T>
  void Put(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    out_->append(raw, sizeof(T));
  }
  void Raw(std::string_view bytes) { out_->append(bytes); }
  /// At most 65,535 bytes.
  void Short(std::string_view bytes) {
    Put(static_cast<std::uint16_t>(bytes.size()));
    Raw(bytes);
  }

 private:
  std::string* out_;
};

/// Takes them out again; what is not there reads as 0 or "" and makes Ok() false for good.
/// Thread safety: none. Lifetime: of the bytes it reads.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : rest_(bytes) {}

  template <typename T>
  T Get() noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const std::string_view raw = Raw(sizeof(T));
    if (raw.size() == sizeof(T)) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  std::string_view Raw(std::size_t length) noexcept {
    if (length > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }
  std::string_view Short() noexcept { return Raw(Get<std::uint16_t>()); }
  std::string_view Rest() const noexcept { return rest_; }
  bool Ok() const noexcept { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace perf::cache
