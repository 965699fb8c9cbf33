// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace perf::audio {

/// The kernel's unit of giving memory back; a power of two.
std::size_t PageBytes() noexcept;

constexpr std::size_t RoundUp(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

/// Address space of zeroes; a page of it costs memory from its first write on.
/// Thread safety: none; what lies in it is its owner's business.
class Mapping {
 public:
  /// Throws: IoError when there is no address space.
  explicit Mapping(std::size_t bytes);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* Data() const noexcept { return data_; }
  std::size_t Size() const noexcept { return size_; }
  /// Gives whole pages back to the kernel; they read as zeroes afterwards.
  void Discard(std::size_t offset, std::size_t bytes) noexcept;

 private:
  std::byte* data_;
  std::size_t size_;
};

}  // namespace perf::audio
