// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "libperf/base/error.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/cache/time_source.hpp"
#include "tests/cache/fake_tier.hpp"

namespace perf::cache::test {

using namespace std::chrono_literals;

inline Deadline In(Duration length) { return Deadline::After(Clock::now(), length); }
inline Deadline Soon() { return In(20s); }

/// A door that opens once.
class Latch {
 public:
  void Open() {
    // Told under the lock: who has waited may be gone, and the latch with it, right after.
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// False: not within 20 s.
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// Until it holds; false: not within 20 s.
inline bool Eventually(const std::function<bool()>& holds) {
  const TimePoint end = Clock::now() + 20s;
  while (!holds()) {
    if (Clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

inline Loader Gives(std::string bytes) {
  return [bytes = std::move(bytes)] { return Loaded{bytes, {}}; };
}
inline Loader Fails() {
  return []() -> Loaded { throw Error("the source is down"); };
}

inline CacheOptions Plain(const TimeSource& time) {
  CacheOptions options;
  options.policy = "lru";
  options.time = &time;
  options.tier.soft_timeout = 10s;
  options.tier.hard_timeout = 10s;
  options.tier.repair_interval = 2ms;
  return options;
}

/// Two processes' caches on one server.
struct Pair {
  explicit Pair(CacheOptions options = {}) {
    CacheOptions own = options;
    if (own.time == nullptr) own = Plain(time);
    a = std::make_unique<Cache>(own, tier_a);
    b = std::make_unique<Cache>(own, tier_b);
  }
  FakeTime time;
  FakeServer server{time};
  std::shared_ptr<FakeTier> tier_a = std::make_shared<FakeTier>(server, 1);
  std::shared_ptr<FakeTier> tier_b = std::make_shared<FakeTier>(server, 2);
  std::unique_ptr<Cache> a, b;
};

}  // namespace perf::cache::test
