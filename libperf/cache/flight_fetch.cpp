// SPDX-License-Identifier: Apache-2.0
// What a flight asks the second tier.
#include <algorithm>
#include <cstring>
#include <utility>

#include "libperf/cache/flight.hpp"

namespace perf::cache {
namespace {

/// Also of bytes that are no frame: the next write replaces exactly these.
std::uint64_t StampOf(const std::string& bytes) noexcept {
  std::uint64_t stamp = 0;
  if (bytes.size() < kStampOffset + sizeof(stamp)) return 0;
  std::memcpy(&stamp, bytes.data() + kStampOffset, sizeof(stamp));
  return __builtin_bswap64(stamp);
}

/// How long the value is still fresh; negative: since when it is not.
Duration FreshLeft(const Frame& frame, Duration remaining) noexcept {
  if (remaining == kForever) return frame.ttl;
  const Duration windows =
      std::max({frame.stale_while_revalidate, frame.stale_if_error, Duration::zero()});
  return std::min(remaining - windows, frame.ttl);
}

}  // namespace

bool Flight::FromOutbox() {
  if (!parts_.outbox) return false;
  const std::optional<Outbox::Waiting> waiting =
      parts_.outbox->Pending(key_, parts_.Coherent(parts_.time.Now()));
  if (!waiting) return false;
  const Frame& frame = waiting->frame;
  // The tier's value is older than ours: it is not asked, and what is loaded now replaces all.
  if (frame.kind == Frame::Kind::kTombstone || frame.ttl <= Duration::zero()) {
    NothingThere();
    return true;
  }
  Record record = RecordOf(parts_, frame, kForever, parts_.time.Now());
  // With tags it is handed out, unless one of them is invalidated meanwhile: who boards after that
  // must not get it. Their generations are the outbox's, and memory does without.
  for (const auto& [slot, local] : waiting->slots) record.marks.push_back({slot, local, 0, {}});
  if (!record.marks.empty()) {
    record.fresh_until = record.renew_until = record.rescue_until = TimePoint::min();
  }
  if (Promote(frame, record, true)) return true;
  // Ended meanwhile, and perhaps refused: the tier knows. Void by a tag: nobody does.
  if (!parts_.outbox->Waits(key_, frame.stamp)) return FromOutbox();
  NothingThere();
  return true;
}

void Flight::Fetch(std::function<void()> otherwise) {
  fetched_ = {};
  const std::shared_ptr<Gate::Pass> pass = gate_->EnterShared();
  if (!pass || !parts_.TierUp()) {
    otherwise();
    return;
  }
  // One for all that the tier is asked before the load: nobody waits longer for it.
  fetch_deadline_ = parts_.HardDeadline();
  parts_.tier->Get(key_, fetch_deadline_,
                   [self = shared_from_this(), pass, otherwise = std::move(otherwise)](
                       TierValue value) { self->OnValue(std::move(value), otherwise); });
}

void Flight::OnValue(TierValue value, const std::function<void()>& otherwise) {
  if (value.status != TierStatus::kOk && value.status != TierStatus::kAbsent) {
    parts_.counters.Add(Count::kTierErrors);
    otherwise();
    return;
  }
  fetched_.asked = true;
  if (value.status == TierStatus::kAbsent) {
    parts_.counters.Add(Count::kTierMisses);
    otherwise();
    return;
  }
  fetched_.stamp = StampOf(value.bytes);
  std::optional<Frame> frame = DecodeFrame(key_, value.bytes, parts_.options.tier.max_value_bytes);
  const bool tombstone = frame && frame->kind == Frame::Kind::kTombstone;
  if (!frame || (!tombstone && frame->tags.empty())) {
    fetched_.undecodable = true;
    parts_.counters.Add(Count::kTierUndecodable);
    parts_.counters.Add(Count::kTierMisses);
    otherwise();
    return;
  }
  parts_.stamps.Seen(frame->stamp);
  if (tombstone || parts_.PrefixPending(key_)) {
    parts_.counters.Add(Count::kTierMisses);
    otherwise();
    return;
  }
  OnFrame(std::move(*frame), value.remaining, otherwise);
}

void Flight::OnFrame(Frame frame, Duration remaining, const std::function<void()>& otherwise) {
  // The slots before the generations: see Tags.
  std::vector<LocalMark> marks;
  std::vector<std::string> tags;
  for (const TagMark& mark : frame.tags) {
    tags.push_back(mark.tag);
    if (mark.tag == kWholeCache) continue;
    const std::uint32_t slot = Tags::SlotOf(mark.tag);
    marks.push_back({slot, parts_.tags.Local(slot), mark.generation, mark.tag});
  }
  parts_.tag_reader->Read(
      std::move(tags), parts_.TagAge(), fetch_deadline_,
      [self = shared_from_this(), frame = std::move(frame), remaining, marks = std::move(marks),
       otherwise](bool ok, const std::vector<TagMark>& generations) mutable {
        if (!ok) {
          self->parts_.counters.Add(Count::kTierErrors);
          otherwise();
          return;
        }
        self->Judge(frame, remaining, std::move(marks), generations, otherwise);
      });
}

void Flight::Judge(const Frame& frame, Duration remaining, std::vector<LocalMark> marks,
                   const std::vector<TagMark>& generations,
                   const std::function<void()>& otherwise) {
  bool valid = !parts_.outbox->AnyBumpPending(frame.tags);
  for (std::size_t i = 0; valid && i < generations.size(); ++i) {
    const TagMark& mark = frame.tags[i];
    if (mark.generation < generations[i].generation) valid = false;
    // Somebody knows a later one than we do.
    if (mark.generation > generations[i].generation) parts_.tags.Raise(mark.tag, mark.generation);
  }
  if (!valid) {
    parts_.counters.Add(Count::kTierVoid);
    parts_.counters.Add(Count::kTierMisses);
    otherwise();
    return;
  }
  Record record = RecordOf(parts_, frame, remaining, parts_.time.Now());
  record.marks = std::move(marks);
  const Duration left = FreshLeft(frame, remaining);
  const bool same = refresh_ && candidate_ && candidate_->record.stamp == frame.stamp;
  if (left > Duration::zero() && !same) {
    parts_.counters.Add(Count::kTierHits);
    if (!Promote(frame, record)) otherwise();
    return;
  }
  if (!same) KeepOld(frame, record, left);
  if (!same) parts_.counters.Add(Count::kTierStale);
  otherwise();
}

bool Flight::Promote(const Frame& frame, const Record& record, bool waits) {
  const TimePoint now = parts_.time.Now();
  {
    const std::lock_guard lock(parts_.table.Of(hash_).mutex);
    // In the lock: who has boarded after an invalidation must not get what was fetched before it.
    if (Moved(record.marks)) return false;
    if (waits && !parts_.outbox->Waits(key_, frame.stamp)) return false;
    if (!overtaken_.load(std::memory_order_acquire) && record.End() > now) {
      parts_.memory.Put(key_, hash_, frame.bytes, record, now);
    }
    LeaveTable();
  }
  Answer answer;
  answer.status = record.negative ? AnswerStatus::kNegative : AnswerStatus::kFound;
  answer.from = AnswerFrom::kTier;
  answer.value = Value(frame.bytes);
  Finish(answer, std::nullopt);
  Unlock();
  return true;
}

/// Past its TTL, but perhaps good for something.
void Flight::KeepOld(const Frame& frame, const Record& record, Duration left) {
  if (left + frame.stale_if_error <= Duration::zero() &&
      left + frame.stale_while_revalidate <= Duration::zero()) {
    return;
  }
  const TimePoint now = parts_.time.Now();
  {
    const std::lock_guard lock(mutex_);
    candidate_ = Candidate{Value(frame.bytes), record};
  }
  {
    const std::lock_guard lock(parts_.table.Of(hash_).mutex);
    if (!overtaken_.load(std::memory_order_acquire) && record.End() > now) {
      parts_.memory.Put(key_, hash_, frame.bytes, record, now);
    }
  }
  // Within the first window nobody waits for the load.
  KeepBackground(true);
}

void Flight::ArmSoftTimeout() {
  // No pass for so long: the cache would wait for it when it goes.
  parts_.upkeep->At(Saturated(Clock::now(), parts_.options.tier.soft_timeout),
                    [weak = weak_from_this(), gate = gate_] {
                      const Gate::Pass pass = gate->Enter();
                      const auto self = weak.lock();
                      if (pass && self) self->OnSoftTimeout();
                    });
}

void Flight::OnSoftTimeout() {
  if (KeepBackground(false)) parts_.counters.Add(Count::kFailSafe);
}

void Flight::NothingThere() {
  const std::vector<Rider> getters = TakeWithoutLoader();
  Deliver(getters, Answer(), std::nullopt);
  const bool bad = fetched_.undecodable;
  if (EndIfEmpty()) {
    // Nobody will overwrite it: it must not be looked at again and again.
    if (const auto pass = bad ? gate_->EnterShared() : nullptr) {
      parts_.tier->Remove({key_}, parts_.HardDeadline(), [pass](TierStatus) {});
    }
    return;
  }
  const auto options = FirstOptions();
  if (options && options->lock_across_processes && parts_.TierUp()) {
    lock_until_ = Saturated(Clock::now(), LockKeeper::LongestHold(options->lock_ttl));
    options_ = options;
    Lock();
  } else {
    Load();
  }
}

}  // namespace perf::cache
