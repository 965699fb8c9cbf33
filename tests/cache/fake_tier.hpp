// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/cache/gate.hpp"
#include "libperf/cache/second_tier.hpp"
#include "libperf/cache/time_source.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::cache::test {

/// Clocks that a test moves; they also run by themselves.
class FakeTime : public TimeSource {
 public:
  TimePoint Now() const noexcept override { return Clock::now() + Duration(steady_.load()); }
  std::int64_t WallMicros() const noexcept override {
    return TimeSource::WallMicros() + wall_.load();
  }
  void Advance(Duration length) { steady_.fetch_add(length.count()); }
  void StepWall(std::chrono::microseconds length) { wall_.fetch_add(length.count()); }

 private:
  std::atomic<std::int64_t> steady_{0};
  std::atomic<std::int64_t> wall_{0};
};

class FakeTier;

/// What several FakeTiers share: keys with TTLs, generations, locks.
class FakeServer {
 public:
  explicit FakeServer(const TimeSource& time) : time_(time) {}

  std::optional<std::string> Raw(const std::string& key);
  void Put(const std::string& key, std::string bytes, Duration ttl);
  void LoseTag(const std::string& tag);
  bool Locked(const std::string& key);
  void LoseLock(const std::string& key);
  std::uint64_t Generation(const std::string& tag);

 private:
  friend class FakeTier;
  struct Item {
    std::string bytes;
    TimePoint expires;
  };
  struct Held {
    std::uint64_t fence = 0;
    TimePoint until;
  };
  TierValue Get(const std::string& key);
  TierWritten Set(const std::string& key, std::string bytes, Duration ttl,
                  const SetCondition& condition);
  std::uint64_t StampOf(const std::string& key);
  void Tell(const FakeTier* from, const std::vector<std::string>& keys,
            const std::vector<std::string>& tags);
  std::vector<std::string> NotLastOf(const FakeTier* tier, std::vector<std::string> keys);

  const TimeSource& time_;
  std::mutex mutex_;
  std::map<std::string, Item> items_;
  std::map<std::string, std::uint64_t> tags_;
  std::map<std::string, Held> locks_;
  std::map<std::string, std::uint64_t> fences_;
  std::map<std::string, const FakeTier*> writers_;  // who wrote last, and is not told of it
  std::vector<FakeTier*> tiers_;
};

/// A second tier in memory for the core's tests, that can fail, delay, lose and reorder.
/// Every answer comes from a thread of its own.
class FakeTier final : public SecondTier {
 public:
  struct Troubles {
    double lose_request = 0;  ///< Never applied; the answer is kTimeout at the deadline.
    double lose_answer = 0;   ///< Applied, and kTimeout all the same.
    double fail = 0;
    Duration longest_delay{};  ///< Before it is applied: requests overtake each other.
  };

  explicit FakeTier(FakeServer& server, std::uint64_t seed = 1);
  ~FakeTier() override;

  void SetTroubles(const Troubles& troubles);
  /// Answers kDown; told to the listener.
  void SetDown(bool down);
  void SetCoherent(bool coherent);
  /// No longer coherent, and the listener is not told: whoever should tell him is kept from
  /// running.
  void FallBehind() { coherent_ = false; }
  /// Also of our own writes, as some tiers do.
  void TellOwnWrites(bool tell) { tell_own_ = tell; }
  /// Reports of keys wait; then those whose last write was ours are not told: as Redis, which
  /// reports a key once a turn and tells nobody of what he wrote himself.
  void HoldReports(bool hold);
  /// Gets wait until Release.
  void HoldGets(bool hold);
  /// The next Set takes place when ReleaseSets is called, whoever has given it up before.
  void HoldNextSet() { hold_set_ = true; }
  bool HoldsSet() {
    const std::lock_guard lock(mutex_);
    return !held_sets_.empty();
  }
  void ReleaseSets();
  /// How often a lock was renewed, and how often that was refused.
  int Renewed() const { return renewed_; }
  int RenewalsRefused() const { return renewals_refused_; }
  std::uint64_t Requests() const { return requests_.load(); }
  std::uint64_t Held() const { return held_count_.load(); }

  void Get(std::string key, Deadline deadline, Done<TierValue> done) override;
  void Set(std::string key, std::string bytes, Duration ttl, SetCondition condition,
           Deadline deadline, Done<TierWritten> done) override;
  void Remove(std::vector<std::string> keys, Deadline deadline, Done<TierStatus> done) override;
  void RemovePrefix(std::string prefix, Deadline deadline, Done<TierStatus> done) override;
  void ReadTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) override;
  void BumpTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) override;
  void TryLock(std::string key, Duration ttl, Deadline deadline, Done<TierLock> done) override;
  void Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
             Done<TierStatus> done) override;
  void Unlock(std::string key, std::uint64_t fence) override;
  bool Reachable() const noexcept override { return !down_; }
  bool Coherent() const noexcept override { return coherent_ && !down_; }
  void SetListener(TierListener* listener) override;

  /// What the server has to tell.
  void Notify(const std::vector<std::string>& keys, const std::vector<std::string>& tags);

 private:
  friend class FakeServer;
  enum class Hold : std::uint8_t { kNever, kGet, kSet };
  template <typename Answer>
  void Do(Deadline deadline, std::function<Answer()> apply, Done<Answer> done,
          Hold hold = Hold::kNever);
  template <typename Answer>
  static Answer Ended(TierStatus status);
  void TellListener(const std::function<void(TierListener&)>& tell);

  FakeServer& server_;
  std::mutex mutex_;
  Troubles troubles_;
  Random random_;
  bool hold_ = false;
  std::vector<std::function<void()>> held_, held_sets_;
  std::atomic<std::uint64_t> held_count_{0};
  std::atomic<bool> down_{false}, coherent_{true}, tell_own_{false}, hold_set_{false};
  std::atomic<int> renewed_{0}, renewals_refused_{0};
  std::atomic<std::uint64_t> requests_{0};
  std::mutex reports_mutex_;
  bool hold_reports_ = false;
  std::vector<std::string> held_reports_;
  std::mutex listener_mutex_;
  TierListener* listener_ = nullptr;
  Gate gate_;
  Upkeep upkeep_{2};
};

}  // namespace perf::cache::test
