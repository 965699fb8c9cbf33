// SPDX-License-Identifier: Apache-2.0
#include "tests/cache/fake_tier.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace perf::cache::test {

std::optional<std::string> FakeServer::Raw(const std::string& key) {
  const TierValue value = Get(key);
  if (value.status != TierStatus::kOk) return std::nullopt;
  return value.bytes;
}

void FakeServer::Put(const std::string& key, std::string bytes, Duration ttl) {
  const std::lock_guard lock(mutex_);
  items_[key] = {std::move(bytes), Saturated(time_.Now(), ttl)};
}

void FakeServer::LoseTag(const std::string& tag) {
  {
    const std::lock_guard lock(mutex_);
    tags_.erase(tag);
  }
  Tell(nullptr, {}, {tag});
}

bool FakeServer::Locked(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return locks_.contains(key);
}

void FakeServer::LoseLock(const std::string& key) {
  const std::lock_guard lock(mutex_);
  locks_.erase(key);
}

std::uint64_t FakeServer::Generation(const std::string& tag) {
  const std::lock_guard lock(mutex_);
  return tags_[tag];
}

TierValue FakeServer::Get(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(key);
  const TimePoint now = time_.Now();
  if (found == items_.end() || found->second.expires <= now) return {};
  const TimePoint expires = found->second.expires;
  return {TierStatus::kOk, found->second.bytes,
          expires == TimePoint::max() ? Duration::max() : expires - now};
}

/// With the mutex held.
std::uint64_t FakeServer::StampOf(const std::string& key) {
  const auto found = items_.find(key);
  std::uint64_t stamp = 0;
  if (found == items_.end() || found->second.expires <= time_.Now() ||
      found->second.bytes.size() < kStampOffset + sizeof(stamp)) {
    return 0;
  }
  std::memcpy(&stamp, found->second.bytes.data() + kStampOffset, sizeof(stamp));
  return __builtin_bswap64(stamp);
}

TierWritten FakeServer::Set(const std::string& key, std::string bytes, Duration ttl,
                            const SetCondition& condition) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t stamp = StampOf(key);
  const bool refused =
      (condition.kind == SetCondition::Kind::kUnlessNewer && stamp > condition.stamp) ||
      (condition.kind == SetCondition::Kind::kIfSame && stamp != condition.stamp) ||
      (condition.fence != 0 && fences_[key] > condition.fence);
  if (refused) return {TierStatus::kRefused, stamp};
  items_[key] = {std::move(bytes), Saturated(time_.Now(), ttl)};
  return {TierStatus::kOk, 0};
}

void FakeServer::Tell(const FakeTier* from, const std::vector<std::string>& keys,
                      const std::vector<std::string>& tags) {
  std::vector<FakeTier*> tiers;
  {
    const std::lock_guard lock(mutex_);
    tiers = tiers_;
    for (const std::string& key : keys) writers_[key] = from;
  }
  for (FakeTier* tier : tiers) {
    if (tier != from || tier->tell_own_) tier->Notify(keys, tags);
  }
}

std::vector<std::string> FakeServer::NotLastOf(const FakeTier* tier,
                                               std::vector<std::string> keys) {
  const std::lock_guard lock(mutex_);
  std::erase_if(keys, [&](const std::string& key) { return writers_[key] == tier; });
  return keys;
}

FakeTier::FakeTier(FakeServer& server, std::uint64_t seed) : server_(server), random_(seed) {
  const std::lock_guard lock(server_.mutex_);
  server_.tiers_.push_back(this);
}

FakeTier::~FakeTier() {
  {
    const std::lock_guard lock(server_.mutex_);
    std::erase(server_.tiers_, this);
  }
  HoldGets(false);
  ReleaseSets();
  gate_.Shut();
  gate_.AwaitEmpty();
}

void FakeTier::SetTroubles(const Troubles& troubles) {
  const std::lock_guard lock(mutex_);
  troubles_ = troubles;
}

void FakeTier::SetDown(bool down) {
  down_ = down;
  TellListener([](TierListener& listener) { listener.OnState(); });
}

void FakeTier::SetCoherent(bool coherent) {
  coherent_ = coherent;
  TellListener([](TierListener& listener) { listener.OnState(); });
}

void FakeTier::HoldGets(bool hold) {
  std::vector<std::function<void()>> held;
  {
    const std::lock_guard lock(mutex_);
    hold_ = hold;
    if (!hold) held = std::exchange(held_, {});
  }
  for (auto& run : held) upkeep_.Post(std::move(run));
}

void FakeTier::HoldReports(bool hold) {
  std::vector<std::string> held;
  {
    const std::lock_guard lock(reports_mutex_);
    hold_reports_ = hold;
    if (!hold) held = std::exchange(held_reports_, {});
  }
  if (!held.empty()) Notify(server_.NotLastOf(this, std::move(held)), {});
}

void FakeTier::ReleaseSets() {
  std::vector<std::function<void()>> held;
  {
    const std::lock_guard lock(mutex_);
    held = std::exchange(held_sets_, {});
  }
  for (const auto& run : held) run();
}

void FakeTier::SetListener(TierListener* listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = listener;
}

void FakeTier::TellListener(const std::function<void(TierListener&)>& tell) {
  const std::lock_guard lock(listener_mutex_);
  if (listener_ != nullptr) tell(*listener_);
}

void FakeTier::Notify(const std::vector<std::string>& keys, const std::vector<std::string>& tags) {
  if (!Coherent()) return;
  {
    const std::lock_guard lock(reports_mutex_);
    if (hold_reports_) {
      held_reports_.insert(held_reports_.end(), keys.begin(), keys.end());
      if (tags.empty()) return;
      return TellListener([&](TierListener& listener) { listener.OnTags(tags); });
    }
  }
  TellListener([&](TierListener& listener) {
    if (!keys.empty()) listener.OnKeys(keys);
    if (!tags.empty()) listener.OnTags(tags);
  });
}

template <typename Answer>
Answer FakeTier::Ended(TierStatus status) {
  if constexpr (std::is_same_v<Answer, TierStatus>) {
    return status;
  } else {
    Answer answer;
    answer.status = status;
    return answer;
  }
}

template <typename Answer>
void FakeTier::Do(Deadline deadline, std::function<Answer()> apply, Done<Answer> done, Hold hold) {
  requests_.fetch_add(1);
  // Once: by the answer, or by the deadline; then nothing of the caller's is kept.
  struct Call {
    Done<Answer> done;
    Gate::Pass pass;
    std::atomic<bool> ended{false};
  };
  const auto call = std::make_shared<Call>();
  call->done = std::move(done);
  call->pass = gate_.Enter();
  if (!call->pass) return;
  const auto end = [call](Answer answer) {
    if (call->ended.exchange(true)) return;
    const Gate::Pass pass = std::move(call->pass);
    std::exchange(call->done, nullptr)(std::move(answer));
  };
  double dice = 0;
  Duration delay{};
  Troubles troubles;
  {
    const std::lock_guard lock(mutex_);
    troubles = troubles_;
    dice = random_.Unit();
    if (troubles.longest_delay > Duration::zero()) {
      delay = Duration(random_.Int(0, troubles.longest_delay.count()));
    }
  }
  if (down_) {
    upkeep_.Post([end] { end(Ended<Answer>(TierStatus::kDown)); });
    return;
  }
  const auto timeout = [this, end, deadline] {
    upkeep_.At(deadline.At(), [end] { end(Ended<Answer>(TierStatus::kTimeout)); });
  };
  if (dice < troubles.fail) {
    upkeep_.Post([end] { end(Ended<Answer>(TierStatus::kFailed)); });
    return;
  }
  dice -= troubles.fail;
  const bool lose_request = dice < troubles.lose_request;
  const bool lose_answer = !lose_request && dice - troubles.lose_request < troubles.lose_answer;
  if (lose_request) {
    timeout();
    return;
  }
  std::function<void()> run = [apply = std::move(apply), end, lose_answer] {
    Answer answer = apply();
    if (!lose_answer) end(std::move(answer));
  };
  timeout();
  if (hold == Hold::kSet && hold_set_.exchange(false)) {
    const std::lock_guard lock(mutex_);
    held_sets_.push_back(std::move(run));
    return;
  }
  if (hold == Hold::kGet) {
    const std::lock_guard lock(mutex_);
    if (hold_) {
      held_.push_back(std::move(run));
      held_count_.fetch_add(1);
      return;
    }
  }
  if (delay > Duration::zero()) {
    upkeep_.At(Clock::now() + delay, [this, run = std::move(run)] { upkeep_.Post(run); });
  } else {
    upkeep_.Post(std::move(run));
  }
}

void FakeTier::Get(std::string key, Deadline deadline, Done<TierValue> done) {
  Do<TierValue>(
      deadline, [this, key = std::move(key)] { return server_.Get(key); }, std::move(done),
      Hold::kGet);
}

void FakeTier::Set(std::string key, std::string bytes, Duration ttl, SetCondition condition,
                   Deadline deadline, Done<TierWritten> done) {
  Do<TierWritten>(
      deadline,
      [this, key = std::move(key), bytes = std::move(bytes), ttl, condition] {
        const TierWritten written = server_.Set(key, bytes, ttl, condition);
        if (written.status == TierStatus::kOk) {
          server_.Tell(condition.heard ? nullptr : this, {key}, {});
        }
        return written;
      },
      std::move(done), Hold::kSet);
}

void FakeTier::Remove(std::vector<std::string> keys, Deadline deadline, Done<TierStatus> done) {
  Do<TierStatus>(
      deadline,
      [this, keys = std::move(keys)] {
        {
          const std::lock_guard lock(server_.mutex_);
          for (const std::string& key : keys) server_.items_.erase(key);
        }
        server_.Tell(this, keys, {});
        return TierStatus::kOk;
      },
      std::move(done));
}

void FakeTier::RemovePrefix(std::string prefix, Deadline deadline, Done<TierStatus> done) {
  Do<TierStatus>(
      deadline,
      [this, prefix = std::move(prefix)] {
        std::vector<std::string> keys;
        {
          const std::lock_guard lock(server_.mutex_);
          std::erase_if(server_.items_, [&](const auto& item) {
            if (!item.first.starts_with(prefix)) return false;
            keys.push_back(item.first);
            return true;
          });
        }
        server_.Tell(this, keys, {});
        return TierStatus::kOk;
      },
      std::move(done));
}

void FakeTier::ReadTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) {
  Do<TierTags>(
      deadline,
      [this, tags = std::move(tags)] {
        TierTags answer{TierStatus::kOk, {}};
        std::vector<std::string> written;
        {
          const std::lock_guard lock(server_.mutex_);
          for (const TagQuery& query : tags) {
            std::uint64_t& stored = server_.tags_[query.tag];
            const std::uint64_t before = stored;
            stored = std::max(stored, query.floor);
            if (stored == 0) stored = query.initial;
            if (stored != before) written.push_back(query.tag);
            answer.generations.push_back(stored);
          }
        }
        // As Redis does: all who watch are told, he who stored it too, and before he is answered.
        if (!written.empty()) server_.Tell(nullptr, {}, written);
        return answer;
      },
      std::move(done));
}

void FakeTier::BumpTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) {
  Do<TierTags>(
      deadline,
      [this, tags = std::move(tags)] {
        TierTags answer{TierStatus::kOk, {}};
        std::vector<std::string> names;
        {
          const std::lock_guard lock(server_.mutex_);
          for (const TagQuery& query : tags) {
            std::uint64_t& stored = server_.tags_[query.tag];
            stored = std::max(stored + 1, query.floor);
            answer.generations.push_back(stored);
            names.push_back(query.tag);
          }
        }
        server_.Tell(this, {}, names);
        return answer;
      },
      std::move(done));
}

void FakeTier::TryLock(std::string key, Duration ttl, Deadline deadline, Done<TierLock> done) {
  Do<TierLock>(
      deadline,
      [this, key = std::move(key), ttl]() -> TierLock {
        const std::lock_guard lock(server_.mutex_);
        FakeServer::Held& held = server_.locks_[key];
        if (held.until > Clock::now()) return {TierStatus::kRefused, 0};
        held = {++server_.fences_[key], Saturated(Clock::now(), ttl)};
        return {TierStatus::kOk, held.fence};
      },
      std::move(done));
}

void FakeTier::Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
                     Done<TierStatus> done) {
  Do<TierStatus>(
      deadline,
      [this, key = std::move(key), fence, ttl] {
        const std::lock_guard lock(server_.mutex_);
        FakeServer::Held& held = server_.locks_[key];
        const bool ours = held.fence == fence && held.until > Clock::now();
        ++(ours ? renewed_ : renewals_refused_);
        if (!ours) return TierStatus::kRefused;
        held.until = Saturated(Clock::now(), ttl);
        return TierStatus::kOk;
      },
      std::move(done));
}

void FakeTier::Unlock(std::string key, std::uint64_t fence) {
  const std::lock_guard lock(server_.mutex_);
  const auto found = server_.locks_.find(key);
  if (found != server_.locks_.end() && found->second.fence == fence) server_.locks_.erase(found);
}

}  // namespace perf::cache::test
