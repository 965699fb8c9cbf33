// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/cache/cache_options.hpp"
#include "libperf/cache/counters.hpp"
#include "libperf/cache/frame.hpp"
#include "libperf/cache/gate.hpp"
#include "libperf/cache/second_tier.hpp"
#include "libperf/cache/stamp_clock.hpp"
#include "libperf/cache/tag_reader.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::cache {

/// What became of a write to the second tier.
enum class WriteEnd : std::uint8_t {
  kWritten,
  kRefused,  ///< Something newer is there.
  kPending,  ///< The attempt failed; it will be tried again.
};
using WriteEndDone = std::function<void(WriteEnd)>;

/// One write to the second tier.
struct WriteOp {
  /// A tombstone is a removal.
  Frame frame;
  /// The tags of `frame` are to be asked for before it goes out (a Set; a load has them from
  /// before).
  bool ask_tags = false;
  /// Counters of local slots as they were before the value was made: one that has moved voids it.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> slots;
  /// How long the tier keeps it, from `since` on.
  Duration keep{};
  TimePoint since;
  SetCondition condition;
  /// When the tier holds something newer: write with a newer stamp (what a caller sets now is newer
  /// than all that is there, whatever the clocks of other processes say).
  /// So many times, for several may write loads of what was there before.
  int restamps = 0;
  /// Each is called once, when the first attempt has ended.
  std::vector<WriteEndDone> dones;
  int attempts = 0;
};

/// What still has to be written to the second tier: one write a key at a time, the newest wins,
/// those that fail are kept (within bounds) and tried again. While a write waits here, the tier's
/// value of that key is not to be believed: ask Pending first. Thread safety: all methods; dones
/// are called with no lock held.
class Outbox {
 public:
  struct Links {
    SecondTier& tier;
    TagReader& tag_reader;
    Tags& tags;
    StampClock& stamps;
    const TimeSource& time;
    Counters& counters;
    Gate& gate;
    Upkeep& upkeep;
    const CacheOptions& options;
  };
  struct Waiting {
    Frame frame;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> slots;
  };
  explicit Outbox(const Links& links) : links_(links) {}

  /// Queues it in place of what waits for the same key. Neither sends nor calls anything: Send must
  /// follow, when no lock is held.
  void Put(const std::string& key, WriteOp op);
  void Send(const std::string& key);
  /// The newest write that waits for this key, its TTL shortened to what is left, and the slots
  /// that void it; void: a tombstone. So is what was only loaded where others' writes are not told
  /// (not `coherent`) and a set in doubt: one of theirs may be newer. Nothing where what was loaded
  /// is in doubt: ask the tier.
  std::optional<Waiting> Pending(const std::string& key, bool coherent) const;
  /// The write with this stamp still waits, and is not in doubt.
  bool Waits(const std::string& key, std::uint64_t stamp) const;
  /// Somebody else has written this key: whether what waits is newer only the tier can tell, so
  /// until it has, that is not believed; and what is to be tried again will only remove.
  void Doubt(const std::string& key);
  /// Others may have written anything: what was only loaded is not believed any more.
  void DoubtLoaded();
  /// How memory is told that it may hold what the tier does not: the value with this stamp, which
  /// was refused; or any, after a write in doubt has ended. Before any other call.
  using Unsure = std::function<void(const std::string& key, std::optional<std::uint64_t> stamp)>;
  void OnUnsure(Unsure unsure) { unsure_ = std::move(unsure); }

  /// Makes removals of all writes that wait for keys with this prefix.
  void Void(std::string_view prefix);
  /// After the tier has removed the prefix: an attempt that was given up may still arrive, and
  /// finds no later write to be refused by. Queues removals of such keys; each has to be sent.
  /// Nothing: it is not known which keys those are.
  std::optional<std::vector<std::string>> VoidGivenUp(std::string_view prefix);

  /// The tier's generation of `tag` has to grow, at least to `floor`; from here on what the tier
  /// holds with it is void. SendBump must follow, when no lock is held.
  void QueueBump(const std::string& tag, std::uint64_t floor, WriteEndDone done);
  void SendBump(const std::string& tag);
  /// A growth of one of these waits: what the tier holds with it is void.
  bool AnyBumpPending(const std::vector<TagMark>& marks) const;

  /// Tries all that waits: the tier is back.
  void Retry();
  /// Nothing is sent any more.
  void Close();
  std::uint64_t Size() const;

 private:
  struct Item {
    WriteOp op;
    bool sending = false;  ///< A request is under way (for `op` or for what it has replaced).
    bool doubted = false;
    std::uint64_t version = 0;
  };
  struct BumpItem {
    std::uint64_t floor = 0;
    std::uint64_t version = 0;
    bool sending = false;
    std::vector<WriteEndDone> dones;
  };

  void TellOrphans();
  void NoteGivenUp(const std::string& key);
  /// What a load found, for the place of what the tier held before it: no write of a caller.
  static bool Loaded(const WriteOp& op) noexcept;
  static std::size_t Cost(const std::string& key, const WriteOp& op) noexcept;
  void MakeTombstone(WriteOp& op) const;
  bool SlotsMoved(const WriteOp& op) const noexcept;
  void Resolve(const std::string& key, std::uint64_t version, WriteOp op);
  void Write(const std::string& key, std::uint64_t version, WriteOp op);
  void OnWritten(const std::string& key, std::uint64_t version, WriteOp op, TierWritten written);
  void End(const std::string& key, std::uint64_t version, WriteEnd end, bool again);
  void OnBumped(const std::string& tag, std::uint64_t version, std::uint64_t epoch,
                TierTags answer);
  void ScheduleRetry();

  const Links links_;
  Unsure unsure_ = [](const std::string&, std::optional<std::uint64_t>) {};
  mutable std::mutex mutex_;
  bool closed_ = false;
  Upkeep::TimerId retry_ = 0;
  std::uint64_t version_ = 0;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, Item> items_;
  std::unordered_map<std::string, BumpItem> bumps_;
  std::vector<WriteEndDone> orphans_;  ///< Of writes that found no room.
  bool overflow_ = false;
  std::unordered_map<std::string, TimePoint> given_up_;  ///< And until when they may arrive.
  TimePoint given_up_lost_ = TimePoint::min();           ///< So long there are more than those.
  std::atomic<std::size_t> bump_count_{0};
};

}  // namespace perf::cache
