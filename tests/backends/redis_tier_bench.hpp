// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/redis_tier.hpp"
#include "libperf/base/text.hpp"
#include "pooled_redis.hpp"
#include "redis_bench.hpp"

namespace perf::backends::test {

/// Waits off the loop; false where it did not come true in the time that Soon() gives.
inline bool Eventually(const std::function<bool()>& condition) {
  const Deadline deadline = Soon();
  while (!condition()) {
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// One command to a server, from a connection of its own.
inline Json Admin(const std::string& url, std::vector<std::string> words) {
  EventLoop loop;
  Json value;
  const auto connector = MakeRedisConnector(loop, ParseRedisUrl(url));
  const auto ask = [](RedisConnector& with, std::vector<std::string> text,
                      Json& answer) -> Task<void> {
    auto dialled = co_await with.Dial(Soon());
    CHECK(dialled.failure.text == "");
    if (!dialled.connection) co_return;
    const RedisCommand command = Command(std::move(text));
    RedisReply reply;
    co_await dialled.connection->Execute(command, reply, Soon());
    CHECK(reply.failure.text == "");
    answer = std::move(reply.value);
  };
  RunOn(loop, ask(*connector, std::move(words), value));
  return value;
}

/// What a tier's listener was told.
class Heard final : public cache::TierListener {
 public:
  explicit Heard(cache::SecondTier& tier) : tier_(tier) { tier.SetListener(this); }
  ~Heard() override { tier_.SetListener(nullptr); }
  void OnKeys(std::span<const std::string> keys) override {
    const std::lock_guard lock(mutex_);
    keys_.insert(keys_.end(), keys.begin(), keys.end());
  }
  void OnTags(std::span<const std::string> tags) override {
    const std::lock_guard lock(mutex_);
    tags_.insert(tags_.end(), tags.begin(), tags.end());
  }
  void OnEverything() override {
    const std::lock_guard lock(mutex_);
    ++everything_;
  }
  void OnState() override {
    const std::lock_guard lock(mutex_);
    ++states_;
  }
  bool Key(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
  }
  bool Tag(const std::string& tag) const {
    const std::lock_guard lock(mutex_);
    return std::find(tags_.begin(), tags_.end(), tag) != tags_.end();
  }
  int Everything() const {
    const std::lock_guard lock(mutex_);
    return everything_;
  }
  int States() const {
    const std::lock_guard lock(mutex_);
    return states_;
  }
  void Forget() {
    const std::lock_guard lock(mutex_);
    keys_.clear();
    tags_.clear();
  }

 private:
  cache::SecondTier& tier_;
  mutable std::mutex mutex_;
  std::vector<std::string> keys_;
  std::vector<std::string> tags_;
  int everything_ = 0;
  int states_ = 0;
};

/// A tier for those who wait for its answers.
struct Tier {
  explicit Tier(const std::string& url, RedisTierOptions options = {})
      : tier(url, std::move(options)) {}
  Tier(std::shared_ptr<RedisTierHub> hub, RedisTierOptions options)
      : tier(std::move(hub), std::move(options)) {}

  template <typename Answer>
  static Answer Wait(const std::function<void(std::function<void(Answer)>)>& start) {
    // Shared: the promise must outlive a waiter that gave up.
    const auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    start([promise](Answer answer) { promise->set_value(std::move(answer)); });
    REQUIRE(future.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
    return future.get();
  }
  cache::TierValue Get(const std::string& key, Deadline deadline = Soon()) {
    return Wait<cache::TierValue>([&](auto done) { tier.Get(key, deadline, std::move(done)); });
  }
  cache::TierWritten Set(const std::string& key, std::string bytes,
                         Duration ttl = std::chrono::minutes(1), cache::SetCondition condition = {},
                         Deadline deadline = Soon()) {
    return Wait<cache::TierWritten>([&](auto done) {
      tier.Set(key, std::move(bytes), ttl, condition, deadline, std::move(done));
    });
  }
  cache::TierStatus Remove(std::vector<std::string> keys, Deadline deadline = Soon()) {
    return Wait<cache::TierStatus>(
        [&](auto done) { tier.Remove(std::move(keys), deadline, std::move(done)); });
  }
  cache::TierStatus RemovePrefix(const std::string& prefix) {
    return Wait<cache::TierStatus>(
        [&](auto done) { tier.RemovePrefix(prefix, Soon(), std::move(done)); });
  }
  cache::TierTags ReadTags(std::vector<cache::TagQuery> tags) {
    return Wait<cache::TierTags>(
        [&](auto done) { tier.ReadTags(std::move(tags), Soon(), std::move(done)); });
  }
  cache::TierTags BumpTags(std::vector<cache::TagQuery> tags) {
    return Wait<cache::TierTags>(
        [&](auto done) { tier.BumpTags(std::move(tags), Soon(), std::move(done)); });
  }
  cache::TierLock TryLock(const std::string& key, Duration ttl = std::chrono::minutes(1)) {
    return Wait<cache::TierLock>(
        [&](auto done) { tier.TryLock(key, ttl, Soon(), std::move(done)); });
  }
  cache::TierStatus Renew(const std::string& key, std::uint64_t fence, Duration ttl) {
    return Wait<cache::TierStatus>(
        [&](auto done) { tier.Renew(key, fence, ttl, Soon(), std::move(done)); });
  }
  /// Until its invalidations arrive.
  void Settle() {
    CHECK_MESSAGE(Eventually([this] { return tier.Coherent(); }), tier.ToJson().Dump());
  }

  RedisTier tier;
};

/// A frame with that stamp, as far as the tier looks at it.
inline std::string Stamped(std::uint64_t stamp, std::string_view rest = "rest") {
  std::string bytes(8, 'h');
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(stamp >> shift & 0xFF);
  return bytes.append(rest);
}

}  // namespace perf::backends::test
