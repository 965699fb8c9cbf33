// SPDX-License-Identifier: Apache-2.0
#include "tests/pool/virtual_time.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

namespace {

/// Five idle connections, then fifty clients at once.
void Spike(VirtualPool& pool, Duration query, bool known) {
  pool.connect = 150ms;
  if (known) {
    pool.StartDials();
    pool.time.Run(pool.time.now + 200ms * 5);
  } else {
    for (int i = 0; i < 5; ++i)
      pool.core.Adopt(Make(++pool.resources, &pool.living), pool.time.now);
  }
  REQUIRE(pool.core.Now().idle == 5);
  for (int i = 0; i < 50; ++i) pool.Borrow(query, 60s);
}

}  // namespace

TEST_CASE(
    "pool spike: fifty short queries are done sooner than a dial, by the connections there are") {
  for (const bool known : {true, false}) {
    for (std::uint64_t seed = 1, last = Seeds(200); seed <= last; ++seed) {
      CAPTURE(seed);
      VirtualTime time(seed);
      VirtualPool pool(time, Limits{.min = 5, .max = 50, .max_dials = 50}, seed);
      Spike(pool, 2ms, known);
      const TimePoint began = time.now;
      time.Run(began + 25ms);
      CHECK(pool.Served() == 50);
      CHECK(pool.core.Now().in_use == 0);
      CHECK(pool.core.Now().Total() <= 6);
    }
  }
}

TEST_CASE(
    "pool spike: for fifty long queries fifty connections open, as fast as the dial bound lets") {
  for (const bool known : {true, false}) {
    for (const std::size_t bound : {45, 20, 10, 7, 1}) {
      CAPTURE(known);
      CAPTURE(bound);
      VirtualTime time(1);
      VirtualPool pool(time, Limits{.min = 5, .max = 50, .max_dials = bound}, 1);
      Spike(pool, 2000ms * (bound == 1 ? 20 : 1), known);
      const TimePoint began = time.now;
      const auto rounds = static_cast<int>((45 + bound - 1) / bound);
      const auto look = [&] { CHECK(pool.core.Now().dialling <= bound); };
      time.Run(began + 150ms * rounds + 50ms, look);
      CHECK(pool.core.Now().Total() == 50);
      CHECK(pool.core.Now().dialling == 0);
      CHECK(pool.all_open <= began + 150ms * rounds + 50ms);
      time.Run(began + 1h);
      CHECK(pool.Served() == 50);
    }
  }
}

TEST_CASE("pool spike: queries that become slow get connections within two dials' time") {
  VirtualTime time(3);
  VirtualPool pool(time, Limits{.min = 5, .max = 50, .max_dials = 50}, 3);
  pool.connect = 150ms;
  pool.StartDials();
  time.Run(time.now + 200ms);
  // 2,000 queries a second of 2 ms each, for two seconds: four of the five are enough.
  Duration query = 2ms;
  const TimePoint began = time.now;
  for (int i = 0; i < 8000; ++i) {
    time.At(began + i * 500us, [&] { pool.Borrow(query, 10s); });
  }
  time.Run(began + 2s);
  CHECK(pool.core.Now().Total() <= 6);
  query = 2s;
  time.Run(began + 2s + 300ms);
  CHECK(pool.core.Now().Total() - pool.core.Now().dialling == 50);
  time.Run(began + 1h);
  CHECK(pool.core.Now().in_use == 0);
}

TEST_CASE("pool spike: a queue that keeps coming back is worth a connection, in time") {
  VirtualTime time(5);
  VirtualPool pool(time, Limits{.min = 1, .max = 8, .max_dials = 8}, 5);
  pool.connect = 20ms;
  pool.StartDials();
  time.Run(time.now + 30ms);
  REQUIRE(pool.core.Now().idle == 1);
  // Pairs that come together: the second of each waits for 2 ms, far less than a dial takes.
  const TimePoint began = time.now;
  for (int i = 0; i < 100; ++i) {
    time.At(began + i * 12ms, [&] {
      pool.Borrow(2ms, 10s);
      pool.Borrow(2ms, 10s);
    });
  }
  time.Run(began + 30ms);
  CHECK(pool.core.Now().Total() == 1);
  time.Run(began + 1200ms);
  CHECK(pool.core.Now().Total() == 2);
}
