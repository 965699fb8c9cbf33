// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/cache/answer.hpp"
#include "libperf/cache/entry_options.hpp"
#include "libperf/cache/lock_keeper.hpp"
#include "libperf/cache/parts.hpp"

namespace perf::cache {

/// One who waits for a flight.
struct Rider {
  std::uint64_t id = 0;
  /// Starts the load; `decline` passes it on to the next rider. Empty: wants what the tier has, no
  /// more.
  std::function<void(LoadDone, std::function<void()> decline)> load;
  /// The same load without the rider, for the background.
  std::function<void(LoadDone)> background;
  std::shared_ptr<const EntryOptions> options;
  std::function<void(Answer)> done;
  /// A rider that runs the loader in its own thread cannot leave meanwhile.
  bool in_own_thread = false;
  bool loading = false;
};

/// An old value, for when nothing better is to be had.
struct Candidate {
  Value value;
  Record record;
};

/// One key being fetched from the tier and loaded from the source, however many wait for it.
///
/// Its steps follow each other on whatever threads end them: tier, generations of its tags, lock
/// among processes, loader, store. A flight that was overtaken (Overtake, with the stripe's lock
/// held) is out of the table: it still answers its riders, and keeps nothing.
/// Thread safety: all methods. Lifetime: the steps under way hold it.
class Flight : public std::enable_shared_from_this<Flight> {
 public:
  Flight(Parts& parts, std::string key, std::uint64_t hash, std::optional<Candidate> candidate,
         bool refresh);

  /// With the stripe's lock held, while it is in the table. False: too late for one without a
  /// loader, the tier has nothing.
  bool Board(Rider rider);
  /// Some tag was invalidated since its load began: not for riders who come now.
  bool Void() const;
  /// Once, with no lock held.
  void Start();
  /// False: it was answered, or chosen to run the loader in its own thread.
  bool Leave(std::uint64_t rider);
  /// For who has left at its deadline: an old value, if one may be served.
  Answer AtDeadline();
  /// With the stripe's lock held, and taken out of the table by the caller.
  void Overtake() noexcept { overtaken_.store(true, std::memory_order_release); }
  /// The cache goes: whoever waits is told so.
  void Abandon();

 private:
  enum class Phase : std::uint8_t { kFetch, kLoad, kDone };
  struct Fetched {
    bool asked = false;  ///< The tier has answered: `stamp` is what it holds.
    std::uint64_t stamp = 0;
    bool undecodable = false;
  };

  // flight_fetch.cpp
  bool FromOutbox();
  void Fetch(std::function<void()> otherwise);
  void OnValue(TierValue value, const std::function<void()>& otherwise);
  void OnFrame(Frame frame, Duration remaining, const std::function<void()>& otherwise);
  void Judge(const Frame& frame, Duration remaining, std::vector<LocalMark> marks,
             const std::vector<TagMark>& generations, const std::function<void()>& otherwise);
  bool Promote(const Frame& frame, const Record& record, bool waits = false);
  void KeepOld(const Frame& frame, const Record& record, Duration left);
  void ArmSoftTimeout();
  void OnSoftTimeout();
  void NothingThere();
  // flight_lock.cpp
  void Lock();
  void OnLocked(TierLock lock);
  void AwaitOther();
  void Unlock();
  // flight_load.cpp
  void Load();
  void Depart(std::vector<TagMark> generations, bool known);
  void OnLoaded(LoadDone::Outcome outcome);
  void OnFailed(std::exception_ptr error);
  void Prolong(const Candidate& old);
  void Store(Loaded loaded);
  std::optional<WriteOp> WriteFor(const Record& record, Duration ttl, const std::string& bytes);
  // flight.cpp
  void Finish(const Answer& answer, std::optional<std::uint64_t> loader);
  void Deliver(const std::vector<Rider>& riders, const Answer& answer,
               std::optional<std::uint64_t> loader);
  std::vector<Rider> TakeWithoutLoader();
  void LeaveTable();
  bool EndIfEmpty();
  bool KeepBackground(bool within_first_window);
  std::shared_ptr<const EntryOptions> FirstOptions();
  Answer Old(std::exception_ptr error) const;
  bool Rescuable() const;
  bool MayRescue() const;
  bool Moved(const std::vector<LocalMark>& marks) const noexcept;

  Parts& parts_;
  const std::shared_ptr<Gate> gate_;
  const std::string key_;
  const std::uint64_t hash_;
  const bool refresh_;
  std::atomic<bool> overtaken_{false};

  mutable std::mutex mutex_;
  Phase phase_ = Phase::kFetch;
  std::vector<Rider> riders_;
  std::optional<Candidate> candidate_;
  std::vector<LocalMark> marks_;  ///< Of the load under way.

  // Of the steps: one at a time.
  Fetched fetched_;
  Deadline fetch_deadline_ = Deadline::Never();
  TimePoint lock_until_;
  Duration lock_pause_{};
  std::uint64_t fence_ = 0;
  std::shared_ptr<LockKeeper> keeper_;  ///< While the lock is ours.
  std::uint64_t loader_ = 0;
  std::atomic<std::uint64_t> attempt_{0};
  std::shared_ptr<const EntryOptions> options_;
  std::vector<TagMark> generations_;
  bool generations_known_ = false;
  std::uint64_t load_stamp_ = 0;
  TimePoint load_began_;
};

}  // namespace perf::cache
