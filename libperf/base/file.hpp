// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "libperf/base/export.hpp"

namespace perf {

/// An input: a regular file, or what the shell has opened for us ("-" is standard input; the pipe
/// of `<(command)`). Other pipes and devices are refused: they could block for ever.
/// Thread safety: none.
class PERF_EXPORT InputFile {
 public:
  /// Throws: ConfigError naming path and reason.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// The path, or "standard input".
  const std::string& Name() const noexcept { return name_; }
  /// Of a regular file, when it was opened.
  std::optional<std::uint64_t> Size() const noexcept { return size_; }
  /// The next bytes, at least one; 0 at the end. Throws: ConfigError.
  std::size_t Read(std::span<std::byte> into);
  /// Of a regular file the bytes from `at`, as many as there are. Throws: ConfigError.
  std::size_t ReadAt(std::uint64_t at, std::span<std::byte> into);

 private:
  [[noreturn]] void Fail(int code) const;

  std::string name_;
  int file_;
  std::optional<std::uint64_t> size_;
};

/// A file that appears under its name only when it is complete; one that stood there is replaced.
/// Devices and pipes ("-" is standard output) are written as they are.
/// Thread safety: none.
class PERF_EXPORT OutputFile {
 public:
  /// Throws: OutputError naming path and reason.
  explicit OutputFile(const std::string& path);
  /// Without Commit nothing is left.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& Name() const noexcept { return name_; }
  /// At the end of what was written. Throws: OutputError.
  void Write(std::span<const std::byte> bytes);
  /// Anywhere, but not into a pipe. Throws: OutputError.
  void WriteAt(std::uint64_t at, std::span<const std::byte> bytes);
  /// The end of what was written.
  std::uint64_t Size() const noexcept { return size_; }
  /// Throws: OutputError.
  void Commit();

 private:
  [[noreturn]] void Fail(int code) const;

  std::string name_, path_, part_;  // part_ empty: written as it is
  int file_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace perf
