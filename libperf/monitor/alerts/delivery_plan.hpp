// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/random.hpp"
#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/monitor/alerts/notifier.hpp"

namespace perf::monitor::alerts {

/// One alert of a message.
struct Notice {
  Alert alert;                  // firing or resolved
  std::optional<Level> former;  // that it was told at before, where that was another one
};

/// Decides what one receiver is told and when: no I/O, no clock.
/// Thread safety: none. Memory: what an engine shows, and ends that could not be told yet.
class DeliveryPlan {
 public:
  DeliveryPlan(const Receiver& receiver, const NotifierOptions& options);

  /// The alerts as they are now.
  void Update(const std::vector<Alert>& alerts, WallTime now);
  /// The message that is due, empty where none is; then Done has to follow.
  std::vector<Notice> Take(TimePoint now);
  void Done(bool good, TimePoint now);
  /// When Take should be asked next; TimePoint::max() while a message is under way or nothing is.
  TimePoint Due() const noexcept;
  /// Alerts whose present state was not told yet.
  std::size_t Waiting() const noexcept;
  std::uint64_t Dropped() const noexcept { return dropped_; }

 private:
  struct Told {
    AlertState state = AlertState::kInactive;
    Level level = Level::kOk;
    TimePoint at{};
  };
  struct Entry {
    Alert alert;
    bool visible = true;
    std::optional<Told> told;
    bool sending = false;  // a message about it is under way: it may count as told soon
  };
  using Key = std::pair<std::string, Labels>;

  /// The alert as this receiver sees it: nothing where it is not told of it.
  std::optional<Alert> Seen(const Alert& alert) const;
  bool Changed(const Entry& entry) const noexcept;
  bool Repeats(const Entry& entry) const noexcept;

  const Receiver receiver_;
  const NotifierOptions options_;
  Random random_;
  std::map<Key, Entry> entries_;
  std::vector<std::pair<Key, Told>> sending_;
  bool under_way_ = false;
  unsigned failures_ = 0;
  TimePoint retry_at_{};
  std::uint64_t dropped_ = 0;
};

}  // namespace perf::monitor::alerts
