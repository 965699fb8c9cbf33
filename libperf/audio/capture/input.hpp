// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace perf::audio {

/// Bytes, pulled: fills from the front; 0 only at the end.
using PullBytes = std::function<std::size_t(std::span<std::byte>)>;

/// What the readers of captures read from, a record after the other.
/// Thread safety: none. Memory: one buffer, up to twice kMostRecord.
class CaptureInput {
 public:
  /// tcpdump's own bound is a quarter of it.
  static constexpr std::size_t kMostRecord = std::size_t{1} << 20;

  CaptureInput(PullBytes pull, std::string name);

  /// The next bytes without taking them: `count`, or fewer at the end.
  /// Requires: count <= kMostRecord.
  std::span<const std::byte> Peek(std::size_t count);
  /// Takes `count` bytes, which stay valid until the next call; where fewer are left, all of them
  /// are taken and nothing is given, and Cut() tells whether there were any.
  std::span<const std::byte> Take(std::size_t count);
  /// The file ended within what was last taken.
  bool Cut() const noexcept { return cut_; }
  const std::string& Name() const noexcept { return name_; }
  /// Throws: ConfigError naming the file and where what was last taken begins.
  [[noreturn]] void Fail(const std::string& what) const;

 private:
  PullBytes pull_;
  std::string name_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0, taken_ = 0;  // of the next byte, of what was last taken
  bool ended_ = false, cut_ = false;
};

/// Of a file (see InputFile), or of standard input where it is "-". Throws, also when called:
/// ConfigError.
PullBytes PullFile(const std::string& path);
/// Of bytes of the caller, who keeps them alive.
PullBytes PullMemory(std::span<const std::byte> bytes);

}  // namespace perf::audio
