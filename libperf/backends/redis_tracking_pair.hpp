// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/redis_tracking_link.hpp"

namespace perf::backends {

/// How one process follows what others write.
struct RedisTrackingOptions {
  std::vector<std::string> prefixes;  // of key names; none may be the beginning of another
  bool no_loop = true;                // leave out what is written by RedisTracking::Write
  /// A heartbeat goes out so often, over one link and back over the other;
  Duration heartbeat = std::chrono::milliseconds(100);
  /// where none that was sent within this time came back, the link is held for lost;
  Duration silence = std::chrono::milliseconds(190);
  /// and this long after the last that came back, nothing that depends on it is believed.
  Duration lease = std::chrono::milliseconds(240);
  Duration connect_timeout = std::chrono::seconds(1);
};

/// Client-side caching with one server over RESP2: invalidations of the data link, whose session
/// has CLIENT TRACKING ON REDIRECT … BCAST, arrive on the push link, which is subscribed. Neither
/// hears of the other's end, and a link that swallows everything shows no end at all: so a
/// heartbeat is published over the one to a channel of its own on the other. What comes back proves
/// that all invalidations before it have come.
/// Thread safety: none; belongs to its loop's thread. Lifetime: held by shared_ptr.
class RedisTrackingPair : public std::enable_shared_from_this<RedisTrackingPair> {
 public:
  struct Events {
    std::function<void(Json::Array* names)> on_names;     // null: everything
    std::function<void()> on_proof;                       // ProvenAt has changed
    std::function<void(const std::string& why)> on_lost;  // once, after it was open
  };
  /// `ping`: two PINGs in place of the published heartbeat, which each node of a cluster would send
  /// on to all the others.
  RedisTrackingPair(EventLoop& loop, const RedisTrackingOptions& options, bool ping);

  /// Opens both links; true when the first heartbeat has come back. Lifetime: the references
  /// outlive the task.
  Task<bool> Open(const RedisDoorway& doorway, Failure& failure, Deadline deadline);
  void SetEvents(Events events) { events_ = std::move(events); }
  void Close(const std::string& why);
  bool Up() const noexcept { return up_; }
  /// When the latest heartbeat that came back was sent.
  TimePoint ProvenAt() const noexcept { return proven_at_; }
  RedisTrackingLink& Data() noexcept { return *data_; }

 private:
  Task<bool> OpenPush(const RedisDoorway& doorway, std::string& id, Failure& failure,
                      Deadline deadline);
  Task<bool> OpenData(const RedisDoorway& doorway, const std::string& id, Failure& failure,
                      Deadline deadline);
  void Listen();
  void OnPush(Json& message);
  void OnAlarm();
  void Beat(TimePoint now);
  void Note(std::uint64_t& last, std::uint64_t number);
  void Arm(TimePoint at);
  void Lose(const std::string& why);

  EventLoop& loop_;
  const RedisTrackingOptions options_;
  const bool ping_;
  const std::string channel_;
  Events events_;
  std::shared_ptr<RedisTrackingLink> push_;
  std::shared_ptr<RedisTrackingLink> data_;
  Alarm alarm_;
  std::uint64_t beats_ = 0;
  std::uint64_t echoed_ = 0;    // on the push link
  std::uint64_t answered_ = 0;  // on the data link
  std::deque<TimePoint> sent_;  // beats that have not come back, up to beats_
  TimePoint proven_at_{};
  TimePoint wanted_at_{};  // when the alarm was to come
  std::size_t subscriptions_ = 0;
  std::string lost_why_;  // while it is being opened
  bool grace_ = false;
  bool up_ = false;
  bool closed_ = false;
};

}  // namespace perf::backends
