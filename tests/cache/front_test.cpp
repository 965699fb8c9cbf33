// SPDX-License-Identifier: Apache-2.0
// The front with memory alone.
#include <doctest/doctest.h>

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "libperf/cache/cache_state.hpp"
#include "tests/cache/front_support.hpp"

namespace perf::cache::test {
namespace {

TEST_CASE("get, set, get_or_set and remove") {
  FakeTime time;
  Cache cache(Plain(time));
  CHECK(cache.Get("k", Soon()).status == AnswerStatus::kAbsent);
  CHECK(cache.Set("k", "v", Soon()).memory);
  const Answer hit = cache.Get("k", Soon());
  CHECK(hit.Found());
  CHECK(hit.from == AnswerFrom::kMemory);
  CHECK(hit.value.Bytes() == "v");
  cache.Remove("k", Soon());
  CHECK(hit.value.Bytes() == "v");  // Held.
  CHECK(cache.Get("k", Soon()).status == AnswerStatus::kAbsent);
  const Answer loaded = cache.GetOrSet("k", Gives("w"), Soon());
  CHECK(loaded.from == AnswerFrom::kLoader);
  CHECK(loaded.value.Bytes() == "w");
  CHECK(cache.GetOrSet("k", Fails(), Soon()).value.Bytes() == "w");
  CHECK(cache.Stats().loads == 1);
}

TEST_CASE("bug 5: TTLs at the ends of their range") {
  FakeTime time;
  Cache cache(Plain(time));
  for (const Duration ttl : {Duration::min(), Duration(-1), Duration(0)}) {
    EntryOptions options = cache.Defaults();
    cache.Set("k", "old", Soon());
    options.ttl = ttl;
    CHECK_FALSE(cache.Set("k", "v", Soon(), &options).memory);
    CHECK(cache.Get("k", Soon()).status == AnswerStatus::kAbsent);
    CHECK(cache.GetOrSet("k", Gives("v"), Soon(), &options).value.Bytes() == "v");
    CHECK(cache.Get("k", Soon()).status == AnswerStatus::kAbsent);
  }
  for (const Duration ttl : {Duration(1), Duration(999ms), Duration(48h)}) {
    EntryOptions options = cache.Defaults();
    options.ttl = ttl;
    cache.Set("k", "v", Soon(), &options);
    if (ttl > 1s) CHECK(cache.Get("k", Soon()).Found());
    time.Advance(ttl);
    CHECK(cache.Get("k", Soon()).status == AnswerStatus::kAbsent);
  }
  for (const Duration ttl : {Duration::max(), Duration::max() - Duration(1)}) {
    EntryOptions options = cache.Defaults();
    options.ttl = ttl;
    options.stale_while_revalidate = Duration::max();
    options.stale_if_error = Duration::max();
    options.jitter = 0.5;
    options.eager_at = 0.5;
    cache.Set("k", "v", Soon(), &options);
    time.Advance(24h * 365);
    CHECK(cache.Get("k", Soon()).Found());
  }
}

TEST_CASE("jitter shortens, by its share at most") {
  FakeTime time;
  Cache cache(Plain(time));
  EntryOptions options = cache.Defaults();
  options.ttl = 100h;
  options.jitter = 0.5;
  for (int i = 0; i < 200; ++i) cache.Set(std::to_string(i), "v", Soon(), &options);
  const auto alive = [&] {
    int count = 0;
    for (int i = 0; i < 200; ++i) count += cache.Peek(std::to_string(i)).Found() ? 1 : 0;
    return count;
  };
  time.Advance(49h);
  CHECK(alive() == 200);
  time.Advance(26h);
  CHECK(alive() > 50);
  CHECK(alive() < 150);
  time.Advance(26h);
  CHECK(alive() == 0);
}

TEST_CASE("negative answers are kept as long as asked for") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  Cache cache(plain);
  std::atomic<int> calls{0};
  const Loader none = [&] {
    ++calls;
    return Loaded{};
  };
  CHECK(cache.GetOrSet("k", none, Soon()).status == AnswerStatus::kNegative);
  CHECK(cache.GetOrSet("k", none, Soon()).status == AnswerStatus::kNegative);
  CHECK(calls == 2);
  EntryOptions options = cache.Defaults();
  options.negative_ttl = 10s;
  cache.GetOrSet("k", none, Soon(), &options);
  CHECK(cache.GetOrSet("k", none, Soon(), &options).status == AnswerStatus::kNegative);
  CHECK(cache.Get("k", Soon()).status == AnswerStatus::kNegative);
  CHECK(calls == 3);
  time.Advance(10s);
  cache.GetOrSet("k", none, Soon(), &options);
  CHECK(calls == 4);
}

TEST_CASE("64 threads, one load; all get its value") {
  FakeTime time;
  Cache cache(Plain(time));
  std::atomic<int> calls{0}, right{0};
  Latch inside;
  std::vector<std::jthread> crew;
  for (int i = 0; i < 64; ++i) {
    crew.emplace_back([&] {
      const Answer answer = cache.GetOrSet(
          "k",
          [&] {
            ++calls;
            inside.Wait();
            return Loaded{"v", {}};
          },
          Soon());
      if (answer.Found() && answer.value.Bytes() == "v") ++right;
    });
  }
  REQUIRE(Eventually([&] { return calls == 1; }));
  inside.Open();
  crew.clear();
  CHECK(calls == 1);
  CHECK(right == 64);
}

TEST_CASE("a load that fails fails for all who waited, and is tried again by the next") {
  FakeTime time;
  Cache cache(Plain(time));
  const Answer failed = cache.GetOrSet("k", Fails(), Soon());
  CHECK(failed.status == AnswerStatus::kError);
  CHECK_THROWS_WITH_AS(std::rethrow_exception(failed.error), "the source is down", Error);
  CHECK(cache.GetOrSet("k", Gives("v"), Soon()).Found());
  CHECK(cache.Stats().load_errors == 1);
}

TEST_CASE("who waits too long goes, the load goes on") {
  FakeTime time;
  Cache cache(Plain(time));
  Latch began, end;
  std::jthread leader([&] {
    cache.GetOrSet(
        "k",
        [&] {
          began.Open();
          end.Wait();
          return Loaded{"v", {}};
        },
        Soon());
  });
  REQUIRE(began.Wait());
  CHECK(cache.GetOrSet("k", Gives("w"), In(1ms)).status == AnswerStatus::kTimeout);
  end.Open();
  leader.join();
  CHECK(cache.Get("k", Soon()).value.Bytes() == "v");
}

TEST_CASE("stale-while-revalidate: the old value at once, one load in the background") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  plain.entry.ttl = 10s;
  plain.entry.stale_while_revalidate = 10s;
  Cache cache(plain);
  cache.Set("k", "old", Soon());
  time.Advance(11s);
  Latch release;
  std::atomic<int> calls{0};
  const Loader slow = [&] {
    ++calls;
    release.Wait();
    return Loaded{"new", {}};
  };
  for (int i = 0; i < 5; ++i) {
    const Answer answer = cache.GetOrSet("k", slow, Soon());
    CHECK(answer.value.Bytes() == "old");
    CHECK(answer.stale);
  }
  CHECK(cache.Get("k", Soon()).status == AnswerStatus::kAbsent);  // A plain get wants it fresh.
  release.Open();
  CHECK(Eventually([&] { return cache.Peek("k").Found(); }));
  CHECK(cache.Peek("k").value.Bytes() == "new");
  CHECK(calls == 1);
  time.Advance(21s);
  CHECK(cache.GetOrSet("k", Gives("third"), Soon()).value.Bytes() == "third");
}

TEST_CASE("fail-safe: the old value for a failed load, the loader left alone for a while") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  plain.entry.ttl = 10s;
  plain.entry.stale_if_error = 100s;
  plain.entry.error_throttle = 5s;
  Cache cache(plain);
  cache.Set("k", "old", Soon());
  time.Advance(11s);
  std::atomic<int> calls{0};
  const Loader fails = [&]() -> Loaded {
    ++calls;
    throw Error("down");
  };
  for (int i = 0; i < 3; ++i) {
    const Answer answer = cache.GetOrSet("k", fails, Soon());
    CHECK(answer.value.Bytes() == "old");
    CHECK(answer.stale);
  }
  CHECK(calls == 1);
  time.Advance(5s);
  CHECK(cache.GetOrSet("k", fails, Soon()).stale);
  CHECK(calls == 2);
  time.Advance(5s);
  CHECK_FALSE(cache.GetOrSet("k", Gives("new"), Soon()).stale);
  cache.Set("k", "old", Soon());
  time.Advance(111s);
  CHECK(cache.GetOrSet("k", fails, Soon()).status == AnswerStatus::kError);
}

TEST_CASE("eager refresh renews before the end, once, and never waits") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  plain.entry.ttl = 100s;
  plain.entry.eager_at = 0.8;
  Cache cache(plain);
  cache.GetOrSet("k", Gives("1"), Soon());
  time.Advance(79s);
  std::atomic<int> calls{0};
  const Loader second = [&] {
    ++calls;
    return Loaded{"2", {}};
  };
  cache.GetOrSet("k", second, Soon());
  CHECK(calls == 0);
  time.Advance(2s);
  const Answer answer = cache.GetOrSet("k", second, Soon());
  CHECK(answer.value.Bytes() == "1");
  CHECK_FALSE(answer.stale);
  CHECK(Eventually([&] { return cache.Peek("k").value.Bytes() == "2"; }));
  CHECK(calls == 1);
  CHECK(cache.Stats().refreshes == 1);
}

TEST_CASE("XFetch: likely near the end of a dear load's value, not at its beginning") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  plain.entry.ttl = 1000s;
  plain.entry.xfetch_beta = 1;
  Cache cache(plain);
  cache.GetOrSet(
      "k",
      [&] {
        time.Advance(10s);
        return Loaded{"1", {}};
      },
      Soon());
  for (int i = 0; i < 100; ++i) cache.GetOrSet("k", Gives("2"), Soon());
  CHECK(cache.Stats().refreshes == 0);
  time.Advance(999s);
  CHECK(Eventually([&] {
    cache.GetOrSet("k", Gives("2"), Soon());
    return cache.Stats().refreshes > 0;
  }));
}

TEST_CASE("tags, prefixes and clear") {
  FakeTime time;
  Cache cache(Plain(time));
  EntryOptions tagged = cache.Defaults();
  tagged.tags = {"red", "round"};
  cache.Set("a:1", "v", Soon(), &tagged);
  cache.Set("a:2", "v", Soon());
  cache.Set("b:1", "v", Soon());
  cache.InvalidateTag("blue", Soon());
  CHECK(cache.Peek("a:1").Found());
  cache.InvalidateTag("round", Soon());
  CHECK_FALSE(cache.Peek("a:1").Found());
  CHECK(cache.Peek("a:2").Found());
  cache.Set("a:1", "w", Soon(), &tagged);
  CHECK(cache.Peek("a:1").Found());
  cache.RemovePrefix("a:", Soon());
  CHECK_FALSE(cache.Peek("a:1").Found());
  CHECK_FALSE(cache.Peek("a:2").Found());
  CHECK(cache.Peek("b:1").Found());
  cache.Clear(Soon());
  CHECK_FALSE(cache.Peek("b:1").Found());
}

TEST_CASE("a cache that keeps nothing still answers, one load at a time") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  plain.max_entries = plain.max_bytes = 0;
  Cache cache(plain);
  CHECK_FALSE(cache.Set("k", "v", Soon()).memory);
  CHECK(cache.GetOrSet("k", Gives("v"), Soon()).value.Bytes() == "v");
  CHECK(cache.GetOrSet("k", Gives("w"), Soon()).value.Bytes() == "w");
}

TEST_CASE("asynchronous: at once from memory, later from the loader, never twice") {
  FakeTime time;
  Upkeep executor;
  Cache cache(Plain(time));
  Latch done;
  Answer later;
  std::optional<LoadDone> load;
  const auto at_once = cache.GetOrSetAsync(
      "k", [&](LoadDone end) { load.emplace(std::move(end)); }, Soon(), nullptr,
      [&](Answer answer) {
        later = std::move(answer);
        done.Open();
      });
  CHECK_FALSE(at_once);
  REQUIRE(load);
  load->Give({"v", {}});
  load->Give({"w", {}});
  REQUIRE(done.Wait());
  CHECK(later.value.Bytes() == "v");
  CHECK(cache.GetOrSetAsync("k", nullptr, Soon(), &executor, nullptr)->value.Bytes() == "v");
  CHECK(cache.GetAsync("k", Soon(), &executor, nullptr)->Found());
  const auto inside = cache.GetOrSetAsync(
      "k2", [](const LoadDone& end) { end.Give({"x", {}}); }, Soon(), nullptr,
      [](const Answer&) { FAIL("it was answered at once"); });
  REQUIRE(inside);
  CHECK(inside->value.Bytes() == "x");
}

TEST_CASE("asynchronous: a loader that is dropped has failed, one that hangs times out") {
  FakeTime time;
  Cache cache(Plain(time));
  const auto dropped =
      cache.GetOrSetAsync("k", [](const LoadDone&) {}, Soon(), nullptr, [](const Answer&) {});
  REQUIRE(dropped);
  CHECK(dropped->status == AnswerStatus::kError);
  Latch late;
  std::optional<LoadDone> load;
  cache.GetOrSetAsync(
      "k", [&](LoadDone end) { load.emplace(std::move(end)); }, In(1ms), nullptr,
      [&](const Answer& answer) {
        if (answer.status == AnswerStatus::kTimeout) late.Open();
      });
  CHECK(late.Wait());
  load->Give({"v", {}});
  CHECK(cache.Peek("k").Found());
}

TEST_CASE("a cache that goes answers who still waits") {
  FakeTime time;
  Latch told;
  std::optional<LoadDone> load;
  {
    Cache cache(Plain(time));
    cache.GetOrSetAsync(
        "k", [&](LoadDone end) { load.emplace(std::move(end)); }, Soon(), nullptr,
        [&](const Answer& answer) {
          if (answer.status == AnswerStatus::kError) told.Open();
        });
  }
  CHECK(told.Wait());
  load->Give({"too late", {}});
}

TEST_CASE("options out of range are refused") {
  CacheOptions options;
  options.entry.jitter = 1.5;
  CHECK_THROWS_AS(Cache{options}, ConfigError);
  options = {};
  options.policy = "random";
  CHECK_THROWS_AS(Cache{options}, ConfigError);
  options = {};
  options.tier.hard_timeout = 0ns;
  CHECK_THROWS_AS(Cache{options}, ConfigError);
}

TEST_CASE("patterns") {
  CHECK(MatchesPattern("guest:*", "guest:1"));
  CHECK(MatchesPattern("*", ""));
  CHECK(MatchesPattern("a*b?d", "axxbxbcd"));
  CHECK_FALSE(MatchesPattern("a*b?d", "axxbcd2"));
  CHECK_FALSE(MatchesPattern("guest:*", "gues"));
  CHECK_FALSE(MatchesPattern("?", ""));
}

}  // namespace
}  // namespace perf::cache::test
