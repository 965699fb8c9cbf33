// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/system/proc_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace perf::monitor {
namespace {

constexpr std::size_t kFirst = 4096;
constexpr std::size_t kMost = std::size_t{1} << 20;

/// As getdents64(2) gives them; the C library shows no such struct.
struct Entry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t size;
  std::uint8_t type;
  char name[1];
};

}  // namespace

ProcFile::ProcFile(ProcFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

ProcFile& ProcFile::operator=(ProcFile&& other) noexcept {
  if (this != &other) {
    Close();
    path_ = std::move(other.path_);
    file_ = std::exchange(other.file_, -1);
  }
  return *this;
}

void ProcFile::Close() noexcept {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

std::string_view ProcFile::Read(std::vector<char>& buffer) noexcept {
  if (path_.empty()) return {};
  try {
    if (file_ >= 0) {
      const std::string_view text = ReadOpen(buffer);
      if (!text.empty()) return text;
      Close();  // ESRCH, or the file was replaced: its path may lead to another one
    }
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return file_ < 0 ? std::string_view() : ReadOpen(buffer);
  } catch (...) {  // no memory for the buffer
    return {};
  }
}

std::string_view ProcFile::ReadOpen(std::vector<char>& buffer) {
  if (buffer.size() < kFirst) buffer.resize(kFirst);
  std::size_t have = 0;
  while (true) {
    const ssize_t got =
        ::pread(file_, buffer.data() + have, buffer.size() - have, static_cast<off_t>(have));
    if (got < 0) return {};
    have += static_cast<std::size_t>(got);
    // A short read is the end: these files are made whole for each reader.
    if (have < buffer.size() || buffer.size() >= kMost) break;
    buffer.resize(2 * buffer.size());
  }
  return {buffer.data(), have};
}

ProcDirectory::ProcDirectory(ProcDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      procfs_(other.procfs_) {}

ProcDirectory& ProcDirectory::operator=(ProcDirectory&& other) noexcept {
  if (this != &other) {
    Close();
    path_ = std::move(other.path_);
    file_ = std::exchange(other.file_, -1);
    procfs_ = other.procfs_;
  }
  return *this;
}

void ProcDirectory::Close() noexcept {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

long ProcDirectory::Count() noexcept {
  if (file_ < 0) {
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (file_ < 0) return -1;
    struct statfs system{};
    procfs_ = ::fstatfs(file_, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
  }
  struct stat status{};
  if (procfs_ && ::fstat(file_, &status) == 0 && status.st_size > 0) return status.st_size;
  const long count = CountListed();
  if (count < 0) Close();
  return count;
}

long ProcDirectory::CountListed() noexcept {
  if (::lseek(file_, 0, SEEK_SET) < 0) return -1;
  alignas(8) char list[8192];
  long count = 0;
  while (true) {
    const long got = ::syscall(SYS_getdents64, file_, list, sizeof list);
    if (got < 0) return -1;
    if (got == 0) return count;
    for (long at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const Entry*>(list + at);
      if (std::strcmp(entry->name, ".") != 0 && std::strcmp(entry->name, "..") != 0) ++count;
      at += entry->size;
    }
  }
}

}  // namespace perf::monitor
