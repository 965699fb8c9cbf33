// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/cache/cache_options.hpp"
#include "libperf/cache/counters.hpp"
#include "libperf/cache/entry_options.hpp"
#include "libperf/cache/flight_table.hpp"
#include "libperf/cache/frame.hpp"
#include "libperf/cache/front_memory.hpp"
#include "libperf/cache/gate.hpp"
#include "libperf/cache/outbox.hpp"
#include "libperf/cache/record.hpp"
#include "libperf/cache/second_tier.hpp"
#include "libperf/cache/stamp_clock.hpp"
#include "libperf/cache/tag_reader.hpp"
#include "libperf/cache/tags.hpp"
#include "libperf/cache/time_source.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::cache {

/// What a cache consists of, for its flights and faces. The order is that of construction.
struct Parts {
  /// Throws: ConfigError.
  Parts(CacheOptions given, std::shared_ptr<SecondTier> second);

  /// How long memory may believe what is put into it now.
  Duration MemoryBound() const noexcept;
  /// Whether others' writes are told and have been in time until now, by the tier's own word; not
  /// the same as `coherent`, which is what it has said last.
  bool Coherent(TimePoint now) const noexcept;
  /// They are told, but come late at this moment: nothing that memory holds may be believed.
  bool Late(TimePoint now) const noexcept {
    return coherent.load(std::memory_order_acquire) && !InTime(now);
  }
  /// How old a generation may be.
  Duration TagAge() const noexcept;
  bool TierUp() const noexcept { return tier && tier->Reachable(); }
  Deadline HardDeadline() const noexcept;
  /// A removal of this prefix is under way in the tier: its values there are void.
  bool PrefixPending(std::string_view key) const;

  const CacheOptions options;
  const TimeSource& time;
  const std::shared_ptr<SecondTier> tier;
  const std::shared_ptr<Upkeep> upkeep;
  const std::shared_ptr<Gate> gate;
  Counters counters;
  Tags tags;
  FrontMemory memory;
  StampClock stamps;
  FlightTable table;
  std::optional<TagReader> tag_reader;
  std::optional<Outbox> outbox;
  std::atomic<bool> coherent{false};
  std::atomic<bool> reachable{false};
  std::atomic<std::uint64_t> rider_ids{0};

  mutable std::mutex prefix_mutex;
  std::multiset<std::string> prefixes;
  std::atomic<std::size_t> prefix_count{0};

 private:
  bool InTime(TimePoint now) const noexcept;
};

/// Throws: ConfigError for more than 64 tags.
void CheckTags(const EntryOptions& options);

/// The tags of `options` as marks with the slots' counters of now.
std::vector<LocalMark> TakeMarks(const Parts& parts, const EntryOptions& options);

/// How long a value with these options is to live: `asked` or the TTL of the options, shortened by
/// jitter.
Duration DrawTtl(const EntryOptions& options, bool negative, const std::optional<Duration>& asked);

/// The record of a value that was made just now. `ttl` > 0.
Record MakeRecord(const Parts& parts, const EntryOptions& options, Duration ttl, bool negative,
                  TimePoint now);

/// The write that puts it into the second tier.
WriteOp MakeWrite(const EntryOptions& options, const Record& record, Duration ttl, TimePoint now);

/// The write that removes a key.
WriteOp MakeRemoval(Parts& parts, TimePoint now);

/// Where a value from the tier stands in its life, `remaining` before the tier forgets it.
Record RecordOf(const Parts& parts, const Frame& frame, Duration remaining, TimePoint now);

}  // namespace perf::cache
