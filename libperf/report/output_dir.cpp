// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/output_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "libperf/base/error.hpp"

namespace perf::report {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void Refuse(const std::string& path, int error) {
  throw OutputError(fmt::format("cannot write to {}: {}; choose another place with --out", path,
                                std::strerror(error)));
}

/// A directory of this user alone in the temporary folder, where everybody may write: one that
/// somebody else has put there could show him the results, or lead elsewhere.
std::string OwnTemporary() {
  const char* wanted = std::getenv("TMPDIR");
  const std::string folder = wanted != nullptr && *wanted == '/' ? wanted : "/tmp";
  std::string path = fmt::format("{}/perfkit-{}", folder, ::getuid());
  if (::mkdir(path.c_str(), 0700) == 0) return path;
  if (errno != EEXIST) Refuse(path, errno);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) Refuse(path, errno);
  const bool ours = S_ISDIR(status.st_mode) && status.st_uid == ::getuid();
  if (!ours) {
    throw OutputError(fmt::format(
        "cannot write to {}: it is {}; choose another place with --out, or set XDG_STATE_HOME",
        path, S_ISDIR(status.st_mode) ? "another user's" : "no directory"));
  }
  // Made by an earlier version, or by hand.
  if ((status.st_mode & 0077) != 0 && ::chmod(path.c_str(), 0700) != 0) Refuse(path, errno);
  return path;
}

std::string StateHome() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return state;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.local/state";
  }
  return OwnTemporary();
}

std::string FileSafe(std::string_view name) {
  std::string safe;
  for (const char c : name.substr(0, 60)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    safe += plain ? c : '-';
  }
  return safe.empty() ? "run" : safe;
}

/// Made here, because two runs of one second must not write into each other's directory.
std::string NewRunDir(std::string_view scenario) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  const std::string runs = StateHome() + "/perfkit/runs";
  std::error_code error;
  fs::create_directories(runs, error);
  if (error) Refuse(runs, error.value());
  const std::string base = fmt::format(
      "{}/{:04}{:02}{:02}T{:02}{:02}{:02}Z-{}", runs, parts.tm_year + 1900, parts.tm_mon + 1,
      parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, FileSafe(scenario));
  std::string path = base;
  for (int i = 2; ::mkdir(path.c_str(), 0777) != 0; ++i) {
    if (errno != EEXIST || i > 10'000) Refuse(path, errno);
    path = fmt::format("{}-{}", base, i);
  }
  return path;
}

void WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = errno;
      ::close(fd);
      ::unlink(path.c_str());
      Refuse(path, error);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

OutputDir::OutputDir(const std::string& wanted, std::string_view scenario)
    : path_(wanted.empty() ? NewRunDir(scenario) : wanted) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) Refuse(path_, error.value());
  // A real write, not a look at the permissions: it also finds full disks and quotas.
  const std::string probe = Write(".perfkit-probe", std::string(64 << 10, '.'));
  ::unlink(probe.c_str());
}

std::string OutputDir::Write(std::string_view name, std::string_view content) const {
  const std::string path = path_ + "/" + std::string(name);
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) Refuse(path, errno);
  WriteAll(fd, content, temporary);
  // Some file systems tell of a full disk only here.
  if (::close(fd) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    Refuse(path, error);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    Refuse(path, error);
  }
  return path;
}

void WriteStderr(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void WriteStdout(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) {
    throw OutputError(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  }
}

}  // namespace perf::report
