// SPDX-License-Identifier: Apache-2.0
// The load itself, and what becomes of it.
#include <algorithm>
#include <utility>

#include "libperf/cache/cache_times.hpp"
#include "libperf/cache/flight.hpp"

namespace perf::cache {

void Flight::Load() {
  options_ = FirstOptions();
  if (!options_) {
    if (!EndIfEmpty()) Load();
    return;
  }
  // Before the load: what is invalidated from here on makes its value void.
  std::vector<LocalMark> marks = TakeMarks(parts_, *options_);
  {
    const std::lock_guard lock(mutex_);
    marks_ = std::move(marks);
  }
  // Without a word of the tier about the key nothing of value will be written there.
  if (!fetched_.asked || !parts_.TierUp() || !options_->second_tier) {
    Depart({}, false);
    return;
  }
  std::vector<std::string> tags{std::string(kWholeCache)};
  tags.insert(tags.end(), options_->tags.begin(), options_->tags.end());
  parts_.tag_reader->Read(std::move(tags), parts_.TagAge(), fetch_deadline_,
                          [self = shared_from_this()](bool ok, std::vector<TagMark> generations) {
                            self->Depart(std::move(generations), ok);
                          });
}

void Flight::Depart(std::vector<TagMark> generations, bool known) {
  generations_ = std::move(generations);
  generations_known_ = known;
  const std::uint64_t attempt = attempt_.fetch_add(1) + 1;
  std::function<void(LoadDone, std::function<void()>)> load;
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    // With the options whose tags were asked for.
    const auto rider = std::find_if(riders_.begin(), riders_.end(), [this](const Rider& other) {
      return other.options == options_;
    });
    if (rider != riders_.end()) {
      rider->loading = true;
      load = rider->load;
      id = rider->id;
    }
  }
  if (!load) {
    Load();
    return;
  }
  loader_ = id;
  load_stamp_ = parts_.stamps.Next();
  load_began_ = parts_.time.Now();
  const auto self = shared_from_this();
  LoadDone done([self, attempt, gate = gate_](LoadDone::Outcome outcome) {
    const Gate::Pass pass = gate->Enter();
    // Declined meanwhile: another rider's turn.
    if (!pass || self->attempt_.load() != attempt) return;
    self->parts_.counters.Add(Count::kLoads);
    if (CacheTimes* times = self->parts_.options.times.get()) {
      (outcome.error ? times->load_error : times->load_ok)
          .Observe(self->parts_.time.Now() - self->load_began_);
    }
    if (outcome.error) {
      self->OnFailed(std::move(outcome.error));
    } else {
      self->Store(std::move(outcome.loaded));
    }
  });
  load(std::move(done), [self, attempt, id, gate = gate_] {
    const Gate::Pass pass = gate->Enter();
    std::uint64_t expected = attempt;
    if (!pass || !self->attempt_.compare_exchange_strong(expected, attempt + 1)) return;
    {
      const std::lock_guard lock(self->mutex_);
      std::erase_if(self->riders_, [id](const Rider& rider) { return rider.id == id; });
    }
    self->Load();
  });
}

void Flight::OnFailed(std::exception_ptr error) {
  parts_.counters.Add(Count::kLoadErrors);
  bool rescued = false;
  {
    const std::lock_guard stripe(parts_.table.Of(hash_).mutex);
    LeaveTable();
    // After the last rider has boarded: see KeepBackground.
    std::unique_lock lock(mutex_);
    rescued = Rescuable();
    if (rescued && !overtaken_.load(std::memory_order_acquire)) {
      const Candidate old = *candidate_;
      lock.unlock();
      Prolong(old);
    }
  }
  Answer answer;
  if (rescued) {
    parts_.counters.Add(Count::kFailSafe);
    answer = Old(std::move(error));
  } else {
    answer.status = AnswerStatus::kError;
    answer.error = std::move(error);
  }
  Finish(answer, loader_);
  Unlock();
}

/// Leaves the loader alone for a while: the old value counts as fresh.
void Flight::Prolong(const Candidate& old) {
  const TimePoint now = parts_.time.Now();
  const TimePoint pause = Saturated(now, options_->error_throttle);
  Record record = old.record;
  if (record.eager_after != TimePoint::max()) record.eager_after = pause;
  if (now >= record.fresh_until) {
    record.old = true;
    record.fresh_until = std::min(pause, record.End());
    record.renew_until = std::max(record.renew_until, record.fresh_until);
    record.rescue_until = std::max(record.rescue_until, record.renew_until);
  }
  parts_.memory.Put(key_, hash_, old.value.Bytes(), record, now);
}

std::optional<WriteOp> Flight::WriteFor(const Record& record, Duration ttl,
                                        const std::string& bytes) {
  const TimePoint now = parts_.time.Now();
  if (!parts_.outbox || !options_->second_tier || ttl <= Duration::zero()) return std::nullopt;
  if (!fetched_.asked || !generations_known_) {
    // What the tier holds is not known, and may be older than this: it must not stay.
    WriteOp removal = MakeRemoval(parts_, now);
    // Others may have written since the load began, and then we replace that unseen: what was
    // loaded is older, and must go from memory too.
    removal.condition.heard = true;
    return removal;
  }
  // A removal that came while we loaded may have been forgotten already.
  if (now - load_began_ > parts_.options.tier.remove_guard) return std::nullopt;
  WriteOp op = MakeWrite(*options_, record, ttl, now);
  op.frame.tags = generations_;
  op.frame.bytes = bytes;
  op.condition = {SetCondition::Kind::kIfSame, fetched_.stamp, fence_};
  return op;
}

void Flight::Store(Loaded loaded) {
  const TimePoint now = parts_.time.Now();
  const bool negative = !loaded.bytes.has_value();
  const Duration ttl = DrawTtl(*options_, negative, loaded.ttl);
  std::string bytes = negative ? std::string() : std::move(*loaded.bytes);
  Record record = MakeRecord(parts_, *options_, ttl, negative, now);
  record.stamp = parts_.tier ? load_stamp_ : 0;
  if (options_->xfetch_beta > 0) record.load_time = now - load_began_;
  record.marks = marks_;
  for (LocalMark& mark : record.marks) {
    for (const TagMark& known : generations_) {
      if (known.tag == mark.tag) mark.generation = known.generation;
    }
  }
  std::optional<WriteOp> write = WriteFor(record, ttl, bytes);
  bool written = false;
  if (write) {
    // Refused: somebody wrote or removed it while we loaded, theirs is newer, and the outbox tells.
    write->dones.push_back([self = shared_from_this()](WriteEnd) { self->Unlock(); });
  }
  {
    const std::lock_guard lock(parts_.table.Of(hash_).mutex);
    if (overtaken_.load(std::memory_order_acquire)) {
      parts_.counters.Add(Count::kDiscarded);
    } else {
      if (ttl > Duration::zero() && record.End() > now) {
        parts_.memory.Put(key_, hash_, bytes, record, now);
      } else {
        parts_.memory.Remove(key_, hash_);
      }
      if (write) parts_.outbox->Put(key_, std::move(*write));
      written = write.has_value();
    }
    LeaveTable();
  }
  Answer answer;
  answer.status = negative ? AnswerStatus::kNegative : AnswerStatus::kFound;
  answer.from = AnswerFrom::kLoader;
  answer.value = Value(std::move(bytes));
  Finish(answer, loader_);
  if (written) {
    parts_.outbox->Send(key_);
  } else {
    Unlock();
  }
}

}  // namespace perf::cache
