// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace perf::backends {

/// The 0700 directory that holds one run's private servers: perfkit-UID-XXXXXX. Who lives in
/// it is told by POSIX record locks, not by recorded process ids: they vanish with their holder,
/// survive exec, name the holder (F_GETLK), and need no /proc.
///   guardian.lock  held by the guardian       PLACE.lock  held by the server of that place
/// Thread safety: none. Lifetime: the lock belongs to the process that created it, which must
/// not open and close guardian.lock again.
class PrivateDirectory {
 public:
  /// Makes the directory as the effective user, in `parent` or, where that cannot be used (not
  /// writable, or too long for the path of a unix socket), in /tmp.
  /// Throws: UnreachableError.
  static PrivateDirectory Create(const std::string& parent);
  /// Removes what dead guardians of the effective user left in `parent`, after ending the servers
  /// that still run there. Bounded: at most 3 s a directory, and it never throws.
  static void Sweep(const std::string& parent) noexcept;

  const std::string& Path() const noexcept { return path_; }
  /// Retries for up to 2 s while somebody still writes there; false if something stayed.
  bool Remove() noexcept;

 private:
  explicit PrivateDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// Takes the record lock of `place` for the calling process, for as long as it lives: the
/// descriptor is left open, also across exec. False if somebody else holds it.
bool HoldPlace(const std::string& directory, std::string_view place) noexcept;

}  // namespace perf::backends
