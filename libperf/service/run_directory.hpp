// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/config/environment.hpp"

namespace perf::service {

/// A unix socket that listens, under a name that goes with it.
/// Thread safety: none.
class PERF_EXPORT UnixListener {
 public:
  UnixListener() noexcept = default;
  UnixListener(int fd, std::string path) noexcept : fd_(fd), path_(std::move(path)) {}
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener();

  const std::string& Path() const noexcept { return path_; }
  /// The socket, which is the caller's to close from now on; the name stays ours.
  int TakeSocket() noexcept;

 private:
  int fd_ = -1;
  std::string path_;
};

/// Where the agents and runs of a user are found: one socket each, KIND-PID.sock. A socket is
/// given its name when it listens already, so one that refuses belongs to nobody any more.
/// Thread safety: all methods; between processes, too.
class PERF_EXPORT RunDirectory {
 public:
  static constexpr std::size_t kMostSockets = 256;

  /// $XDG_RUNTIME_DIR/perfkit, or perfkit-UID in the temporary folder.
  static std::string Place(const config::Environment& environment);
  /// Where agents may be: that, and /run/perfkit of a system service.
  static std::vector<std::string> Places(const config::Environment& environment);

  /// Makes it (0700) where it is missing. Throws: ConfigError for one that belongs to somebody
  /// else, is a link, or lets strangers in; IoError.
  explicit RunDirectory(std::string path);

  /// A new socket "KIND-PID.sock", or "KIND-PID-N.sock" for further ones of this process; mode
  /// 0600, 0660 where the directory admits its group. Sweeps first. Throws: IoError.
  UnixListener Listen(std::string_view kind) const;
  /// The sockets in it, at most kMostSockets, sorted by name.
  std::vector<std::string> Sockets() const { return SocketsIn(path_); }
  /// Removes sockets to which nobody listens; how many.
  std::size_t Sweep() const noexcept;
  const std::string& Path() const noexcept { return path_; }

  /// The same without making it: empty where there is no such directory, or it is neither ours nor
  /// root's nor made by root for the user of a service.
  static std::vector<std::string> SocketsIn(const std::string& path);

 private:
  std::string path_;
};

}  // namespace perf::service
