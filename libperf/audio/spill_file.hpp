// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "libperf/base/export.hpp"

namespace perf::audio {

/// A nameless file for what is too much for memory, first in first out. Its space is reserved
/// before anything is written, and it is read and written by calls, not mapped: so a full disk is
/// an answer, never a SIGBUS. The file has no name from its first moment on, and goes with its
/// owner. Thread safety: none.
class PERF_EXPORT SpillFile {
 public:
  /// `most`: bytes that it may grow to. The file is made with the first Put.
  SpillFile(std::string directory, std::uint64_t most);
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  /// Where it lies; nothing when the disk is full, the limit reached or the directory not writable:
  /// LastError says which.
  std::optional<std::uint64_t> Put(std::span<const std::byte> bytes);
  /// False: the file cannot be read.
  bool Get(std::uint64_t at, std::span<std::byte> out);
  /// All is read: the space is used again from its beginning.
  void Rewind() noexcept { end_ = 0; }
  std::uint64_t ReservedBytes() const noexcept { return reserved_; }
  const std::string& LastError() const noexcept { return error_; }

 private:
  bool Open();
  bool Reserve(std::uint64_t bytes);

  const std::string directory_;
  const std::uint64_t most_;
  int file_ = -1;
  std::uint64_t end_ = 0;
  std::uint64_t reserved_ = 0;
  std::string error_;
};

}  // namespace perf::audio
