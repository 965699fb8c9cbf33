// SPDX-License-Identifier: Apache-2.0
// The bugs that other pools had, each as histories drawn from seeds. Those of single connections
// (a reply of the former borrower, a transaction left open) are here as far as they are the pool's.
#include <algorithm>

#include "tests/pool/virtual_time.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;
using End = VirtualPool::Client::End;

namespace {

constexpr std::uint64_t kSeeds = 300;

/// What must hold between any two events of any history.
void Sound(const VirtualPool& pool, std::size_t max, std::size_t max_dials) {
  const Counts counts = pool.core.Now();
  CHECK(counts.Total() <= max);
  CHECK(counts.dialling <= max_dials);
  // Nobody waits beside something idle.
  CHECK((counts.waiting == 0 || counts.idle == 0 || pool.core.Paused()));
  CHECK(pool.living <= static_cast<int>(max));
}

/// At the end everything is back, and max can be lent again.
void Whole(VirtualPool& pool, std::size_t max) {
  CHECK(pool.core.Now().in_use == 0);
  CHECK(pool.core.Now().busy == 0);
  CHECK(pool.core.Now().waiting == 0);
  pool.up = true;
  pool.time.Run(pool.time.now + 10s);  // nobody remembers a target that was down
  const std::size_t before = pool.clients.size();
  for (std::size_t i = 0; i < max; ++i) pool.Borrow(10s, 20s);
  pool.time.Run(pool.time.now + 5s);
  CHECK(pool.core.Now().in_use == max);
  pool.time.Run(pool.time.now + 1h);
  CHECK(pool.Served() >= max);
  CHECK(pool.clients.size() == before + max);
  CHECK(pool.core.Now().in_use == 0);
}

Duration Draw(VirtualTime& time, Duration least, Duration most) {
  return Duration(time.random.Int(least.count(), most.count()));
}

/// One history for each seed.
template <typename History>
void EachSeed(std::uint64_t seeds, const History& history) {
  for (std::uint64_t seed = 1, last = Seeds(seeds); seed <= last; ++seed) {
    CAPTURE(seed);
    VirtualTime time(seed);
    history(time, seed);
  }
}

/// The same, with a pool of these limits.
template <typename History>
void EachSeed(std::uint64_t seeds, const Limits& limits, const History& history) {
  EachSeed(seeds, [&](VirtualTime& time, std::uint64_t seed) {
    VirtualPool pool(time, limits, seed);
    history(time, pool);
  });
}

}  // namespace

TEST_CASE("pool bug 1: who was told and then leaves does not leave the next one waiting") {
  EachSeed(kSeeds, Limits{.max = 1}, [&](VirtualTime& time, VirtualPool& pool) {
    pool.Borrow(10ms, 1s);
    time.Run(time.now + 10ms);
    pool.Borrow(5ms, 1h);                       // holds it until +5 ms
    auto& first = pool.Borrow(1ms, 5ms);        // leaves in that very instant,
    first.resume_after = Draw(time, 0ms, 2ms);  // before or after it was told
    auto& second = pool.Borrow(1ms, 1h);
    time.Run(time.now + 20ms, [&] { Sound(pool, 1, 10); });
    CHECK(second.end == End::kServed);
    CHECK(first.end != End::kNone);
    Whole(pool, 1);
  });
}

TEST_CASE("pool bug 2: time-outs in the moment of delivery lose no connection") {
  EachSeed(kSeeds, Limits{.max = 3}, [&](VirtualTime& time, VirtualPool& pool) {
    for (int i = 0; i < 40; ++i) {
      time.At(kStart + Draw(time, 0ms, 40ms), [&] {
        // Holds and patience of the same whole milliseconds, so that they often end together.
        auto& client = pool.Borrow(1ms * time.random.Int(1, 3), 1ms * time.random.Int(1, 3));
        client.resume_after = 1ms * time.random.Int(0, 1);
      });
    }
    time.Run(kStart + 1s, [&] { Sound(pool, 3, 10); });
    for (const auto& client : pool.clients) CHECK(client.end != End::kNone);
    Whole(pool, 3);
  });
}

TEST_CASE("pool bug 4: the place of a broken connection is used for those who wait") {
  EachSeed(kSeeds, Limits{.max = 2}, [&](VirtualTime& time, VirtualPool& pool) {
    pool.connect = 5ms;
    for (int i = 0; i < 30; ++i) {
      auto& client = pool.Borrow(Draw(time, 1ms, 4ms), 1h);
      client.breaks = time.random.Int(0, 1) == 0;
    }
    time.Run(kStart + 1s, [&] { Sound(pool, 2, 10); });
    CHECK(pool.Served() == 30);
    Whole(pool, 2);
  });
}

TEST_CASE(
    "pool bug 5: nobody is overtaken, and a hundred workers on ten connections never starve") {
  EachSeed(100, Limits{.min = 10, .max = 10}, [&](VirtualTime& time, VirtualPool& pool) {
    pool.StartDials();
    std::function<void()> work = [&] {
      if (time.now < kStart + 10s) pool.Borrow(200ms, 10s);
    };
    for (int worker = 0; worker < 100; ++worker) work();
    // Whoever is done comes again at once, in competition with those who wait.
    std::size_t seen = 0;
    time.Run(kStart + 2min, [&] {
      for (; seen < pool.granted.size(); ++seen) time.After(200ms, work);
    });
    CHECK(std::is_sorted(pool.granted.begin(), pool.granted.end()));
    CHECK(pool.Served() == pool.clients.size());
    for (const auto& client : pool.clients) CHECK(client.ended - client.came <= 2500ms);
  });
}

TEST_CASE("pool bug 6: as long as anybody waits and there is room, a dial comes") {
  EachSeed(kSeeds, [&](VirtualTime& time, std::uint64_t seed) {
    const std::size_t max_dials = static_cast<std::size_t>(time.random.Int(1, 3));
    VirtualPool pool(time, Limits{.max = 6, .max_dials = max_dials}, seed);
    pool.connect = Draw(time, 1ms, 50ms);
    for (int i = 0; i < 30; ++i) {
      time.At(kStart + Draw(time, 0ms, 300ms), [&] {
        auto& client = pool.Borrow(Draw(time, 0ms, 400ms), 1h);
        client.breaks = time.random.Int(0, 3) == 0;
      });
    }
    // The target goes and comes back; who finds it down fails, who waits beside others does not.
    time.At(kStart + Draw(time, 0ms, 200ms), [&] { pool.up = false; });
    time.At(kStart + Draw(time, 200ms, 600ms), [&] { pool.up = true; });
    time.Run(kStart + 30min, [&] { Sound(pool, 6, max_dials); });
    for (const auto& client : pool.clients) {
      CHECK((client.end == End::kServed || client.cause == Cause::kDown));
    }
    Whole(pool, 6);
  });
}

TEST_CASE(
    "pool bug 7: dials outlive the patience of those they were started for, and are counted once") {
  EachSeed(kSeeds, Limits{.max = 4, .max_dials = 4}, [&](VirtualTime& time, VirtualPool& pool) {
    pool.connect = 200ms;
    for (int i = 0; i < 60; ++i) {
      time.At(kStart + Draw(time, 0ms, 600ms), [&] { pool.Borrow(5ms, 50ms); });
    }
    time.Run(kStart + 10s, [&] { Sound(pool, 4, 4); });
    CHECK(pool.dials <= 4);  // none was thrown away and dialled again
    CHECK(pool.Served() > 0);
    CHECK(pool.core.Now().idle == static_cast<std::size_t>(pool.living));
    Whole(pool, 4);
  });
}

TEST_CASE("pool bug 9: what was left in the middle of a command is never lent again") {
  EachSeed(kSeeds, Limits{.max = 2}, [&](VirtualTime& time, VirtualPool& pool) {
    std::vector<int> broken;
    for (int i = 0; i < 40; ++i) {
      time.At(kStart + Draw(time, 0ms, 100ms), [&] {
        auto& client = pool.Borrow(Draw(time, 1ms, 5ms), 1h);
        client.breaks = time.random.Int(0, 2) == 0;
      });
    }
    std::size_t seen = 0;
    time.Run(kStart + 10s, [&] {
      for (; seen < pool.granted.size(); ++seen) {
        const auto& client = pool.clients[static_cast<std::size_t>(pool.granted[seen]) - 1];
        const int id = AsFake(*client.slot).id;
        CHECK(std::find(broken.begin(), broken.end(), id) == broken.end());
        if (client.breaks) broken.push_back(id);
      }
    });
    CHECK(pool.Served() == 40);
  });
}

TEST_CASE(
    "pool bug 10: after a failover nothing of the old server is lent, however it comes back") {
  EachSeed(kSeeds, Limits{.max = 5}, [&](VirtualTime& time, VirtualPool& pool) {
    for (int i = 0; i < 60; ++i) {
      time.At(kStart + Draw(time, 0ms, 200ms), [&] { pool.Borrow(Draw(time, 1ms, 30ms), 1h); });
    }
    // Resources are numbered as they are dialled. Those whose dial had begun are old ones too.
    int old = 0;
    time.At(kStart + Draw(time, 1ms, 150ms), [&] {
      pool.core.Invalidate(time.now);
      old = pool.resources + static_cast<int>(pool.core.Now().dialling);
      pool.StartDials();
    });
    std::size_t seen = 0;
    time.Run(kStart + 10s, [&] {
      Sound(pool, 5, 10);
      for (; seen < pool.granted.size(); ++seen) {
        const auto& client = pool.clients[static_cast<std::size_t>(pool.granted[seen]) - 1];
        if (old > 0 && client.end == End::kNone) CHECK(AsFake(*client.slot).id > old);
      }
    });
    CHECK(pool.Served() == 60);
    CHECK(pool.living == static_cast<int>(pool.core.Now().idle));
  });
}

TEST_CASE(
    "pool bug 11: nothing is lent with a transaction open, and no reset that fails costs a place") {
  EachSeed(kSeeds, Limits{.max = 3}, [&](VirtualTime& time, VirtualPool& pool) {
    std::vector<int> dirty;
    pool.reset_takes = Draw(time, 0ms, 4ms);
    pool.reset = [&](Slot& slot) {
      std::erase(dirty, AsFake(slot).id);
      return time.random.Int(0, 3) > 0;
    };
    for (int i = 0; i < 60; ++i) {
      time.At(kStart + Draw(time, 0ms, 100ms), [&] {
        auto& client = pool.Borrow(Draw(time, 1ms, 5ms), 1h);
        client.breaks = time.random.Int(0, 9) == 0;
        client.dirties = time.random.Int(0, 1) == 0;
      });
    }
    std::size_t seen = 0;
    time.Run(kStart + 10s, [&] {
      Sound(pool, 3, 10);
      for (; seen < pool.granted.size(); ++seen) {
        const auto& client = pool.clients[static_cast<std::size_t>(pool.granted[seen]) - 1];
        const int id = AsFake(*client.slot).id;
        CHECK(std::find(dirty.begin(), dirty.end(), id) == dirty.end());
        if (client.dirties) dirty.push_back(id);
      }
    });
    CHECK(pool.Served() == 60);
    Whole(pool, 3);
  });
}

TEST_CASE("pool bug 12: no herd dials a server that comes back, nor one whose connections age") {
  const Limits limits{
      .min = 64, .max = 64, .max_dials = 8, .max_lifetime = 1000s, .lifetime_jitter = 0.1};
  EachSeed(100, limits, [&](VirtualTime& time, VirtualPool& pool) {
    const auto look = [&] { CHECK(pool.core.Now().dialling <= 8); };
    pool.StartDials();
    time.Run(kStart + 10s, look);
    REQUIRE(pool.core.Now().idle == 64);
    std::vector<std::uint64_t> aged;  // each ten seconds
    for (int turn = 0; turn < 250; ++turn) {
      time.After(turn * 10s, [&] {
        pool.core.Reap(time.now);
        aged.push_back(pool.core.Totals().aged);
        pool.StartDials();
      });
    }
    time.Run(kStart + 2500s, look);
    REQUIRE(aged.back() > 64);
    for (std::size_t i = 1; i < aged.size(); ++i) CHECK(aged[i] - aged[i - 1] <= 64 * 15 / 100);
    // A restart: all are gone at once.
    pool.core.Invalidate(time.now);
    pool.up = false;
    pool.StartDials();
    time.After(3s, [&] { pool.up = true; });
    time.Run(time.now + 60s, look);
    CHECK(pool.core.Now().idle == 64);
  });
}

namespace {

/// The most of them that lie within `window`, wherever it begins. In the order of time.
std::size_t MostWithin(const std::vector<TimePoint>& deaths, Duration window) {
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < deaths.size(); ++last) {
    while (deaths[last] - deaths[first] > window) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

}  // namespace

TEST_CASE("pool bug 12: of 64 of one age at most 15 % die in any hundredth of their lifetime") {
  constexpr std::size_t kConnections = 64;
  constexpr Duration kLifetime = 100s;
  const Limits limits{.min = kConnections,
                      .max = kConnections,
                      .max_dials = 8,
                      .max_lifetime = kLifetime,
                      .lifetime_jitter = 0.1};
  // A thousand say as much as ten thousand, and take a tenth of their time.
  for (std::uint64_t seed = 1, last = std::min<std::uint64_t>(Seeds(200), 1000); seed <= last;
       ++seed) {
    CAPTURE(seed);
    VirtualTime time(seed);
    VirtualPool pool(time, limits, seed);
    std::vector<TimePoint> deaths;
    // As the fronts do it; also of the successors, for three lifetimes.
    const std::function<void()> upkeep = [&] {
      pool.core.Reap(time.now);
      deaths.resize(static_cast<std::size_t>(pool.core.Totals().aged), time.now);
      pool.StartDials();
      time.At(pool.core.NextUpkeep(time.now), upkeep);
    };
    pool.StartDials();
    time.At(kStart + 1s, upkeep);
    time.Run(kStart + 3 * kLifetime);
    CHECK(deaths.size() >= 2 * kConnections);
    CHECK(MostWithin(deaths, kLifetime / 100) <= kConnections * 15 / 100);
  }
}
