// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/file.hpp"

namespace perf::audio {

/// The bytes of a sound file, wherever they lie. May throw; what cannot do one of these does
/// nothing.
class SoundBytes {
 public:
  virtual ~SoundBytes() = default;
  virtual std::uint64_t Size() const noexcept = 0;
  /// As many as there are.
  virtual std::size_t ReadAt(std::uint64_t, std::span<std::byte>) { return 0; }
  virtual void WriteAt(std::uint64_t, std::span<const std::byte>) {}
};

class InputBytes final : public SoundBytes {
 public:
  /// Throws: ConfigError.
  explicit InputBytes(const std::string& path) : file_(path) {
    if (!file_.Size()) throw ConfigError(file_.Name() + ": only raw samples can come from a pipe");
  }
  std::uint64_t Size() const noexcept override { return file_.Size().value_or(0); }
  std::size_t ReadAt(std::uint64_t at, std::span<std::byte> into) override {
    return file_.ReadAt(at, into);
  }

 private:
  InputFile file_;
};

class OutputBytes final : public SoundBytes {
 public:
  explicit OutputBytes(const std::string& path) : file_(path) {}
  std::uint64_t Size() const noexcept override { return file_.Size(); }
  void WriteAt(std::uint64_t at, std::span<const std::byte> bytes) override {
    file_.WriteAt(at, bytes);
  }
  void Commit() { file_.Commit(); }

 private:
  OutputFile file_;
};

/// Borrows what it reads.
class SpanBytes final : public SoundBytes {
 public:
  explicit SpanBytes(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
  std::uint64_t Size() const noexcept override { return bytes_.size(); }
  std::size_t ReadAt(std::uint64_t at, std::span<std::byte> into) override {
    const std::uint64_t from = std::min<std::uint64_t>(at, bytes_.size());
    const std::size_t count = std::min<std::size_t>(into.size(), bytes_.size() - from);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(from), count, into.begin());
    return count;
  }

 private:
  std::span<const std::byte> bytes_;
};

/// Grows as it is written.
class VectorBytes final : public SoundBytes {
 public:
  std::uint64_t Size() const noexcept override { return bytes_.size(); }
  void WriteAt(std::uint64_t at, std::span<const std::byte> bytes) override {
    if (bytes_.size() < at + bytes.size()) bytes_.resize(at + bytes.size());
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::vector<std::byte> Take() noexcept { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace perf::audio
