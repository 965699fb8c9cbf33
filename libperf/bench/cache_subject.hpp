// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/bench/cache_workload.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::bench {

/// What one thread counts; on cache lines of its own.
struct alignas(128) CacheWorker {
  std::vector<CacheWorkload::Request> requests;
  std::size_t next = 0;
  std::string value;  // scratch
  std::atomic<std::uint64_t> operations{0};
  std::uint64_t gets = 0, hits = 0, failed = 0;
  std::uint64_t got_bytes = 0, hit_bytes = 0;
  std::uint64_t wrong = 0;                                                 // values of another key
  stats::Histogram latency{stats::HistogramConfig{1, 10'000'000'000, 3}};  // ns, of gets
};

/// One in so many gets is timed: a look at the clock costs as much as a get.
inline constexpr std::uint64_t kGetsTimedEvery = 64;

/// So many requests ahead a key is fetched: making requests is not what is measured.
inline constexpr std::size_t kKeysAhead = 8;

/// A cache that is measured. Thread safety: Work all, each with a worker of its own.
class CacheSubject {
 public:
  virtual ~CacheSubject() = default;
  /// Does requests until told to stop; never throws. `clock_cost` is taken off each latency.
  virtual void Work(const CacheWorkload& workload, const std::atomic<bool>& stop,
                    Duration clock_cost, CacheWorker& worker) noexcept = 0;
  virtual std::uint64_t Entries() = 0;
};

/// `Cache` has Get(key, see), which shows a value to see(view) and says whether there was one,
/// Put(key, value), Remove(key) and Entries().
template <typename Cache>
class CacheSubjectOf final : public CacheSubject {
 public:
  template <typename... Args>
  explicit CacheSubjectOf(Args&&... args) : cache_(std::forward<Args>(args)...) {}

  void Work(const CacheWorkload& workload, const std::atomic<bool>& stop, Duration clock_cost,
            CacheWorker& worker) noexcept override {
    try {
      while (!stop.load(std::memory_order_relaxed)) {
        for (std::uint64_t i = 0; i < kGetsTimedEvery; ++i) {
          const CacheWorkload::Request request = worker.requests[worker.next];
          const std::size_t last = worker.requests.size() - 1;
          const std::size_t ahead = (worker.next + kKeysAhead) & last;
          __builtin_prefetch(workload.Key(CacheWorkload::KeyOf(worker.requests[ahead])).data());
          worker.next = (worker.next + 1) & last;
          One(workload, request, i == 0, clock_cost, worker);
        }
        worker.operations.store(worker.operations.load(std::memory_order_relaxed) + kGetsTimedEvery,
                                std::memory_order_relaxed);
      }
    } catch (const std::exception&) {
      ++worker.failed;
    }
  }
  std::uint64_t Entries() override { return cache_.Entries(); }

 private:
  void One(const CacheWorkload& workload, CacheWorkload::Request request, bool timed,
           Duration clock_cost, CacheWorker& worker) {
    const std::uint32_t number = CacheWorkload::KeyOf(request);
    const std::string_view key = workload.Key(number);
    const CacheWorkload::Action action = CacheWorkload::ActionOf(request);
    if (action == CacheWorkload::Action::kRemove) return cache_.Remove(key);
    if (action == CacheWorkload::Action::kWrite) return Put(workload, number, key, worker);
    const TimePoint start = timed ? Clock::now() : TimePoint();
    bool right = true;
    const bool hit = cache_.Get(key, [&](std::string_view value) {
      std::uint32_t of = 0;
      std::memcpy(&of, value.data(), sizeof(of));
      right = of == number;
    });
    if (timed) {
      const Duration passed = Clock::now() - start - clock_cost;
      worker.latency.Record(passed.count() > 1 ? passed.count() : 1);
    }
    ++worker.gets;
    worker.got_bytes += workload.ValueBytes(number);
    if (hit) {
      ++worker.hits;
      worker.hit_bytes += workload.ValueBytes(number);
      worker.wrong += !right;
    } else if (workload.Options().put_on_miss) {
      Put(workload, number, key, worker);
    }
  }
  void Put(const CacheWorkload& workload, std::uint32_t number, std::string_view key,
           CacheWorker& worker) {
    std::memcpy(worker.value.data(), &number, sizeof(number));
    cache_.Put(key, std::string_view(worker.value.data(), workload.ValueBytes(number)));
  }

  Cache cache_;
};

}  // namespace perf::bench
