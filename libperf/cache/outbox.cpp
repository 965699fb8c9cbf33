// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/outbox.hpp"

#include <algorithm>
#include <utility>

namespace perf::cache {
namespace {

constexpr std::size_t kSentTogether = 64;

Duration Left(const WriteOp& op, TimePoint now) noexcept {
  if (op.keep == kForever) return kForever;
  return op.keep - std::max(now - op.since, Duration::zero());
}

void CallAll(std::vector<WriteEndDone>& dones, WriteEnd end) {
  for (WriteEndDone& done : std::exchange(dones, {})) done(end);
}

}  // namespace

bool Outbox::Loaded(const WriteOp& op) noexcept {
  return op.condition.kind == SetCondition::Kind::kIfSame;
}

std::size_t Outbox::Cost(const std::string& key, const WriteOp& op) noexcept {
  return key.size() + op.frame.bytes.size();
}

void Outbox::Put(const std::string& key, WriteOp op) {
  const std::lock_guard lock(mutex_);
  const bool full = items_.size() >= links_.options.tier.repair_entries && !items_.contains(key);
  if (closed_ || full) {
    overflow_ = overflow_ || full;
    for (WriteEndDone& done : op.dones) orphans_.push_back(std::move(done));
    return;
  }
  Item& item = items_[key];
  if (item.version != 0) bytes_ -= std::min(bytes_, Cost(key, item.op));
  // Who waited for the replaced write waits for this one: with it done, that is history.
  for (WriteEndDone& done : item.op.dones) op.dones.push_back(std::move(done));
  if (bytes_ + Cost(key, op) > links_.options.tier.repair_bytes &&
      op.frame.kind != Frame::Kind::kTombstone) {
    MakeTombstone(op);
  }
  bytes_ += Cost(key, op);
  item.op = std::move(op);
  item.doubted = false;
  item.version = ++version_;
}

void Outbox::TellOrphans() {
  std::vector<WriteEndDone> orphans;
  bool overflow = false;
  {
    const std::lock_guard lock(mutex_);
    orphans = std::exchange(orphans_, {});
    overflow = std::exchange(overflow_, false);
  }
  CallAll(orphans, WriteEnd::kPending);
  if (!overflow) return;
  // It can't be told later which keys are old in the tier: all of them go, once it is back.
  links_.counters.Add(Count::kRepairDropped);
  QueueBump(std::string(kWholeCache), links_.tags.Floor(kWholeCache) + 1, nullptr);
  SendBump(std::string(kWholeCache));
}

/// A removal is small, and always safe.
void Outbox::MakeTombstone(WriteOp& op) const {
  op.frame.kind = Frame::Kind::kTombstone;
  op.frame.bytes = std::string();
  op.frame.tags.clear();
  op.slots.clear();
  op.ask_tags = false;
  op.keep = links_.options.tier.remove_guard;
  op.since = links_.time.Now();
}

bool Outbox::SlotsMoved(const WriteOp& op) const noexcept {
  return std::any_of(op.slots.begin(), op.slots.end(), [this](const auto& slot) {
    return links_.tags.Local(slot.first) != slot.second;
  });
}

void Outbox::Send(const std::string& key) {
  TellOrphans();
  WriteOp op;
  std::uint64_t version = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(key);
    if (closed_ || found == items_.end() || found->second.sending) return;
    found->second.sending = true;
    ++found->second.op.attempts;
    version = found->second.version;
    op = found->second.op;
    op.dones.clear();
  }
  if (!links_.tier.Reachable()) {
    End(key, version, WriteEnd::kPending, true);
    return;
  }
  Resolve(key, version, std::move(op));
}

void Outbox::Resolve(const std::string& key, std::uint64_t version, WriteOp op) {
  const TimePoint now = links_.time.Now();
  if (op.frame.kind != Frame::Kind::kTombstone && Left(op, now) <= Duration::zero()) {
    // Its time has passed while it waited; what it should have replaced must go all the same.
    MakeTombstone(op);
  }
  if (!op.ask_tags) {
    Write(key, version, std::move(op));
    return;
  }
  std::vector<std::string> tags;
  for (const TagMark& mark : op.frame.tags) tags.push_back(mark.tag);
  const Duration age = links_.tier.Coherent() ? kForever : links_.options.tier.incoherent_ttl;
  links_.tag_reader.Read(
      std::move(tags), age, Deadline::After(Clock::now(), links_.options.tier.hard_timeout),
      [this, key, version, op = std::move(op)](bool ok, std::vector<TagMark> marks) mutable {
        if (!ok) {
          End(key, version, WriteEnd::kPending, true);
          return;
        }
        op.frame.tags = std::move(marks);
        Write(key, version, std::move(op));
      });
}

void Outbox::Write(const std::string& key, std::uint64_t version, WriteOp op) {
  const std::shared_ptr<Gate::Pass> pass = links_.gate.EnterShared();
  if (!pass) {
    End(key, version, WriteEnd::kPending, false);
    return;
  }
  // After the generations were learned: an invalidation that they do not show yet has moved a slot.
  if (SlotsMoved(op)) MakeTombstone(op);
  std::string bytes = EncodeFrame(key, op.frame, links_.options.compression);
  links_.counters.Add(Count::kTierWrites);
  links_.counters.Add(Count::kRawBytes, op.frame.bytes.size());
  links_.counters.Add(Count::kFrameBytes, bytes.size());
  const Duration left = std::max(Left(op, links_.time.Now()), Duration(1));
  const SetCondition condition = op.condition;
  links_.tier.Set(key, std::move(bytes), left, condition,
                  Deadline::After(Clock::now(), links_.options.tier.hard_timeout),
                  [this, pass, key, version, op = std::move(op)](TierWritten written) mutable {
                    OnWritten(key, version, std::move(op), written);
                  });
}

void Outbox::OnWritten(const std::string& key, std::uint64_t version, WriteOp op,
                       TierWritten written) {
  if (written.status == TierStatus::kOk) {
    if (op.attempts > 1) links_.counters.Add(Count::kRepaired);
    End(key, version, WriteEnd::kWritten, false);
    return;
  }
  if (written.status != TierStatus::kRefused) {
    links_.counters.Add(Count::kTierWriteErrors);
    if (written.status != TierStatus::kDown) NoteGivenUp(key);
    End(key, version, WriteEnd::kPending, true);
    return;
  }
  links_.stamps.Seen(written.stamp);
  if (written.stamp == op.frame.stamp) {  // An attempt that was thought lost had arrived.
    End(key, version, WriteEnd::kWritten, false);
    return;
  }
  if (op.restamps > 0 && op.attempts == 1) {
    --op.restamps;
    op.frame.stamp = links_.stamps.Next();
    op.condition = {SetCondition::Kind::kUnlessNewer, op.frame.stamp, 0};
    Write(key, version, std::move(op));
    return;
  }
  links_.counters.Add(Count::kTierWriteRefused);
  End(key, version, WriteEnd::kRefused, false);
}

void Outbox::End(const std::string& key, std::uint64_t version, WriteEnd end, bool again) {
  std::vector<WriteEndDone> dones;
  bool newer = false, unsure = false;
  std::optional<std::uint64_t> stamp;
  {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(key);
    if (found == items_.end()) return;
    Item& item = found->second;
    item.sending = false;
    newer = item.version != version;
    if (!newer) {
      dones = std::move(item.op.dones);
      item.op.dones.clear();
      if (!again) {
        unsure = item.doubted || end == WriteEnd::kRefused;
        if (!item.doubted) stamp = item.op.frame.stamp;
        bytes_ -= std::min(bytes_, Cost(key, item.op));
        items_.erase(found);
      }
    }
  }
  if (unsure) unsure_(key, stamp);
  CallAll(dones, end);
  if (newer && !again) {
    Send(key);
  } else if (again) {
    ScheduleRetry();
  }
}

std::optional<Outbox::Waiting> Outbox::Pending(const std::string& key, bool coherent) const {
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(key);
  if (found == items_.end()) return std::nullopt;
  const WriteOp& op = found->second.op;
  const bool loaded = Loaded(op);
  if (loaded && found->second.doubted) return std::nullopt;
  Waiting waiting;
  Frame& frame = waiting.frame;
  frame.stamp = op.frame.stamp;
  frame.kind = Frame::Kind::kTombstone;
  if (SlotsMoved(op) || (loaded && !coherent) || found->second.doubted) return waiting;
  frame = op.frame;
  waiting.slots = op.slots;
  if (op.keep != kForever) {
    const Duration left = Left(op, links_.time.Now());
    const Duration windows = std::max(frame.stale_while_revalidate, frame.stale_if_error);
    // Fresh for what is left of the TTL, as if the tier had told it.
    frame.ttl = std::min(frame.ttl, left > windows ? left - windows : Duration::zero());
  }
  return waiting;
}

bool Outbox::Waits(const std::string& key, std::uint64_t stamp) const {
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(key);
  return found != items_.end() && !found->second.doubted && found->second.op.frame.stamp == stamp;
}

void Outbox::Retry() {
  std::vector<std::pair<int, std::string>> keys;
  std::vector<std::string> tags;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [tag, item] : bumps_) tags.push_back(tag);
    for (const auto& [key, item] : items_) {
      if (!item.sending) keys.emplace_back(item.op.attempts, key);
    }
  }
  // Who failed least often goes first: keys of a dead shard do not hold up the others.
  const std::size_t count = std::min(keys.size(), kSentTogether);
  std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count), keys.end());
  for (const std::string& tag : tags) SendBump(tag);
  for (std::size_t i = 0; i < count; ++i) Send(keys[i].second);
  ScheduleRetry();
}

void Outbox::ScheduleRetry() {
  // While much waits and the tier answers, the next lot follows soon.
  const bool hurry = links_.tier.Reachable() && Size() > kSentTogether;
  const Duration pause =
      hurry ? links_.options.tier.repair_interval / 20 : links_.options.tier.repair_interval;
  const std::lock_guard lock(mutex_);
  if (retry_ != 0 || closed_ || (items_.empty() && bumps_.empty())) return;
  const std::shared_ptr<Gate::Pass> pass = links_.gate.EnterShared();
  if (!pass) return;
  retry_ = links_.upkeep.At(Saturated(Clock::now(), pause), [this, pass] {
    {
      const std::lock_guard relock(mutex_);
      retry_ = 0;
    }
    if (links_.tier.Reachable()) {
      Retry();
    } else {
      ScheduleRetry();
    }
  });
}

void Outbox::Close() {
  std::vector<WriteEndDone> dones;
  Upkeep::TimerId retry = 0;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    retry = retry_;
    for (auto& [key, item] : items_) {
      for (WriteEndDone& done : item.op.dones) dones.push_back(std::move(done));
      item.op.dones.clear();
    }
    for (auto& [tag, item] : bumps_) {
      for (WriteEndDone& done : item.dones) dones.push_back(std::move(done));
      item.dones.clear();
    }
  }
  if (retry != 0) links_.upkeep.Cancel(retry);
  CallAll(dones, WriteEnd::kPending);
}

std::uint64_t Outbox::Size() const {
  const std::lock_guard lock(mutex_);
  return items_.size() + bumps_.size();
}

}  // namespace perf::cache
