// SPDX-License-Identifier: Apache-2.0
// The generations of tags that still have to grow in the second tier.
#include <algorithm>
#include <utility>

#include "libperf/cache/outbox.hpp"

namespace perf::cache {

void Outbox::QueueBump(const std::string& tag, std::uint64_t floor, WriteEndDone done) {
  const std::lock_guard lock(mutex_);
  const bool full = bumps_.size() >= links_.options.tier.repair_entries && !bumps_.contains(tag) &&
                    tag != kWholeCache;
  if (full && !closed_) {
    // Too many to remember: void everything. Here, so that no moment passes in which nothing waits.
    overflow_ = true;
    BumpItem& whole = bumps_[std::string(kWholeCache)];
    whole.version = ++version_;
  }
  if (closed_ || full) {
    if (done) orphans_.push_back(std::move(done));
    return;
  }
  BumpItem& item = bumps_[tag];
  item.floor = std::max(item.floor, floor);
  item.version = ++version_;
  if (done) item.dones.push_back(std::move(done));
  bump_count_.store(bumps_.size(), std::memory_order_release);
}

bool Outbox::AnyBumpPending(const std::vector<TagMark>& marks) const {
  if (bump_count_.load(std::memory_order_acquire) == 0) return false;
  const std::lock_guard lock(mutex_);
  return std::any_of(marks.begin(), marks.end(),
                     [this](const TagMark& mark) { return bumps_.contains(mark.tag); });
}

void Outbox::SendBump(const std::string& tag) {
  TellOrphans();
  std::vector<TagQuery> query;
  std::uint64_t version = 0;
  const std::shared_ptr<Gate::Pass> pass = links_.gate.EnterShared();
  if (!pass) return;
  {
    const std::lock_guard lock(mutex_);
    const auto found = bumps_.find(tag);
    if (closed_ || found == bumps_.end() || found->second.sending) return;
    found->second.sending = true;
    version = found->second.version;
    query.push_back({tag, found->second.floor, 0});
  }
  const std::uint64_t epoch = links_.tags.Epoch();
  links_.tier.BumpTags(std::move(query),
                       Deadline::After(Clock::now(), links_.options.tier.hard_timeout),
                       [this, pass, tag, version, epoch](TierTags answer) {
                         OnBumped(tag, version, epoch, std::move(answer));
                       });
}

void Outbox::OnBumped(const std::string& tag, std::uint64_t version, std::uint64_t epoch,
                      TierTags answer) {
  const bool ok = answer.status == TierStatus::kOk && answer.generations.size() == 1;
  // Known before it is no longer pending: a reader in between finds one of the two.
  if (ok) {
    links_.tags.Learn(tag, answer.generations.front(), links_.time.Now(), epoch);
  } else {
    links_.counters.Add(Count::kTierWriteErrors);
  }
  std::vector<WriteEndDone> dones;
  bool newer = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = bumps_.find(tag);
    if (found == bumps_.end()) return;
    BumpItem& item = found->second;
    item.sending = false;
    newer = item.version != version;
    if (!newer || !ok) dones = std::exchange(item.dones, {});
    if (ok && !newer) {
      bumps_.erase(found);
      bump_count_.store(bumps_.size(), std::memory_order_release);
    }
  }
  for (WriteEndDone& done : dones) done(ok ? WriteEnd::kWritten : WriteEnd::kPending);
  if (ok && newer) SendBump(tag);
  if (!ok) ScheduleRetry();
}

}  // namespace perf::cache
