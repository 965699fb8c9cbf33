// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/run_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::service {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".sock";
constexpr std::string_view kSystem = "/run/perfkit";
constexpr int kMostOfOne = 64;   // sockets of one kind and process
constexpr int kMostTries = 200;  // to have a directory's turn
constexpr std::chrono::milliseconds kTryAgain{10};

[[noreturn]] void Fail(const std::string& path, int code) {
  throw IoError(fmt::format("{}: {}", path, std::strerror(code)));
}

std::optional<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Whether somebody listens there; also yes where that cannot be found out.
bool Answers(const std::string& path) noexcept {
  const auto address = AddressOf(path);
  if (!address) return true;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return true;
  const int code =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 ? 0 : errno;
  ::close(fd);
  return code != ECONNREFUSED;
}

/// The turn to give and take away names in a directory, between threads and processes: without it
/// two would use one early name, and a sweep could remove a name that was just given again.
/// Whoever reads the directory could hold it for ever; so after a while it goes without.
class Turn {
 public:
  explicit Turn(const std::string& path) noexcept
      : fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) {
    for (int i = 0; i < kMostTries && fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) != 0; ++i) {
      std::this_thread::sleep_for(kTryAgain);
    }
  }
  ~Turn() {
    if (fd_ >= 0) ::close(fd_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  const int fd_;
};

/// Removes the names of sockets to which nobody listens.
std::size_t SweepIn(const std::string& path) noexcept {
  std::size_t swept = 0;
  try {
    for (const std::string& socket : RunDirectory::SocketsIn(path)) {
      if (!Answers(socket) && ::unlink(socket.c_str()) == 0) ++swept;
    }
  } catch (...) {
    // What is stale then stays for the next one.
  }
  return swept;
}

/// Whether only root can have made it: a service manager does so for the user of a service.
bool MadeByRoot(const std::string& path) {
  struct stat above{};
  return ::stat(fs::path(path).parent_path().c_str(), &above) == 0 && above.st_uid == 0 &&
         (above.st_mode & 0022) == 0;
}

bool IsSocketName(std::string_view name) noexcept {
  return name.size() > kSuffix.size() && name.front() != '.' && name.ends_with(kSuffix);
}

}  // namespace

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::exchange(other.path_, {})) {}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

UnixListener::~UnixListener() {
  if (!path_.empty()) ::unlink(path_.c_str());
  if (fd_ >= 0) ::close(fd_);
}

int UnixListener::TakeSocket() noexcept { return std::exchange(fd_, -1); }

std::string RunDirectory::Place(const config::Environment& environment) {
  const auto runtime = environment.Text("XDG_RUNTIME_DIR");
  if (runtime && runtime->front() == '/') return *runtime + "/perfkit";
  const auto folder = environment.Text("TMPDIR");
  return fmt::format("{}/perfkit-{}", folder && folder->front() == '/' ? *folder : "/tmp",
                     ::geteuid());
}

std::vector<std::string> RunDirectory::Places(const config::Environment& environment) {
  std::vector<std::string> places{Place(environment)};
  if (places.front() != kSystem) places.emplace_back(kSystem);
  return places;
}

RunDirectory::RunDirectory(std::string path) : path_(std::move(path)) {
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) Fail(path_, errno);
  struct stat info{};
  if (::lstat(path_.c_str(), &info) != 0) Fail(path_, errno);
  std::string_view why;
  if (!S_ISDIR(info.st_mode)) {
    why = "is no directory";
  } else if (info.st_uid != ::geteuid()) {
    why = "belongs to another user";
  } else if ((info.st_mode & 0027) != 0) {
    why = "lets strangers in; run: chmod 700";
  }
  if (!why.empty()) throw ConfigError(fmt::format("run directory {} {}", path_, why));
}

UnixListener RunDirectory::Listen(std::string_view kind) const {
  const Turn turn(path_);
  SweepIn(path_);
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) Fail(path_, errno);
  const mode_t mode = (info.st_mode & 0010) != 0 ? 0660 : 0600;
  for (int number = 0; number < kMostOfOne; ++number) {
    const std::string name = number == 0 ? fmt::format("{}-{}", kind, ::getpid())
                                         : fmt::format("{}-{}-{}", kind, ::getpid(), number);
    const std::string path = fmt::format("{}/{}{}", path_, name, kSuffix);
    const std::string early = fmt::format("{}/.{}", path_, name);
    const auto address = AddressOf(early);
    if (!address || !AddressOf(path)) {
      throw IoError(fmt::format("{}: too long for the path of a unix socket", path));
    }
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) Fail(path, errno);
    ::unlink(early.c_str());  // of a process of our number that died right here
    int code = 0;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::chmod(early.c_str(), mode) != 0 || ::listen(fd, 512) != 0 ||
        ::link(early.c_str(), path.c_str()) != 0) {
      code = errno;
    }
    ::unlink(early.c_str());
    if (code == 0) return UnixListener(fd, path);
    ::close(fd);
    if (code != EEXIST) Fail(path, code);
  }
  throw IoError(fmt::format("{}: too many sockets of this process", path_));
}

std::size_t RunDirectory::Sweep() const noexcept {
  const Turn turn(path_);
  return SweepIn(path_);
}

std::vector<std::string> RunDirectory::SocketsIn(const std::string& path) {
  std::vector<std::string> sockets;
  struct stat info{};
  // Of another user's directory nothing is believed: its sockets may be anybody's. That of a
  // system service belongs to the service's user, and is where only root can put it.
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
      (info.st_uid != ::geteuid() && info.st_uid != 0 && !MadeByRoot(path))) {
    return sockets;
  }
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (!IsSocketName(at->path().filename().string()) || !at->is_socket(error)) continue;
    sockets.push_back(at->path().string());
    if (sockets.size() == kMostSockets) break;
  }
  std::sort(sockets.begin(), sockets.end());
  return sockets;
}

}  // namespace perf::service
