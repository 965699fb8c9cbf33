// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/flight.hpp"

#include <algorithm>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::cache {

Flight::Flight(Parts& parts, std::string key, std::uint64_t hash,
               std::optional<Candidate> candidate, bool refresh)
    : parts_(parts),
      gate_(parts.gate),
      key_(std::move(key)),
      hash_(hash),
      refresh_(refresh),
      candidate_(std::move(candidate)) {}

bool Flight::Board(Rider rider) {
  const std::lock_guard lock(mutex_);
  if (!rider.load && phase_ != Phase::kFetch) return false;
  riders_.push_back(std::move(rider));
  return true;
}

void Flight::Start() {
  if (FromOutbox()) return;
  if (!parts_.TierUp()) {
    NothingThere();
    return;
  }
  if (MayRescue()) ArmSoftTimeout();
  Fetch([self = shared_from_this()] { self->NothingThere(); });
}

bool Flight::Leave(std::uint64_t rider) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(riders_.begin(), riders_.end(),
                                  [rider](const Rider& other) { return other.id == rider; });
  if (found == riders_.end() || (found->loading && found->in_own_thread)) return false;
  riders_.erase(found);
  return true;
}

bool Flight::Moved(const std::vector<LocalMark>& marks) const noexcept {
  return std::any_of(marks.begin(), marks.end(), [this](const LocalMark& mark) {
    return parts_.tags.Local(mark.slot) != mark.local;
  });
}

bool Flight::Void() const {
  const std::lock_guard lock(mutex_);
  return Moved(marks_);
}

/// With the mutex held.
bool Flight::Rescuable() const {
  return candidate_ && !Moved(candidate_->record.marks) &&
         parts_.time.Now() <
             std::max(candidate_->record.renew_until, candidate_->record.rescue_until);
}

bool Flight::MayRescue() const {
  const std::lock_guard lock(mutex_);
  return Rescuable();
}

Answer Flight::Old(std::exception_ptr error) const {
  const std::lock_guard lock(mutex_);
  Answer answer;
  answer.status = candidate_->record.negative ? AnswerStatus::kNegative : AnswerStatus::kFound;
  answer.from = AnswerFrom::kMemory;
  answer.stale = true;
  answer.value = candidate_->value;
  answer.error = std::move(error);
  return answer;
}

Answer Flight::AtDeadline() {
  if (MayRescue()) {
    parts_.counters.Add(Count::kFailSafe);
    return Old(nullptr);
  }
  Answer answer;
  answer.status = AnswerStatus::kTimeout;
  return answer;
}

void Flight::LeaveTable() {
  auto& stripe = parts_.table.Of(hash_);
  const auto found = stripe.flights.find(key_);
  if (found != stripe.flights.end() && found->second.get() == this) stripe.flights.erase(found);
}

void Flight::Finish(const Answer& answer, std::optional<std::uint64_t> loader) {
  {
    // Out of the table first: nobody boards a flight whose riders have been taken.
    const std::lock_guard lock(parts_.table.Of(hash_).mutex);
    LeaveTable();
  }
  std::vector<Rider> riders;
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kDone;
    riders = std::exchange(riders_, {});
  }
  Deliver(riders, answer, loader);
}

void Flight::Deliver(const std::vector<Rider>& riders, const Answer& answer,
                     std::optional<std::uint64_t> loader) {
  for (const Rider& rider : riders) {
    Answer copy = answer;
    copy.coalesced = loader && rider.id != *loader;
    if (copy.coalesced) parts_.counters.Add(Count::kCoalesced);
    rider.done(std::move(copy));
  }
}

std::vector<Rider> Flight::TakeWithoutLoader() {
  const std::lock_guard lock(mutex_);
  phase_ = Phase::kLoad;
  std::vector<Rider> taken, rest;
  for (Rider& rider : riders_) (rider.load ? rest : taken).push_back(std::move(rider));
  riders_ = std::move(rest);
  return taken;
}

bool Flight::EndIfEmpty() {
  {
    const std::lock_guard stripe(parts_.table.Of(hash_).mutex);
    const std::lock_guard lock(mutex_);
    if (!riders_.empty()) return false;
    phase_ = Phase::kDone;
    LeaveTable();
  }
  Unlock();
  return true;
}

std::shared_ptr<const EntryOptions> Flight::FirstOptions() {
  const std::lock_guard lock(mutex_);
  return riders_.empty() ? nullptr : riders_.front().options;
}

/// Answers all with the old value, and goes on in the background if there is a loader.
bool Flight::KeepBackground(bool within_first_window) {
  std::vector<Rider> riders;
  {
    const std::lock_guard lock(mutex_);
    // Looked at together with the riders: who boards later may know of an invalidation.
    if (!Rescuable() || phase_ != Phase::kFetch || riders_.empty()) return false;
    if (within_first_window && parts_.time.Now() >= candidate_->record.renew_until) return false;
    riders = std::exchange(riders_, {});
    for (Rider& rider : riders) {
      if (!rider.background) continue;
      Rider rest;
      rest.id = rider.id;
      rest.background = std::move(rider.background);
      rest.load = [background = rest.background](LoadDone done, const std::function<void()>&) {
        background(std::move(done));
      };
      rest.options = rider.options;
      rest.done = [](const Answer&) {};
      riders_.push_back(std::move(rest));
      break;
    }
  }
  std::vector<Rider> getters;
  for (auto rider = riders.begin(); rider != riders.end();) {
    if (rider->load) {
      ++rider;
      continue;
    }
    getters.push_back(std::move(*rider));
    rider = riders.erase(rider);
  }
  Deliver(getters, Answer(), std::nullopt);
  if (!riders.empty()) Deliver(riders, Old(nullptr), std::nullopt);
  return true;
}

void Flight::Abandon() {
  std::vector<Rider> riders;
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kDone;
    riders = std::exchange(riders_, {});
  }
  Answer answer;
  answer.status = AnswerStatus::kError;
  answer.error = std::make_exception_ptr(Error("the cache was closed"));
  Deliver(riders, answer, std::nullopt);
}

}  // namespace perf::cache
