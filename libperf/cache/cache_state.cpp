// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_state.hpp"

#include <iterator>
#include <utility>

#include "libperf/base/random.hpp"
#include "libperf/cache/memory/memory.hpp"

namespace perf::cache {
namespace {

/// XFetch: the nearer the end and the dearer the load, the likelier.
bool DrawsEarly(const RecordView& record, double beta, TimePoint now) {
  if (beta <= 0 || record.LoadTime() <= Duration::zero()) return false;
  static std::atomic<std::uint64_t> seeds{0x5eed};
  thread_local Random random(seeds.fetch_add(1));
  const double ahead = static_cast<double>(record.LoadTime().count()) * beta * random.Exponential();
  const double left = static_cast<double>((record.FreshUntil() - now).count());
  return ahead >= left;
}

}  // namespace

CacheState::CacheState(CacheOptions options, std::shared_ptr<SecondTier> tier)
    : parts_(std::move(options), std::move(tier)),
      defaults_(std::make_shared<const EntryOptions>(parts_.options.entry)) {
  if (!parts_.tier) return;
  parts_.outbox->OnUnsure(
      [this](const std::string& key, std::optional<std::uint64_t> stamp) { Drop(key, stamp); });
  parts_.tier->SetListener(this);
  OnState();  // It may have changed before we listened.
}

CacheState::~CacheState() {
  if (parts_.tier) parts_.tier->SetListener(nullptr);
  parts_.gate->Shut();
  if (parts_.outbox) parts_.outbox->Close();
  std::vector<std::shared_ptr<Flight>> flights;
  for (auto& stripe : parts_.table) {
    const std::lock_guard lock(stripe.mutex);
    for (auto& [key, flight] : stripe.flights) flights.push_back(flight);
    stripe.flights.clear();
  }
  for (const auto& flight : flights) flight->Abandon();
  parts_.gate->AwaitEmpty();
}

std::shared_ptr<const EntryOptions> CacheState::OptionsOr(const EntryOptions* options) const {
  if (options == nullptr) return defaults_;
  CheckTags(*options);
  return std::make_shared<const EntryOptions>(*options);
}

CacheState::Look CacheState::LookUp(std::string_view key, std::uint64_t hash,
                                    const EntryOptions& options, bool loader, bool counted) {
  Look look;
  const TimePoint now = parts_.time.Now();
  std::optional<FrontMemory::Hit> hit;
  // Asked before memory is: what is written elsewhere from here on need not be seen.
  if (!parts_.Late(now)) {
    hit = counted ? parts_.memory.Find(key, hash, now, parts_.tags)
                  : parts_.memory.Look(key, hash, now, parts_.tags);
  }
  const auto count = [this, counted](Count name) {
    if (counted) parts_.counters.Add(name);
  };
  if (!hit) {
    count(Count::kMemoryMisses);
    return look;
  }
  const RecordView& record = hit->record;
  const bool fresh = now < record.FreshUntil();
  const bool renew = !fresh && loader && now < record.RenewUntil();
  if (!fresh && !renew) {
    count(Count::kMemoryMisses);
    if (loader && !counted && now < record.RescueUntil()) {
      look.candidate = Candidate{Value(std::move(hit->handle)), record.Copy()};
    }
    return look;
  }
  look.answered = true;
  look.fresh = fresh;
  look.refresh =
      renew ||
      (loader && (now >= record.EagerAfter() || DrawsEarly(record, options.xfetch_beta, now)));
  look.answer.status = record.Negative() ? AnswerStatus::kNegative : AnswerStatus::kFound;
  look.answer.from = AnswerFrom::kMemory;
  look.answer.stale = renew || record.Old();
  count(record.Negative()   ? Count::kNegativeHits
        : look.answer.stale ? Count::kMemoryStale
                            : Count::kMemoryHits);
  if (look.refresh && !counted)
    look.candidate = Candidate{Value(hit->handle.Share()), record.Copy()};
  look.answer.value = Value(std::move(hit->handle));
  return look;
}

CacheState::Boarded CacheState::Board(const std::string& key, std::uint64_t hash, Rider rider) {
  auto& stripe = parts_.table.Of(hash);
  const std::lock_guard lock(stripe.mutex);
  if (const auto found = stripe.flights.find(key); found != stripe.flights.end()) {
    const std::shared_ptr<Flight> flight = found->second;
    if (!flight->Void()) {
      if (flight->Board(std::move(rider))) return {std::nullopt, flight, false};
      return {Answer(), nullptr, false};
    }
    // Its value was made before an invalidation that this rider knows of.
    Overtake(stripe, key);
  }
  // A flight may have landed since the first look: its value must not be loaded again. And what
  // may stand in for a failed load is what is there now, not what was before some removal.
  Look again = LookUp(key, hash, *rider.options, true, false);
  if (again.fresh) return {std::move(again.answer), nullptr, false};
  const auto flight =
      std::make_shared<Flight>(parts_, key, hash, std::move(again.candidate), false);
  flight->Board(std::move(rider));
  stripe.flights.emplace(key, flight);
  return {std::nullopt, flight, true};
}

void CacheState::Refresh(const std::string& key, std::uint64_t hash,
                         std::function<void(LoadDone)> background,
                         std::shared_ptr<const EntryOptions> options) {
  std::shared_ptr<Flight> flight;
  {
    auto& stripe = parts_.table.Of(hash);
    const std::lock_guard lock(stripe.mutex);
    if (stripe.flights.contains(key)) return;
    // Renewed since the first look?
    Look again = LookUp(key, hash, *options, true, false);
    if (!again.refresh) return;
    flight = std::make_shared<Flight>(parts_, key, hash, std::move(again.candidate), true);
    Rider rider;
    rider.id = parts_.rider_ids.fetch_add(1) + 1;
    rider.load = [background](LoadDone done, const std::function<void()>&) {
      background(std::move(done));
    };
    rider.background = std::move(background);
    rider.options = std::move(options);
    rider.done = [](const Answer&) {};
    flight->Board(std::move(rider));
    stripe.flights.emplace(key, flight);
  }
  parts_.counters.Add(Count::kRefreshes);
  flight->Start();
}

void CacheState::Run(const Loader& loader, const LoadDone& done) {
  try {
    done.Give(loader());
  } catch (...) {
    done.Fail(std::current_exception());
  }
}

std::function<void(LoadDone)> CacheState::InBackground(Loader loader) const {
  return [upkeep = parts_.upkeep, gate = parts_.gate, loader = std::move(loader)](LoadDone done) {
    const std::shared_ptr<Gate::Pass> pass = gate->EnterShared();
    if (!pass) return;
    upkeep->Post([pass, loader, done = std::move(done)] { Run(loader, done); });
  };
}

CacheStats CacheState::Stats() const {
  CacheStats stats;
  // The counters stand in the order of CacheStats' fields, all of which are 64 bits wide.
  std::uint64_t* const fields[] = {&stats.memory_hits,
                                   &stats.memory_stale,
                                   &stats.memory_misses,
                                   &stats.negative_hits,
                                   &stats.tier_hits,
                                   &stats.tier_stale,
                                   &stats.tier_misses,
                                   &stats.tier_errors,
                                   &stats.tier_undecodable,
                                   &stats.tier_void,
                                   &stats.loads,
                                   &stats.load_errors,
                                   &stats.coalesced,
                                   &stats.discarded,
                                   &stats.refreshes,
                                   &stats.fail_safe,
                                   &stats.lock_waits,
                                   &stats.sets,
                                   &stats.removes,
                                   &stats.tag_invalidations,
                                   &stats.prefix_invalidations,
                                   &stats.clears,
                                   &stats.tier_writes,
                                   &stats.tier_write_errors,
                                   &stats.tier_write_refused,
                                   &stats.repaired,
                                   &stats.repair_dropped,
                                   &stats.foreign_keys,
                                   &stats.foreign_tags,
                                   &stats.flushes,
                                   &stats.raw_bytes,
                                   &stats.frame_bytes};
  static_assert(std::size(fields) == static_cast<std::size_t>(Count::kEnd));
  for (std::size_t i = 0; i < std::size(fields); ++i) {
    *fields[i] = parts_.counters.Sum(static_cast<Count>(i));
  }
  const MemoryStats memory = parts_.memory.Stats();
  stats.evicted_size = memory.evictions + memory.not_admitted;
  stats.evicted_ttl = memory.expirations;
  stats.evicted_explicit = memory.removals;
  stats.refused_heavy = memory.refused;
  stats.entries = memory.entries;
  stats.bytes = memory.weight;
  if (parts_.tier) {
    stats.repair_pending = parts_.outbox->Size();
    stats.tier_present = true;
    stats.tier_reachable = parts_.tier->Reachable();
    stats.tier_coherent = parts_.tier->Coherent();
  }
  return stats;
}

void CacheState::Register(std::string pattern, WarmFunction function) {
  const std::lock_guard lock(warm_mutex_);
  warm_.emplace_back(std::move(pattern), std::move(function));
}

WarmFunction CacheState::FunctionFor(std::string_view key) const {
  const std::lock_guard lock(warm_mutex_);
  for (auto entry = warm_.rbegin(); entry != warm_.rend(); ++entry) {
    if (MatchesPattern(entry->first, key)) return entry->second;
  }
  return nullptr;
}

}  // namespace perf::cache
