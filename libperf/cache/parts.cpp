// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/parts.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::cache {
namespace {

constexpr std::size_t kRememberedTags = 65536;
constexpr std::size_t kMaxTags = 64;

std::uint64_t Salt() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

Duration Sum(Duration a, Duration b) noexcept {
  b = std::max(b, Duration::zero());
  return a > Duration::max() - b ? Duration::max() : a + b;
}

Duration Share(Duration whole, double share) noexcept {
  if (whole == kForever) return kForever;
  return Duration(static_cast<std::int64_t>(static_cast<double>(whole.count()) * share));
}

CacheOptions Checked(CacheOptions options) {
  const EntryOptions& entry = options.entry;
  if (entry.jitter < 0 || entry.jitter > 1) throw ConfigError("jitter of a cache is 0 to 1");
  if (entry.eager_at < 0 || entry.eager_at > 1) throw ConfigError("eager_at of a cache is 0 to 1");
  if (entry.xfetch_beta < 0) throw ConfigError("xfetch_beta of a cache is not negative");
  CheckTags(entry);
  if (options.tier.hard_timeout <= Duration::zero() ||
      options.tier.soft_timeout < Duration::zero() ||
      options.tier.repair_interval <= Duration::zero() ||
      options.tier.remove_guard <= Duration::zero()) {
    throw ConfigError("the timeouts of a cache's second tier are positive");
  }
  if (options.compression.level < 1 || options.compression.level > 19) {
    throw ConfigError("the level of compression is 1 to 19");
  }
  return options;
}

}  // namespace

Parts::Parts(CacheOptions given, std::shared_ptr<SecondTier> second)
    : options(Checked(std::move(given))),
      time(options.time != nullptr ? *options.time : TimeSource::Real()),
      tier(std::move(second)),
      upkeep(options.upkeep ? options.upkeep : std::make_shared<Upkeep>()),
      gate(std::make_shared<Gate>()),
      tags(kRememberedTags),
      memory(options),
      stamps(time, Salt()) {
  if (!tier) return;
  tag_reader.emplace(tags, *tier, time, *gate);
  outbox.emplace(
      Outbox::Links{*tier, *tag_reader, tags, stamps, time, counters, *gate, *upkeep, options});
  coherent.store(tier->Coherent());
  reachable.store(tier->Reachable());
}

Duration Parts::MemoryBound() const noexcept {
  if (!tier || coherent.load(std::memory_order_acquire)) return kForever;
  return tier->Reachable() ? options.tier.incoherent_ttl : options.tier.outage_ttl;
}

/// The tier knows the real clock; only where that is ours, too, it need not be asked once more.
bool Parts::InTime(TimePoint now) const noexcept {
  return (options.time == nullptr ? now : Clock::now()) < tier->CoherentUntil();
}

bool Parts::Coherent(TimePoint now) const noexcept {
  return coherent.load(std::memory_order_acquire) && InTime(now);
}

Duration Parts::TagAge() const noexcept {
  return Coherent(time.Now()) ? kForever : options.tier.incoherent_ttl;
}

Deadline Parts::HardDeadline() const noexcept {
  return Deadline::After(Clock::now(), options.tier.hard_timeout);
}

bool Parts::PrefixPending(std::string_view key) const {
  if (prefix_count.load(std::memory_order_acquire) == 0) return false;
  const std::lock_guard lock(prefix_mutex);
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [key](const std::string& prefix) { return key.starts_with(prefix); });
}

void CheckTags(const EntryOptions& options) {
  if (options.tags.size() <= kMaxTags) return;
  throw ConfigError(fmt::format("an entry has at most {} tags", kMaxTags));
}

std::vector<LocalMark> TakeMarks(const Parts& parts, const EntryOptions& options) {
  std::vector<LocalMark> marks;
  marks.reserve(options.tags.size());
  for (const std::string& tag : options.tags) {
    const std::uint32_t slot = Tags::SlotOf(tag);
    marks.push_back({slot, parts.tags.Local(slot), 0, tag});
  }
  return marks;
}

Duration DrawTtl(const EntryOptions& options, bool negative, const std::optional<Duration>& asked) {
  Duration ttl = asked.value_or(negative ? options.negative_ttl : options.ttl);
  if (options.jitter > 0 && ttl > Duration::zero()) {
    thread_local Random random(Salt());
    ttl = std::max(Share(ttl, 1 - options.jitter * random.Unit()), Duration(1));
  }
  return ttl;
}

Record MakeRecord(const Parts& parts, const EntryOptions& options, Duration ttl, bool negative,
                  TimePoint now) {
  Record record;
  record.negative = negative;
  const Duration fresh = std::min({ttl, options.memory_ttl, parts.MemoryBound()});
  record.fresh_until = Saturated(now, fresh);
  // What is kept shorter than its TTL is to be asked for in the tier then: not served as if old.
  record.renew_until = fresh < ttl ? record.fresh_until
                                   : Saturated(record.fresh_until, options.stale_while_revalidate);
  record.rescue_until =
      options.stale_if_error > Duration::zero()
          ? std::max(record.renew_until, Saturated(now, Sum(ttl, options.stale_if_error)))
          : record.renew_until;
  if (options.eager_at < 1 && ttl != kForever) {
    record.eager_after = Saturated(now, Share(ttl, options.eager_at));
  }
  return record;
}

WriteOp MakeWrite(const EntryOptions& options, const Record& record, Duration ttl, TimePoint now) {
  WriteOp op;
  op.frame.kind = record.negative ? Frame::Kind::kNegative : Frame::Kind::kValue;
  op.frame.stamp = record.stamp;
  op.frame.ttl = ttl;
  op.frame.stale_while_revalidate = options.stale_while_revalidate;
  op.frame.stale_if_error = options.stale_if_error;
  op.frame.load_time = record.load_time;
  op.frame.tags.push_back({std::string(kWholeCache), 0});
  for (const LocalMark& mark : record.marks) {
    op.frame.tags.push_back({mark.tag, mark.generation});
    op.slots.emplace_back(mark.slot, mark.local);
  }
  op.keep = Sum(ttl, std::max(options.stale_while_revalidate, options.stale_if_error));
  op.since = now;
  op.condition = {SetCondition::Kind::kUnlessNewer, record.stamp, 0};
  return op;
}

WriteOp MakeRemoval(Parts& parts, TimePoint now) {
  WriteOp op;
  op.frame.kind = Frame::Kind::kTombstone;
  op.frame.stamp = parts.stamps.Next();
  op.keep = parts.options.tier.remove_guard;
  op.since = now;
  return op;
}

Record RecordOf(const Parts& parts, const Frame& frame, Duration remaining, TimePoint now) {
  const Duration windows =
      std::max({frame.stale_while_revalidate, frame.stale_if_error, Duration::zero()});
  // Both lengths: no clock of another machine is asked. More than the TTL is never left.
  const Duration left =
      remaining == kForever ? frame.ttl : std::min(remaining - windows, frame.ttl);
  const auto until = [now](Duration length) {
    return length >= Duration::zero() ? Saturated(now, length) : now + length;
  };
  Record record;
  record.negative = frame.kind == Frame::Kind::kNegative;
  record.stamp = frame.stamp;
  record.load_time = frame.load_time;
  const Duration bound = std::min(parts.MemoryBound(), parts.options.entry.memory_ttl);
  record.fresh_until = until(std::min(left, bound));
  record.renew_until =
      bound < left ? record.fresh_until : until(Sum(left, frame.stale_while_revalidate));
  record.rescue_until = frame.stale_if_error > Duration::zero()
                            ? std::max(record.renew_until, until(Sum(left, frame.stale_if_error)))
                            : record.renew_until;
  const double eager_at = parts.options.entry.eager_at;
  if (eager_at < 1 && frame.ttl != kForever) {
    record.eager_after = until(left - Share(frame.ttl, 1 - eager_at));
  }
  return record;
}

}  // namespace perf::cache
