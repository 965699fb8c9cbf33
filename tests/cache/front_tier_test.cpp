// SPDX-License-Identifier: Apache-2.0
// The front with a second tier that two caches share.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "libperf/cache/frame.hpp"
#include "tests/cache/front_support.hpp"

namespace perf::cache::test {
namespace {

TEST_CASE("what one process sets the other gets, and no longer than it lives") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.ttl = 10s;
  const Written written = pair.a->Set("k", "v", Soon(), &options);
  CHECK(written.tier == Written::Tier::kWritten);
  const Answer answer = pair.b->Get("k", Soon());
  CHECK(answer.value.Bytes() == "v");
  CHECK(answer.from == AnswerFrom::kTier);
  CHECK(pair.b->Get("k", Soon()).from == AnswerFrom::kMemory);
  pair.time.Advance(10s);
  CHECK(pair.b->Get("k", Soon()).status == AnswerStatus::kAbsent);
  CHECK(pair.b->GetOrSet("k", Gives("w"), Soon()).from == AnswerFrom::kLoader);
  CHECK(Eventually([&] { return pair.b->Stats().repair_pending == 0; }));
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "w");
}

TEST_CASE("the first load with a fresh tier is the only one, with tags and without") {
  for (const bool tagged : {false, true}) {
    CAPTURE(tagged);
    Pair pair;
    EntryOptions options = pair.a->Defaults();
    if (tagged) options.tags = {"t"};
    std::atomic<int> loads{0};
    const Loader load = [&] {
      ++loads;
      return Loaded{"v", {}};
    };
    // What the tier stores of the tags meanwhile is told to both.
    CHECK(pair.a->GetOrSet("k", load, Soon(), &options).Found());
    CHECK(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
    CHECK(pair.a->GetOrSet("k", load, Soon(), &options).Found());
    CHECK(pair.b->GetOrSet("k", load, Soon(), &options).Found());
    CHECK(loads == 1);
  }
}

TEST_CASE("what was loaded and is not in the tier yet counts no more once the link is lost") {
  Pair pair;
  REQUIRE(pair.b->GetOrSet("other", Gives("x"), Soon()).Found());  // the tier has the cache's tag
  const Loader load = [&] {
    pair.tier_a->SetTroubles({.fail = 1});  // of the write, which comes next
    return Loaded{"old", {}};
  };
  CHECK(pair.a->GetOrSet("k", load, Soon()).Found());
  CHECK(pair.a->Stats().repair_pending == 1);
  pair.tier_a->SetCoherent(false);
  CHECK(pair.b->Set("k", "new", Soon()).tier == Written::Tier::kWritten);
  CHECK(pair.a->GetOrSet("k", Gives("new"), Soon()).value.Bytes() == "new");
}

TEST_CASE("bug 4: a promoted value lives for what is left, not for a whole TTL") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.ttl = 300ms;
  pair.a->Set("k", "v", Soon(), &options);
  pair.time.Advance(200ms);
  REQUIRE(pair.b->Get("k", Soon()).Found());  // Defaults: 300 s.
  pair.time.Advance(100ms);
  CHECK(pair.b->Get("k", Soon()).status == AnswerStatus::kAbsent);
  // A key without a TTL in the tier is bounded by the TTL that its frame tells.
  pair.a->Set("k", "v", Soon(), &options);
  pair.server.Put("k", *pair.server.Raw("k"), Duration::max());
  REQUIRE(pair.b->Get("k", Soon()).Found());
  pair.time.Advance(300ms);
  CHECK_FALSE(pair.b->Peek("k").Found());
}

TEST_CASE("bug 6: the wall clock may step; nothing lives longer or shorter for it") {
  for (const auto step : {std::chrono::hours(1), std::chrono::hours(-1)}) {
    Pair pair;
    EntryOptions options = pair.a->Defaults();
    options.ttl = 60s;
    pair.a->Set("k", "v1", Soon(), &options);
    pair.time.StepWall(step);
    CHECK(pair.a->Peek("k").Found());
    CHECK(pair.b->Get("k", Soon()).Found());
    // Newer writes win, whatever their clock says.
    pair.b->Set("k", "v2", Soon(), &options);
    pair.time.StepWall(-2 * step);
    pair.a->Set("k", "v3", Soon(), &options);
    CHECK(Eventually([&] { return pair.b->Get("k", Soon()).value.Bytes() == "v3"; }));
    pair.a->InvalidateTag("t", Soon());
    pair.time.Advance(60s);
    CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
    CHECK(pair.b->Get("k", Soon()).status == AnswerStatus::kAbsent);
  }
}

TEST_CASE("a process with a slow clock still overwrites what a fast one wrote") {
  FakeTime slow, fast;
  fast.StepWall(std::chrono::hours(5));
  FakeServer server(slow);
  const auto tier_a = std::make_shared<FakeTier>(server);
  const auto tier_b = std::make_shared<FakeTier>(server);
  Cache a(Plain(fast), tier_a), b(Plain(slow), tier_b);
  a.Set("k", "old", Soon());
  CHECK(b.Set("k", "new", Soon()).tier == Written::Tier::kWritten);
  CHECK(a.Get("k", Soon()).value.Bytes() == "new");
}

TEST_CASE("bug 8: bytes that are no frame are a counted miss, and are overwritten or removed") {
  Pair pair;
  pair.a->Set("good", "v", Soon());
  const std::string good = *pair.server.Raw("good");
  std::vector<std::string> bads = {"", "x", std::string(1000, '\xff'), good,
                                   good.substr(0, good.size() - 1)};
  std::string flipped = good;
  flipped[20] = static_cast<char>(flipped[20] ^ 1);
  bads.push_back(flipped);
  for (const std::string& bad : bads) {
    const auto before = pair.b->Stats().tier_undecodable;
    pair.server.Put("k", bad, 1h);
    CHECK(pair.b->Get("k", Soon()).status == AnswerStatus::kAbsent);
    CHECK(pair.b->Stats().tier_undecodable == before + 1);
    CHECK(Eventually([&] { return !pair.server.Raw("k"); }));
    pair.server.Put("k", bad, 1h);
    CHECK(pair.b->GetOrSet("k", Gives("fresh"), Soon()).value.Bytes() == "fresh");
    CHECK(Eventually([&] { return pair.b->Stats().repair_pending == 0; }));
    CHECK(DecodeFrame("k", *pair.server.Raw("k"), 1000)->bytes == "fresh");
    pair.b->Clear(Soon());
  }
}

TEST_CASE("the tier's lock: one load among processes") {
  CacheOptions none;
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.lock_across_processes = true;
  std::atomic<int> calls{0}, right{0};
  Latch inside;
  std::vector<std::jthread> crew;
  for (int i = 0; i < 32; ++i) {
    Cache& cache = i % 2 == 0 ? *pair.a : *pair.b;
    crew.emplace_back([&] {
      const Answer answer = cache.GetOrSet(
          "k",
          [&] {
            ++calls;
            inside.Wait();
            return Loaded{"v", {}};
          },
          Soon(), &options);
      if (answer.value.Bytes() == "v") ++right;
    });
  }
  REQUIRE(Eventually([&] { return pair.a->Stats().lock_waits + pair.b->Stats().lock_waits > 2; }));
  inside.Open();
  crew.clear();
  CHECK(calls == 1);
  CHECK(right == 32);
}

/// A load under a lock that ends when it is told to.
struct HeldLoad {
  HeldLoad(Cache& cache, const EntryOptions& options, const std::string& value)
      : thread([this, &cache, options, value] {
          const Loader loader = [this, &value] {
            began.Open();
            end.Wait();
            return Loaded{value, {}};
          };
          cache.GetOrSet("k", loader, Soon(), &options);
        }) {
    REQUIRE(began.Wait());
  }
  ~HeldLoad() { end.Open(); }
  void End() {
    end.Open();
    thread.join();
  }
  Latch began, end;
  std::jthread thread;
};

TEST_CASE("a lock is renewed while its load takes longer than its TTL, then let go of") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.lock_across_processes = true;
  options.lock_ttl = 600ms;
  HeldLoad load(*pair.a, options, "v");
  std::atomic<int> calls{0};
  std::jthread other([&] {
    const Loader second = [&] {
      ++calls;
      return Loaded{"second", {}};
    };
    CHECK(pair.b->GetOrSet("k", second, Soon(), &options).value.Bytes() == "v");
  });
  // Longer than its TTL.
  CHECK(Eventually([&] { return pair.tier_a->Renewed() >= 4; }));
  CHECK(pair.b->Stats().lock_waits > 0);
  load.End();
  other.join();
  CHECK(calls == 0);
  CHECK(pair.tier_a->RenewalsRefused() == 0);
  // Let go of: others need not wait for the TTL.
  CHECK(Eventually([&] { return !pair.server.Locked("k"); }));
}

TEST_CASE("a lock that was lost is not renewed again, and its load gives way to who has it now") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.lock_across_processes = true;
  options.lock_ttl = 60ms;
  HeldLoad load(*pair.a, options, "old");
  pair.server.LoseLock("k");
  const Answer answer = pair.b->GetOrSet("k", Gives("new"), Soon(), &options);
  CHECK(answer.value.Bytes() == "new");
  REQUIRE(Eventually([&] { return pair.b->Stats().repair_pending == 0; }));
  CHECK(Eventually([&] { return pair.tier_a->RenewalsRefused() == 1; }));
  load.End();
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.tier_a->RenewalsRefused() == 1);
  CHECK(DecodeFrame("k", *pair.server.Raw("k"), 1000)->bytes == "new");
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "new");
}

TEST_CASE("a value loaded under a lock that ran out is not written over a newer one") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.lock_across_processes = true;
  options.lock_ttl = 1ms;
  Latch began, end;
  std::jthread slow([&] {
    pair.a->GetOrSet(
        "k",
        [&] {
          began.Open();
          end.Wait();
          return Loaded{"old", {}};
        },
        Soon(), &options);
  });
  REQUIRE(began.Wait());
  CHECK(pair.b->GetOrSet("k", Gives("new"), Soon(), &options).value.Bytes() == "new");
  REQUIRE(Eventually([&] { return pair.b->Stats().repair_pending == 0; }));
  end.Open();
  slow.join();
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(DecodeFrame("k", *pair.server.Raw("k"), 1000)->bytes == "new");
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "new");
}

TEST_CASE("a tier that is away: no error, no wait, and its values repaired, the newest winning") {
  Pair pair;
  pair.a->Set("set", "1", Soon());
  pair.a->Set("removed", "1", Soon());
  pair.a->Set("loaded", "1", Soon());
  pair.tier_a->SetDown(true);
  CHECK(pair.a->Set("set", "2", Soon()).tier == Written::Tier::kPending);
  CHECK(pair.a->Set("set", "3", Soon()).memory);
  pair.a->Remove("removed", Soon());
  CHECK(pair.a->GetOrSet("loaded", Gives("2"), Soon()).value.Bytes() == "2");
  CHECK(pair.a->Get("set", Soon()).value.Bytes() == "3");
  CHECK(pair.a->Get("removed", Soon()).status == AnswerStatus::kAbsent);
  CHECK(pair.a->Stats().repair_pending == 3);
  pair.tier_a->SetDown(false);
  // Memory was emptied: what waits to be repaired is not read from the tier meanwhile.
  CHECK(pair.a->Get("set", Soon()).value.Bytes() == "3");
  CHECK(pair.a->Get("removed", Soon()).status == AnswerStatus::kAbsent);
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.b->Get("set", Soon()).value.Bytes() == "3");
  CHECK(pair.b->Get("removed", Soon()).status == AnswerStatus::kAbsent);
  CHECK(pair.b->Get("loaded", Soon()).status == AnswerStatus::kAbsent);  // Not the old one.
  CHECK(pair.a->Stats().repaired >= 2);
}

TEST_CASE("bug 9: more to repair than is remembered voids the whole tier, once it is back") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.tier.repair_entries = 4;
  FakeServer server(time);
  const auto tier_a = std::make_shared<FakeTier>(server);
  const auto tier_b = std::make_shared<FakeTier>(server);
  Cache a(options, tier_a), b(options, tier_b);
  for (int i = 0; i < 10; ++i) a.Set(std::to_string(i), "old", Soon());
  tier_a->SetDown(true);
  for (int i = 0; i < 10; ++i) a.Remove(std::to_string(i), Soon());
  CHECK(a.Stats().repair_pending <= 5);
  CHECK(a.Stats().repair_dropped > 0);
  tier_a->SetDown(false);
  for (int i = 0; i < 10; ++i) CHECK_FALSE(a.Get(std::to_string(i), Soon()).Found());
  REQUIRE(Eventually([&] { return a.Stats().repair_pending == 0; }));
  for (int i = 0; i < 10; ++i) {
    CHECK(Eventually([&] { return !b.Get(std::to_string(i), Soon()).Found(); }));
  }
  a.Set("1", "new", Soon());
  CHECK(b.Get("1", Soon()).value.Bytes() == "new");
}

TEST_CASE("writes beyond the bytes for repair become removals") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.tier.repair_bytes = 1000;
  FakeServer server(time);
  const auto tier = std::make_shared<FakeTier>(server);
  const auto other = std::make_shared<FakeTier>(server);
  Cache a(options, tier), b(options, other);
  a.Set("big", "old", Soon());
  tier->SetDown(true);
  a.Set("big", std::string(2000, 'x'), Soon());
  tier->SetDown(false);
  REQUIRE(Eventually([&] { return a.Stats().repair_pending == 0; }));
  CHECK(b.Get("big", Soon()).status == AnswerStatus::kAbsent);
}

TEST_CASE("a tier that loses, delays, reorders and fails: the last write stands in the end") {
  Pair pair;
  CacheOptions options = Plain(pair.time);
  options.tier.hard_timeout = 3ms;
  options.tier.soft_timeout = 1ms;
  Cache cache(options, pair.tier_a);
  pair.tier_a->SetTroubles({0.2, 0.2, 0.1, 5ms});
  for (int i = 0; i < 200; ++i) cache.Set("k", std::to_string(i), Soon());
  pair.tier_a->SetTroubles({});
  REQUIRE(Eventually([&] { return cache.Stats().repair_pending == 0; }));
  CHECK(Eventually([&] {
    const auto raw = pair.server.Raw("k");
    return raw && DecodeFrame("k", *raw, 1000)->bytes == "199";
  }));
}

TEST_CASE("past the soft timeout an old value serves, past the hard one it is a miss") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.tier.soft_timeout = 5ms;
  options.tier.hard_timeout = 400ms;  // far from the other, where both come late
  options.entry.ttl = 10s;
  options.entry.stale_if_error = 100s;
  FakeServer server(time);
  const auto tier = std::make_shared<FakeTier>(server);
  Cache cache(options, tier);
  cache.Set("k", "old", Soon());
  time.Advance(11s);
  tier->HoldGets(true);
  tier->HoldReports(true);
  std::atomic<int> calls{0};
  const Loader loader = [&] {
    ++calls;
    return Loaded{"new", {}};
  };
  const Answer answer = cache.GetOrSet("k", loader, Soon());
  CHECK(answer.value.Bytes() == "old");
  CHECK(answer.stale);
  CHECK(Eventually([&] { return cache.Peek("k").value.Bytes() == "new"; }));  // In the background.
  CHECK(cache.GetOrSet("k", loader, Soon()).from == AnswerFrom::kMemory);
  CHECK(calls == 1);
  // What the tier held was replaced unseen: "new" goes once more when we are told of that.
  tier->HoldReports(false);
  CHECK(Eventually([&] { return !cache.Peek("k").Found(); }));
  CHECK(cache.GetOrSet("k", loader, Soon()).value.Bytes() == "new");
  CHECK(calls == 2);
  CHECK(cache.GetOrSet("other", Gives("x"), Soon()).value.Bytes() == "x");
  CHECK(cache.Get("third", Soon()).status == AnswerStatus::kAbsent);
  CHECK(cache.Stats().tier_errors >= 3);
  tier->HoldGets(false);
}

TEST_CASE(
    "a write that takes place after a prefix was removed: what it brings back is not believed") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.tier.hard_timeout = 20ms;
  FakeServer server(time);
  const auto tier = std::make_shared<FakeTier>(server);
  Cache cache(options, tier);
  tier->HoldNextSet();
  REQUIRE(cache.GetOrSet("k1", Gives("old"), Soon()).value.Bytes() == "old");
  // Given up, and written by the next attempt.
  REQUIRE(Eventually([&] { return cache.Stats().repaired == 1; }));
  cache.RemovePrefix("k", Soon());
  CHECK(Eventually([&] { return cache.Stats().repair_pending == 0; }));
  tier->ReleaseSets();
  CHECK(cache.Get("k1", Soon()).status == AnswerStatus::kAbsent);
  CHECK(cache.GetOrSet("k1", Gives("new"), Soon()).value.Bytes() == "new");
}

TEST_CASE("a write that was on its way when its prefix was removed is refused by the removal") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.tier.hard_timeout = 20ms;
  FakeServer server(time);
  const auto tier = std::make_shared<FakeTier>(server);
  Cache cache(options, tier);
  tier->HoldNextSet();
  cache.Set("k1", "old", In(1ms));
  cache.RemovePrefix("k", Soon());
  REQUIRE(Eventually([&] { return cache.Stats().repair_pending == 0; }));
  tier->ReleaseSets();
  CHECK(cache.Get("k1", Soon()).status == AnswerStatus::kAbsent);
}

TEST_CASE("an old value of the tier: served while it is renewed, or when the loader fails") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.ttl = 10s;
  options.stale_while_revalidate = 10s;
  options.stale_if_error = 100s;
  pair.a->Set("k", "old", Soon(), &options);
  pair.time.Advance(11s);
  const Answer renewed = pair.b->GetOrSet("k", Gives("new"), Soon(), &options);
  CHECK(renewed.value.Bytes() == "old");
  CHECK(renewed.stale);
  CHECK(Eventually([&] { return pair.b->Peek("k").value.Bytes() == "new"; }));
  REQUIRE(Eventually([&] { return pair.b->Stats().repair_pending == 0; }));
  pair.time.Advance(25s);
  CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
  const Answer rescued = pair.a->GetOrSet("k", Fails(), Soon(), &options);
  CHECK(rescued.value.Bytes() == "new");
  CHECK(rescued.stale);
}

TEST_CASE("while invalidations do not arrive memory believes nothing for long, and starts afresh") {
  Pair pair;
  pair.a->Set("k", "1", Soon());
  CHECK(pair.b->Get("k", Soon()).Found());
  pair.tier_b->SetCoherent(false);
  CHECK_FALSE(pair.b->Peek("k").Found());
  CHECK(pair.b->Get("k", Soon()).from == AnswerFrom::kTier);
  CHECK(pair.b->Peek("k").Found());
  pair.a->Set("k", "2", Soon());
  pair.time.Advance(200ms);
  CHECK(pair.b->Get("k", Soon()).value.Bytes() == "2");
  pair.tier_b->SetCoherent(true);
  CHECK_FALSE(pair.b->Peek("k").Found());
  CHECK(pair.b->Stats().flushes == 2);
}

TEST_CASE("a tier that reports our own writes costs a get, no value") {
  Pair pair;
  pair.tier_a->TellOwnWrites(true);
  pair.a->Set("k", "v", Soon());
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "v");
  CHECK(pair.a->Get("k", Soon()).from == AnswerFrom::kMemory);
}

TEST_CASE("an entry for memory only does not reach the tier, and takes the old one away there") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.second_tier = false;
  pair.a->Set("k", "shared", Soon());
  pair.a->Set("k", "own", Soon(), &options);
  CHECK(pair.b->Get("k", Soon()).status == AnswerStatus::kAbsent);
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "own");
}

TEST_CASE("compression: what is in the tier is small, what comes out is whole") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.compression.codec = Codec::kZstd;
  FakeServer server(time);
  const auto tier = std::make_shared<FakeTier>(server);
  const auto other = std::make_shared<FakeTier>(server);
  Cache a(options, tier), b(Plain(time), other);
  a.Set("k", std::string(100'000, 'z'), Soon());
  CHECK(server.Raw("k")->size() < 1000);
  CHECK(b.Get("k", Soon()).value.Bytes() == std::string(100'000, 'z'));
  CHECK(a.Stats().frame_bytes < a.Stats().raw_bytes / 10);
}

}  // namespace
}  // namespace perf::cache::test
