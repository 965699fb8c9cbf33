// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "libperf/base/error.hpp"
#include "libperf/cache/trace.hpp"
#include "libperf/cache/trace/input.hpp"

namespace perf::cache {

namespace {

class FileBytes final : public ByteSource {
 public:
  FileBytes(int file, std::string name) noexcept : file_(file), name_(std::move(name)) {}
  ~FileBytes() override { ::close(file_); }
  std::size_t Read(std::span<char> into) override {
    while (true) {
      const ssize_t got = ::read(file_, into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      throw ConfigError(
          fmt::format("cannot read {}: {}", name_, std::generic_category().message(errno)));
    }
  }

 private:
  int file_;
  std::string name_;
};

class MemoryBytes final : public ByteSource {
 public:
  explicit MemoryBytes(std::string_view bytes) noexcept : left_(bytes) {}
  std::size_t Read(std::span<char> into) override {
    const std::size_t count = std::min(into.size(), left_.size());
    std::copy_n(left_.data(), count, into.data());
    left_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view left_;
};

[[noreturn]] void FailOpen(const std::string& path, int error) {
  throw ConfigError(
      fmt::format("cannot open trace {}: {}", path, std::generic_category().message(error)));
}

/// What the shell has opened may be a pipe; a named one would block for ever.
bool OpenedByShell(const std::string& path) {
  return path.starts_with("/dev/fd/") || path == "/dev/stdin" || path.starts_with("/proc/self/fd/");
}

}  // namespace

ByteSource::~ByteSource() = default;

std::unique_ptr<ByteSource> OpenBytes(const std::string& path) {
  const bool input = path == "-";
  const std::string name = input ? "standard input" : path;
  const int file =
      input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
            : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | (OpenedByShell(path) ? 0 : O_NONBLOCK));
  if (file < 0) FailOpen(name, errno);
  auto bytes = std::make_unique<FileBytes>(file, name);
  struct stat facts{};
  if (::fstat(file, &facts) != 0) FailOpen(name, errno);
  if (S_ISDIR(facts.st_mode)) FailOpen(name, EISDIR);
  if (!input && !OpenedByShell(path) && !S_ISREG(facts.st_mode)) {
    throw ConfigError(fmt::format("cannot open trace {}: it is no regular file", path));
  }
  return Unpacked(std::move(bytes), name);
}

std::unique_ptr<ByteSource> OpenMemory(std::string_view bytes, const std::string& name) {
  return Unpacked(std::make_unique<MemoryBytes>(bytes), name);
}

}  // namespace perf::cache
