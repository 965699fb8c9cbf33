// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "libperf/bench/baseline_fifo.hpp"
#include "libperf/bench/baseline_mutex.hpp"
#include "libperf/bench/stub_subjects.hpp"

using namespace perf;
using namespace perf::bench;

namespace {

Deadline Soon() { return Deadline::After(Clock::now(), std::chrono::seconds(20)); }
Deadline Past() { return Deadline(Clock::now()); }

/// Never more out at once than there are, and all come back.
template <typename Pool>
void HoldsItsBound() {
  Pool pool(StubConnections(3));
  std::atomic<int> out{0}, most{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 2000; ++k) {
          auto loan = pool.Acquire(Soon());
          if (!loan) return;
          const int now = ++out;
          for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
          }
          --out;
        }
      });
    }
  }
  CHECK(most <= 3);
  CHECK(most >= 1);
  CHECK(pool.Free() == 3);
}

}  // namespace

TEST_CASE("baselines: the bound holds and all resources come back") {
  HoldsItsBound<BaselineMutex>();
  HoldsItsBound<BaselineFifo>();
}

TEST_CASE("baselines: an acquire whose time is over gives nothing and leaves nobody behind") {
  BaselineMutex mutex(StubConnections(1));
  BaselineFifo fifo(StubConnections(1));
  {
    const auto one = mutex.Acquire(Soon());
    const auto two = fifo.Acquire(Soon());
    CHECK(one);
    CHECK(two);
    CHECK_FALSE(mutex.Acquire(Past()));
    CHECK_FALSE(fifo.Acquire(Past()));
    CHECK(mutex.Free() == 0);
  }
  CHECK(mutex.Free() == 1);
  CHECK(fifo.Free() == 1);  // and not handed to the waiter that gave up
  CHECK(fifo.Acquire(Past()));
}
