// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf {
namespace {

/// What the user's shell has opened for us: standard input, or the pipe of `<(command)`.
bool IsOwnInput(std::string_view path) noexcept {
  return path == "-" || path == "/dev/stdin" || path.starts_with("/dev/fd/") ||
         path.starts_with("/proc/self/fd/");
}

/// Calls until it was not interrupted.
template <typename Call>
ssize_t Again(Call call) {
  ssize_t done = 0;
  do {
    done = call();
  } while (done < 0 && errno == EINTR);
  return done;
}

bool IsSpecial(const char* path) noexcept {
  struct stat facts{};
  return ::stat(path, &facts) == 0 && !S_ISREG(facts.st_mode);
}

}  // namespace

InputFile::InputFile(const std::string& path)
    : name_(path == "-" ? "standard input" : path),
      // To open a pipe would wait for its writer, for ever if need be.
      file_(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                        : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat facts{};
  if (file_ < 0 || ::fstat(file_, &facts) != 0) Fail(errno);
  const auto refuse = [this](const char* why) {
    ::close(std::exchange(file_, -1));
    throw ConfigError(fmt::format("{}: cannot be read: {}", name_, why));
  };
  if (S_ISDIR(facts.st_mode)) refuse("Is a directory");
  if (S_ISREG(facts.st_mode)) {
    size_ = static_cast<std::uint64_t>(facts.st_size);
  } else if (!IsOwnInput(path)) {
    refuse("not a regular file");
  } else if (path != "-") {
    ::fcntl(file_, F_SETFL, 0);
  }
}

InputFile::~InputFile() {
  if (file_ >= 0) ::close(file_);
}

std::size_t InputFile::Read(std::span<std::byte> into) {
  const ssize_t got = Again([&] { return ::read(file_, into.data(), into.size()); });
  if (got < 0) Fail(errno);
  return static_cast<std::size_t>(got);
}

std::size_t InputFile::ReadAt(std::uint64_t at, std::span<std::byte> into) {
  std::size_t all = 0;
  while (all < into.size()) {
    const ssize_t got = Again([&] {
      return ::pread(file_, into.data() + all, into.size() - all, static_cast<off_t>(at + all));
    });
    if (got < 0) Fail(errno);
    if (got == 0) break;
    all += static_cast<std::size_t>(got);
  }
  return all;
}

void InputFile::Fail(int code) const {
  throw ConfigError(
      fmt::format("{}: cannot be read: {}", name_, std::generic_category().message(code)));
}

OutputFile::OutputFile(const std::string& path)
    : name_(path == "-" ? "standard output" : path), path_(path) {
  if (path == "-") {
    file_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  } else if (IsSpecial(path.c_str())) {
    // A pipe that nobody reads is an error, not a wait without end.
    file_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ >= 0) ::fcntl(file_, F_SETFL, 0);
  } else {
    part_ = fmt::format("{}.{}.part", path, ::getpid());
    file_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  }
  if (file_ < 0) Fail(errno);
}

OutputFile::~OutputFile() {
  if (file_ < 0) return;
  ::close(file_);
  if (!part_.empty()) ::unlink(part_.c_str());
}

void OutputFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = Again([&] { return ::write(file_, bytes.data(), bytes.size()); });
    if (done < 0) Fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    size_ += static_cast<std::uint64_t>(done);
  }
}

void OutputFile::WriteAt(std::uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done =
        Again([&] { return ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(at)); });
    if (done < 0) Fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    at += static_cast<std::uint64_t>(done);
    size_ = std::max(size_, at);
  }
}

void OutputFile::Commit() {
  if (!part_.empty() && std::rename(part_.c_str(), path_.c_str()) != 0) Fail(errno);
  part_.clear();
  if (::close(std::exchange(file_, -1)) != 0) Fail(errno);
}

void OutputFile::Fail(int code) const {
  throw OutputError(
      fmt::format("{}: cannot be written: {}", name_, std::generic_category().message(code)));
}

}  // namespace perf
