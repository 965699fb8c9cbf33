// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/delivery_plan.hpp"

#include <algorithm>
#include <set>

namespace perf::monitor::alerts {
namespace {

constexpr std::size_t kMostEnds = 10'000;  // that wait for a receiver that does not answer

}  // namespace

DeliveryPlan::DeliveryPlan(const Receiver& receiver, const NotifierOptions& options)
    : receiver_(receiver), options_(options), random_(options.seed) {}

std::optional<Alert> DeliveryPlan::Seen(const Alert& alert) const {
  Alert seen = alert;
  const bool fires = alert.state == AlertState::kFiring && alert.level >= receiver_.least;
  if (fires) return seen;
  const bool ended = alert.state == AlertState::kFiring || alert.resolved_at != WallTime{};
  if (!ended) return std::nullopt;
  seen.state = AlertState::kResolved;
  return seen;
}

void DeliveryPlan::Update(const std::vector<Alert>& alerts, WallTime now) {
  std::set<Key> present;
  for (const Alert& alert : alerts) {
    std::optional<Alert> seen = Seen(alert);
    if (!seen) continue;
    Key key(alert.name, alert.labels);
    const auto found = entries_.find(key);
    const bool told = found != entries_.end() && (found->second.told || found->second.sending);
    const bool ended = seen->state == AlertState::kResolved;
    // Nobody is told of the end of what he never heard of.
    if (ended && (!told || !receiver_.resolved)) continue;
    if (seen->resolved_at == WallTime{} && ended) seen->resolved_at = now;
    present.insert(key);
    Entry& entry = entries_[std::move(key)];
    entry.visible = ended || !seen->Hidden();
    entry.alert = std::move(*seen);
  }
  std::size_t ends = 0;
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& [key, entry] = *at;
    if (!present.contains(key)) {
      const bool fires = entry.sending || (entry.told && entry.told->state == AlertState::kFiring);
      const bool owed = fires && receiver_.resolved && ++ends <= kMostEnds;
      if (!owed) {
        at = entries_.erase(at);
        continue;
      }
      if (entry.alert.state != AlertState::kResolved) {
        entry.alert.state = AlertState::kResolved;
        entry.alert.resolved_at = now;
      }
      entry.visible = true;
    }
    ++at;
  }
}

bool DeliveryPlan::Changed(const Entry& entry) const noexcept {
  if (!entry.visible) return false;
  if (!entry.told) return entry.alert.state == AlertState::kFiring;
  return entry.told->state != entry.alert.state ||
         (entry.alert.state == AlertState::kFiring && entry.told->level != entry.alert.level);
}

bool DeliveryPlan::Repeats(const Entry& entry) const noexcept {
  if (!entry.visible || !entry.told) return false;
  return entry.alert.state == AlertState::kFiring ||
         receiver_.kind == Receiver::Kind::kAlertmanager;
}

std::vector<Notice> DeliveryPlan::Take(TimePoint now) {
  std::vector<Notice> message;
  if (under_way_ || now < retry_at_) return message;
  sending_.clear();
  std::size_t left = 0;
  const auto add = [&](const Key& key, Entry& entry) {
    if (message.size() >= options_.most_alerts) {
      ++left;
      return;
    }
    Notice notice{entry.alert, {}};
    if (entry.told && entry.told->state == AlertState::kFiring &&
        entry.told->level != entry.alert.level) {
      notice.former = entry.told->level;
    }
    message.push_back(std::move(notice));
    entry.sending = true;
    sending_.emplace_back(key, Told{entry.alert.state, entry.alert.level, now});
  };
  // News first: where there is no room for all, reminders wait.
  for (auto& [key, entry] : entries_) {
    if (Changed(entry)) add(key, entry);
  }
  for (auto& [key, entry] : entries_) {
    if (!Changed(entry) && !entry.sending && Repeats(entry) &&
        now - entry.told->at >= receiver_.resend) {
      add(key, entry);
    }
  }
  dropped_ += left;
  under_way_ = !message.empty();
  return message;
}

void DeliveryPlan::Done(bool good, TimePoint now) {
  under_way_ = false;
  for (auto& [key, entry] : entries_) entry.sending = false;
  if (!good) {
    const unsigned doublings = std::min(failures_++, 20U);
    const Duration full =
        std::min(options_.first_backoff * (std::int64_t{1} << doublings), options_.longest_backoff);
    // Half is sure, half is drawn: agents that lost one receiver do not come back all at once.
    const double share = 0.5 + 0.5 * random_.Unit();
    retry_at_ =
        now + Duration(static_cast<std::int64_t>(static_cast<double>(full.count()) * share));
    return;
  }
  failures_ = 0;
  retry_at_ = {};
  for (auto& [key, told] : sending_) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) found->second.told = told;
  }
  sending_.clear();
}

TimePoint DeliveryPlan::Due() const noexcept {
  if (under_way_) return TimePoint::max();
  TimePoint due = TimePoint::max();
  for (const auto& [key, entry] : entries_) {
    if (Changed(entry)) return retry_at_;
    if (Repeats(entry)) due = std::min(due, Saturated(entry.told->at, receiver_.resend));
  }
  return due == TimePoint::max() ? due : std::max(due, retry_at_);
}

std::size_t DeliveryPlan::Waiting() const noexcept {
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [&](const auto& entry) { return Changed(entry.second); }));
}

}  // namespace perf::monitor::alerts
