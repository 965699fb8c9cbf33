// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/redis_tracking_nodes.hpp"
#include "libperf/backends/redis_tracking_pair.hpp"
#include "libperf/base/guarded.hpp"

namespace perf::backends {

/// What following the writes of others has come to.
struct RedisTrackingStats {
  bool coherent = false;
  std::uint64_t servers = 0;     // followed now
  std::uint64_t opened = 0;      // links that came up
  std::uint64_t lost = 0;        // links that were lost
  std::uint64_t refused = 0;     // attempts to open one that failed
  std::uint64_t messages = 0;    // of invalidations
  std::uint64_t names = 0;       // in them
  std::uint64_t everything = 0;  // times that all had to go
  std::string last_loss;
};

/// Follows what others write to the keys with some prefixes, on every server that takes writes: a
/// RedisTrackingPair to each, opened again whenever one is lost or the servers change.
/// Thread safety: CoherentUntil and Stats from any thread; the rest belongs to the loop's thread.
/// Lifetime: held by shared_ptr; borrows the loop; Close before it is dropped.
class RedisTracking : public std::enable_shared_from_this<RedisTracking> {
 public:
  struct Events {
    /// Somebody wrote these, or they expired.
    std::function<void(std::vector<std::string> names)> on_names;
    /// Invalidations may have been lost, or everything was flushed.
    std::function<void()> on_everything;
    /// CoherentUntil went to the past, or came from there.
    std::function<void()> on_state;
  };
  /// Throws: ConfigError.
  RedisTracking(EventLoop& loop, RedisConfig config, RedisTrackingOptions options, Events events);

  void Start();
  void Close();
  /// Until then all invalidations were there, unless it is said otherwise before.
  TimePoint CoherentUntil() const noexcept {
    return TimePoint(Duration(until_.load(std::memory_order_acquire)));
  }
  /// Sends a command about `key` over the link that asked for invalidations, in the order of the
  /// calls; what it writes is not reported to us (a script's writes are). False, without a
  /// callback, where there is no such link now.
  bool Write(std::string_view key, const std::vector<std::string>& words, Deadline deadline,
             RedisTrackingLink::OnReply on_reply);
  /// The servers may have changed: a command was sent elsewhere.
  void LookSoon();
  RedisTrackingStats Stats() const;

 private:
  struct Place {
    RedisDoorway doorway;
    std::shared_ptr<RedisTrackingPair> pair;  // null: none is up
    bool opening = false;
    TimePoint retry_at{};
    Duration pause{};
  };
  static Task<void> FindNodes(std::shared_ptr<RedisTracking> self);
  static Task<void> OpenPair(std::shared_ptr<RedisTracking> self, std::string name);
  void Step();
  void StepSoon();
  void AdoptNodes();
  void LostPair(const std::string& name, const std::string& why);
  void OnNames(Json::Array* names);
  void Everything();
  void Renew();
  bool AllUp() const noexcept;

  EventLoop& loop_;
  const RedisTrackingOptions options_;
  Events events_;
  const std::shared_ptr<RedisTrackingNodes> nodes_;
  std::map<std::string, Place, std::less<>> places_;
  Alarm alarm_;
  TimePoint find_at_{};
  bool finding_ = false;
  bool found_ = false;
  bool stepping_ = false;
  bool closed_ = false;
  bool coherent_ = false;

  std::atomic<std::int64_t> until_{0};
  mutable Guarded<RedisTrackingStats> stats_;
};

}  // namespace perf::backends
