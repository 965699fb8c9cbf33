// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::monitor {

/// A file of /proc, /sys or a cgroup that is read again and again: opened once, then only pread.
/// One that is not there, or went away, is tried anew at each read, so that what appears later is
/// seen. Thread safety: none.
class PERF_EXPORT ProcFile {
 public:
  explicit ProcFile(std::string path) : path_(std::move(path)) {}
  ~ProcFile() { Close(); }
  ProcFile(ProcFile&& other) noexcept;
  ProcFile& operator=(ProcFile&& other) noexcept;

  /// The whole text, in `buffer`, which grows to what the file needs, 1 MiB at most; what is beyond
  /// is left out. Empty where it cannot be read. The view is valid until `buffer` is used again.
  std::string_view Read(std::vector<char>& buffer) noexcept;
  void Close() noexcept;
  const std::string& Path() const noexcept { return path_; }

 private:
  std::string_view ReadOpen(std::vector<char>& buffer);
  std::string path_;
  int file_ = -1;
};

/// How many entries a directory has beside "." and ".."; -1 where it cannot be read. On procfs the
/// kernel is asked for the number of open files without listing them, where it knows (Linux 6.2).
class PERF_EXPORT ProcDirectory {
 public:
  explicit ProcDirectory(std::string path) : path_(std::move(path)) {}
  ~ProcDirectory() { Close(); }
  ProcDirectory(ProcDirectory&& other) noexcept;
  ProcDirectory& operator=(ProcDirectory&& other) noexcept;
  long Count() noexcept;
  void Close() noexcept;

 private:
  long CountListed() noexcept;
  std::string path_;
  int file_ = -1;
  bool procfs_ = false;
};

}  // namespace perf::monitor
