// SPDX-License-Identifier: Apache-2.0
// What a cache does when something is written or invalidated, here or elsewhere.
#include <algorithm>
#include <utility>

#include "libperf/cache/cache_state.hpp"
#include "libperf/cache/memory/memory.hpp"

namespace perf::cache {
namespace {

/// What cannot be found out by then is taken as invalidated: nothing old is served for longer.
constexpr Duration kVerifyWithin = std::chrono::milliseconds(100);

WriteEndDone Translated(CacheState::TierDone done) {
  if (!done) return [](WriteEnd) {};
  return [done = std::move(done)](WriteEnd end) {
    // Refused: something newer is there, which is as good as written and then replaced.
    done(end == WriteEnd::kPending ? Written::Tier::kPending : Written::Tier::kWritten);
  };
}

}  // namespace

void CacheState::Overtake(FlightTable::Stripe& stripe, const std::string& key) {
  const auto found = stripe.flights.find(key);
  if (found == stripe.flights.end()) return;
  found->second->Overtake();
  // Who asks from here on must not board it.
  stripe.flights.erase(found);
}

void CacheState::OvertakeAll(std::string_view prefix) {
  for (auto& stripe : parts_.table) {
    const std::lock_guard lock(stripe.mutex);
    std::erase_if(stripe.flights, [prefix](const auto& item) {
      if (!std::string_view(item.first).starts_with(prefix)) return false;
      item.second->Overtake();
      return true;
    });
  }
}

void CacheState::VoidAll(std::string_view prefix) {
  OvertakeAll(prefix);
  if (!parts_.outbox) return;
  // After no flight stores what it loaded before; and then those that have begun meanwhile, which
  // may have been given a write of before.
  parts_.outbox->Void(prefix);
  OvertakeAll(prefix);
}

bool CacheState::Set(const std::string& key, std::string bytes, const EntryOptions& options,
                     TierDone done) {
  CheckTags(options);
  const Duration ttl = DrawTtl(options, false, std::nullopt);
  if (ttl <= Duration::zero()) {
    Remove(key, std::move(done));
    return false;
  }
  parts_.counters.Add(Count::kSets);
  const std::uint64_t hash = HashKey(key);
  const TimePoint now = parts_.time.Now();
  Record record = MakeRecord(parts_, options, ttl, false, now);
  record.marks = TakeMarks(parts_, options);
  for (LocalMark& mark : record.marks) mark.generation = parts_.tags.Floor(mark.tag);
  bool stored = false;
  {
    auto& stripe = parts_.table.Of(hash);
    const std::lock_guard lock(stripe.mutex);
    Overtake(stripe, key);
    // In the lock, so that of two writes the later one in memory is the newer one in the tier.
    record.stamp = parts_.tier ? parts_.stamps.Next() : 0;
    if (record.End() > now) {
      stored = parts_.memory.Put(key, hash, bytes, record, now);
    } else {
      parts_.memory.Remove(key, hash);
    }
    if (parts_.outbox) {
      WriteOp op =
          options.second_tier ? MakeWrite(options, record, ttl, now) : MakeRemoval(parts_, now);
      if (options.second_tier) {
        op.frame.bytes = std::move(bytes);
        op.ask_tags = true;
        op.restamps = 5;
      }
      op.dones.push_back(Translated(std::move(done)));
      parts_.outbox->Put(key, std::move(op));
    }
  }
  if (parts_.outbox) {
    parts_.outbox->Send(key);
  } else if (done) {
    done(Written::Tier::kNone);
  }
  return stored;
}

void CacheState::Remove(const std::string& key, TierDone done) {
  parts_.counters.Add(Count::kRemoves);
  const std::uint64_t hash = HashKey(key);
  {
    auto& stripe = parts_.table.Of(hash);
    const std::lock_guard lock(stripe.mutex);
    Overtake(stripe, key);
    parts_.memory.Remove(key, hash);
    if (parts_.outbox) {
      WriteOp op = MakeRemoval(parts_, parts_.time.Now());
      op.dones.push_back(Translated(std::move(done)));
      parts_.outbox->Put(key, std::move(op));
    }
  }
  if (parts_.outbox) {
    parts_.outbox->Send(key);
  } else if (done) {
    done(Written::Tier::kNone);
  }
}

void CacheState::InvalidateTag(const std::string& tag, TierDone done) {
  if (tag == kWholeCache) {
    Clear(std::move(done));
    return;
  }
  parts_.counters.Add(Count::kTagInvalidations);
  if (!parts_.outbox) {
    parts_.tags.BumpLocal(tag);
    if (done) done(Written::Tier::kNone);
    return;
  }
  const auto wall = static_cast<std::uint64_t>(std::max<std::int64_t>(parts_.time.WallMicros(), 1));
  const std::uint64_t floor = std::max(parts_.tags.Floor(tag) + 1, wall);
  parts_.tags.Raise(tag, floor);
  parts_.tags.Doubt(tag);
  // Nobody fetches an older value from the tier from here on, and then nobody has one in memory.
  parts_.outbox->QueueBump(tag, floor, Translated(std::move(done)));
  parts_.tags.BumpLocal(tag);
  parts_.outbox->SendBump(tag);
}

void CacheState::Clear(TierDone done) {
  parts_.counters.Add(Count::kClears);
  const std::string whole(kWholeCache);
  if (parts_.outbox) {
    const auto wall =
        static_cast<std::uint64_t>(std::max<std::int64_t>(parts_.time.WallMicros(), 1));
    const std::uint64_t floor = std::max(parts_.tags.Floor(whole) + 1, wall);
    parts_.tags.Raise(whole, floor);
    parts_.tags.Doubt(whole);
    parts_.outbox->QueueBump(whole, floor, Translated(std::move(done)));
  }
  VoidAll("");
  parts_.memory.Clear();
  if (parts_.outbox) {
    parts_.outbox->SendBump(whole);
  } else if (done) {
    done(Written::Tier::kNone);
  }
}

void CacheState::RemovePrefix(const std::string& prefix, TierDone done) {
  parts_.counters.Add(Count::kPrefixInvalidations);
  if (parts_.outbox) {
    {
      const std::lock_guard lock(parts_.prefix_mutex);
      parts_.prefixes.insert(prefix);
      parts_.prefix_count.store(parts_.prefixes.size(), std::memory_order_release);
    }
  }
  VoidAll(prefix);
  parts_.memory.RemovePrefix(prefix);
  if (!parts_.outbox) {
    if (done) done(Written::Tier::kNone);
    return;
  }
  const std::shared_ptr<Gate::Pass> pass = parts_.gate->EnterShared();
  if (!pass) return;
  // Many keys take their time: this is no read that somebody waits for.
  const Deadline deadline = Deadline::After(Clock::now(), 20 * parts_.options.tier.hard_timeout);
  parts_.tier->RemovePrefix(prefix, deadline,
                            [this, pass, prefix, done = std::move(done)](TierStatus status) {
                              FinishPrefix(prefix, status, done);
                            });
}

void CacheState::FinishPrefix(const std::string& prefix, TierStatus status, const TierDone& done) {
  // While the prefix still counts as pending: no load in between asks the tier.
  std::optional<std::vector<std::string>> given_up = parts_.outbox->VoidGivenUp(prefix);
  if (!given_up) status = TierStatus::kFailed;
  if (status != TierStatus::kOk) {
    // What is left of it cannot be named later: the whole cache in the tier is voided instead.
    parts_.counters.Add(Count::kRepairDropped);
    const std::string whole(kWholeCache);
    parts_.outbox->QueueBump(whole, parts_.tags.Floor(whole) + 1, nullptr);
  }
  // What was fetched from the tier before it was gone there.
  OvertakeAll(prefix);
  parts_.memory.RemovePrefix(prefix);
  {
    const std::lock_guard lock(parts_.prefix_mutex);
    parts_.prefixes.erase(parts_.prefixes.find(prefix));
    parts_.prefix_count.store(parts_.prefixes.size(), std::memory_order_release);
  }
  if (done) done(status == TierStatus::kOk ? Written::Tier::kWritten : Written::Tier::kPending);
  for (const std::string& key : given_up.value_or(std::vector<std::string>())) {
    parts_.outbox->Send(key);
  }
  if (status != TierStatus::kOk) parts_.outbox->SendBump(std::string(kWholeCache));
}

void CacheState::OnKeys(std::span<const std::string> keys) {
  parts_.counters.Add(Count::kForeignKeys, keys.size());
  for (const std::string& key : keys) {
    const std::uint64_t hash = HashKey(key);
    auto& stripe = parts_.table.Of(hash);
    const std::lock_guard lock(stripe.mutex);
    Overtake(stripe, key);
    parts_.outbox->Doubt(key);
    parts_.memory.Remove(key, hash);
  }
}

/// See Outbox::OnUnsure.
void CacheState::Drop(const std::string& key, std::optional<std::uint64_t> stamp) {
  const std::uint64_t hash = HashKey(key);
  auto& stripe = parts_.table.Of(hash);
  const std::lock_guard lock(stripe.mutex);
  if (stamp) {
    const auto hit = parts_.memory.Look(key, hash, parts_.time.Now(), parts_.tags);
    if (hit && hit->record.Stamp() == *stamp) parts_.memory.Remove(key, hash);
    return;
  }
  Overtake(stripe, key);
  parts_.memory.Remove(key, hash);
}

void CacheState::OnTags(std::span<const std::string> tags) {
  parts_.counters.Add(Count::kForeignTags, tags.size());
  // That somebody asks for a tag for the first time stores it: then nothing has become void.
  parts_.tag_reader->Verify(
      tags, Sooner(parts_.HardDeadline(), Deadline::After(Clock::now(), kVerifyWithin)),
      [this](const std::string& tag) {
        if (tag != kWholeCache) {
          parts_.tags.BumpLocal(tag);
          return;
        }
        // No entry in memory is marked with it.
        OvertakeAll("");
        parts_.memory.Clear();
      });
}

void CacheState::Flush() {
  parts_.counters.Add(Count::kFlushes);
  parts_.tags.DoubtAll();
  parts_.outbox->DoubtLoaded();
  OvertakeAll("");
  parts_.memory.Clear();
}

void CacheState::OnEverything() { Flush(); }

void CacheState::OnState() {
  const bool coherent = parts_.tier->Coherent();
  const bool reachable = parts_.tier->Reachable();
  // Told before memory is emptied: what is put in from here on has the bound of the new state.
  const bool turned = parts_.coherent.exchange(coherent) != coherent;
  const bool back = !parts_.reachable.exchange(reachable) && reachable;
  if (turned || (back && !coherent)) Flush();
  if (back) parts_.outbox->Retry();
}

}  // namespace perf::cache
