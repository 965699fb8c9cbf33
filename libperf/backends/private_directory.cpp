// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/private_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>

#include "libperf/backends/process_kin.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view kGuardianLock = "guardian.lock";
constexpr std::string_view kLockSuffix = ".lock";
// sun_path holds 108 bytes; the longest that we append is
// "/perfkit-4294967295-XXXXXX/redis99.sock".
constexpr std::size_t kMaxParent = 60;

struct flock WholeFile() noexcept {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int Get() const noexcept { return fd_; }

 private:
  int fd_;
};

bool TakeLock(int fd) noexcept {
  struct flock lock = WholeFile();
  return ::fcntl(fd, F_SETLK, &lock) == 0;
}

/// Process id of the holder; 0 for nobody; -1 for somebody whom we cannot name (another
/// process namespace that shares the directory).
pid_t Holder(const std::string& file) noexcept {
  const Fd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (fd.Get() < 0) return 0;
  struct flock lock = WholeFile();
  if (::fcntl(fd.Get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid > 0 ? lock.l_pid : -1;
}

/// Only what such a path cannot spoil: it goes into URLs, conninfos and configuration.
bool Plain(const std::string& path) {
  return !path.empty() && path.front() == '/' && path.size() <= kMaxParent &&
         std::all_of(path.begin(), path.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  std::string_view("/._+-").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

std::string Prefix() { return fmt::format("perfkit-{}-", ::geteuid()); }

/// False where the holder of `file` is still there after `patience`.
bool EndHolder(const std::string& file, int signal, Duration patience) {
  const Deadline deadline = Deadline::After(Clock::now(), patience);
  for (bool sent = false;; sent = true) {
    const pid_t pid = Holder(file);
    if (pid == 0) return true;
    if (pid < 0 || deadline.Passed(Clock::now())) return false;
    if (!sent) {
      const KinMark mark = KinMarkOf(pid);
      ::kill(pid, signal);
      // A stopped one would not notice; nor would those that it has to end.
      ::kill(pid, SIGCONT);
      SignalKin(mark, pid, signal == SIGKILL ? SIGKILL : SIGCONT);
    }
    std::this_thread::sleep_for(5ms);
  }
}

bool RemoveTree(const std::string& path, Duration patience) noexcept {
  const Deadline deadline = Deadline::After(Clock::now(), patience);
  for (;;) {
    std::error_code error;
    fs::remove_all(path, error);
    if (!error) return true;
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::sleep_for(10ms);
  }
}

/// Whether `path` is a directory of ours whose guardian is gone.
bool Stale(const std::string& path, const Fd& lock, int open_error) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid())
    return false;
  // Without a lock file the directory may be one that is just being made.
  if (lock.Get() < 0) return open_error == ENOENT && ::time(nullptr) - info.st_mtime > 10;
  return TakeLock(lock.Get());
}

void SweepOne(const std::string& path) {
  // Taking the dead guardian's lock also keeps two sweepers apart.
  const std::string lock_file = fmt::format("{}/{}", path, kGuardianLock);
  const Fd lock(::open(lock_file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!Stale(path, lock, errno)) return;
  bool empty = true;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string file = entry.path();
    if (!file.ends_with(kLockSuffix) || entry.path().filename() == kGuardianLock) continue;
    // SIGQUIT lets PostgreSQL end its backends and give back its shared memory; it ends Redis too.
    empty = (EndHolder(file, SIGQUIT, 2s) || EndHolder(file, SIGKILL, 1s)) && empty;
  }
  if (empty) RemoveTree(path, 1s);
}

/// The path, or nothing where a sweeper of another process was faster than our lock.
std::optional<std::string> TryCreate(const std::string& parent) {
  std::string path = fmt::format("{}/{}XXXXXX", parent, Prefix());
  if (::mkdtemp(path.data()) == nullptr)
    throw UnreachableError(
        fmt::format("cannot make a temporary directory in {}: {}", parent, std::strerror(errno)));
  const std::string file = fmt::format("{}/{}", path, kGuardianLock);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  struct stat info{};
  if (fd >= 0 && TakeLock(fd) && ::fstat(fd, &info) == 0 && info.st_nlink > 0) return path;
  if (fd >= 0) ::close(fd);
  RemoveTree(path, 1s);
  return std::nullopt;
}

}  // namespace

PrivateDirectory PrivateDirectory::Create(const std::string& parent) {
  const bool usable = Plain(parent) && ::access(parent.c_str(), W_OK | X_OK) == 0;
  for (int attempt = 0; attempt < 3; ++attempt)
    if (auto path = TryCreate(usable ? parent : "/tmp")) return PrivateDirectory(std::move(*path));
  throw UnreachableError("cannot lock a temporary directory: does its file system have locks?");
}

void PrivateDirectory::Sweep(const std::string& parent) noexcept {
  try {
    const std::string prefix = Prefix();
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(parent, error))
      if (entry.path().filename().native().starts_with(prefix)) SweepOne(entry.path());
  } catch (const std::exception&) {
    // A directory that cannot be swept today is no reason not to run: the next start tries again.
  }
}

bool PrivateDirectory::Remove() noexcept { return RemoveTree(path_, 2s); }

bool HoldPlace(const std::string& directory, std::string_view place) noexcept {
  const std::string file = fmt::format("{}/{}{}", directory, place, kLockSuffix);
  // Without O_CLOEXEC on purpose: closing the file would give the lock back.
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  return fd >= 0 && TakeLock(fd);
}

}  // namespace perf::backends
