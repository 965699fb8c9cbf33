// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/clock.hpp"

namespace perf::backends {

/// The program's end of the channel to its guardian (guardian.hpp says what is spoken).
/// Thread safety: Request and Pid; the others none.
class GuardianLink {
 public:
  /// Owns `channel`.
  explicit GuardianLink(int channel) noexcept : channel_(channel) {}
  ~GuardianLink();
  GuardianLink(const GuardianLink&) = delete;
  GuardianLink& operator=(const GuardianLink&) = delete;

  /// One line without its end. Nothing at the deadline. Throws: IoError when the guardian is gone.
  std::optional<std::string> ReadLine(Deadline deadline);
  /// Asks for one action ("TARGET NODE ACTION", see guardian.hpp) and waits for its end.
  /// Throws: IoError saying what went wrong.
  void Request(std::string_view what, Deadline deadline);
  /// Tells the guardian to end; false where it has not within `patience`.
  bool End(Duration patience) noexcept;

  /// Of what was told by SetPid: target and node.
  pid_t Pid(std::size_t target, std::size_t node) const;
  void SetPid(std::size_t target, std::size_t node, pid_t pid);

 private:
  /// True at the answer to request `number`.
  bool Take(std::string_view line, std::string_view number);
  void Converse(std::string_view what, Deadline deadline);

  int channel_;
  std::string rest_;  // what was read behind the last line
  mutable std::mutex mutex_;
  std::condition_variable free_;
  bool busy_ = false;  // one conversation at a time
  unsigned long requests_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, pid_t> pids_;
};

}  // namespace perf::backends
