// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"

namespace perf::service {

/// Wall time, for people and other machines.
using WallTime = std::chrono::system_clock::time_point;

/// Something that was done, or tried.
struct AuditEvent {
  std::string event;   // "change", "config", "service"
  std::string who;     // "uid:1000", "user:NAME"
  std::string action;  // "resize_pool database 5 40"
  std::string result;  // "begun", "done", "failed: why"
  Json detail{};       // null: none
};

/// What changed and what was refused, as JSON lines, one write each, in a 0600 file that is rotated
/// by size: PATH, PATH.1 … PATH.9.
///
/// Refused attempts are counted by peer, reason and second, and written as one line when their
/// second is over: so a flood of them cannot rotate the evidence of anything else away. Their
/// counts sum to the attempts. At most 256 such lines a second; the peers beyond share one.
/// Thread safety: all methods.
class PERF_EXPORT AuditLog {
 public:
  static constexpr std::size_t kMostLines = 256;
  static constexpr int kKept = 9;

  /// Throws: OutputError.
  explicit AuditLog(std::string path, std::uint64_t max_bytes = 16U << 20U);
  ~AuditLog();  // writes what is counted, if it can
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  /// Throws: OutputError: then the change must not take place.
  void Write(const AuditEvent& event, WallTime now);
  void Refused(std::string_view peer, std::string_view reason, WallTime now) noexcept;
  /// To be called about once a second: writes what was refused in seconds that are over.
  void Tick(WallTime now) noexcept;
  /// Why the last line could not be written; empty while all is well.
  std::string Trouble() const;

 private:
  using Key = std::pair<std::string, std::string>;
  void Append(const std::string& line);
  void Open();
  void Rotate();
  void Flush();

  const std::string path_;
  const std::uint64_t max_bytes_;
  mutable std::mutex mutex_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string trouble_;
  WallTime second_{};  // of `refused_`
  std::map<Key, std::uint64_t> refused_;
};

}  // namespace perf::service
