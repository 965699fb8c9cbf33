// SPDX-License-Identifier: Apache-2.0
// Races between loads and invalidations: the bugs of other caches, by number (1, 2, 3, 11, 13).
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libperf/cache/frame.hpp"
#include "tests/cache/front_support.hpp"

namespace perf::cache::test {
namespace {

EntryOptions Tagged(const Cache& cache) {
  EntryOptions options = cache.Defaults();
  options.tags = {"tag"};
  return options;
}

/// A get_or_set whose loader has begun, and waits.
class SlowLoad {
 public:
  SlowLoad(Cache& cache, const EntryOptions& options)
      : thread_([this, &cache, options] {
          answer_ = cache.GetOrSet(
              "k",
              [this] {
                began_.Open();
                end_.Wait();
                return Loaded{"old", {}};
              },
              Soon(), &options);
        }) {
    REQUIRE(began_.Wait());
  }
  Answer End() {
    end_.Open();
    thread_.join();
    return answer_;
  }

 private:
  Latch began_, end_;
  Answer answer_;
  std::jthread thread_;
};

/// While a load runs `act` happens: its value must be seen by nobody who comes later.
void Overtakes(const std::function<void(Pair&)>& act, bool own) {
  Pair pair;
  const EntryOptions options = Tagged(*pair.a);
  SlowLoad load(*pair.a, options);
  act(pair);
  // Who asks now must not be given the load that is under way...
  const auto second = [&] { return pair.a->GetOrSet("k", Gives("new"), Soon(), &options); };
  if (own) CHECK(second().value.Bytes() != "old");
  CHECK(load.End().value.Bytes() == "old");
  // ...nor find it later, here or elsewhere; of others' tags a cache asks when it is told of them.
  const auto later = [&] { return second().value.Bytes() != "old"; };
  CHECK((own ? later() : Eventually(later)));
  CHECK(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.b->GetOrSet("k", Gives("newer"), Soon(), &options).value.Bytes() != "old");
}

TEST_CASE("bug 1: a tag invalidated during a load wins") {
  Overtakes([](Pair& pair) { pair.a->InvalidateTag("tag", Soon()); }, true);
}

TEST_CASE("bug 1: by another process") {
  Overtakes(
      [](Pair& pair) {
        const auto before = pair.a->Stats().foreign_tags;
        pair.b->InvalidateTag("tag", Soon());
        REQUIRE(Eventually([&] { return pair.a->Stats().foreign_tags > before; }));
      },
      false);
}

TEST_CASE("bug 1: a tag invalidated during a load in the background wins") {
  Pair pair;
  EntryOptions options = Tagged(*pair.a);
  options.ttl = 100s;
  options.eager_at = 0.5;
  pair.a->Set("k", "first", Soon(), &options);
  pair.time.Advance(60s);
  Latch began, end;
  const Answer early = pair.a->GetOrSet(
      "k",
      [&] {
        began.Open();
        end.Wait();
        return Loaded{"old", {}};
      },
      Soon(), &options);
  CHECK(early.value.Bytes() == "first");
  REQUIRE(began.Wait());
  pair.a->InvalidateTag("tag", Soon());
  end.Open();
  REQUIRE(Eventually([&] { return pair.a->Stats().loads == 1; }));
  CHECK(pair.a->GetOrSet("k", Gives("new"), Soon(), &options).value.Bytes() == "new");
}

TEST_CASE("bug 2: a key removed during a load stays removed") {
  Overtakes([](Pair& pair) { pair.a->Remove("k", Soon()); }, true);
}

TEST_CASE("bug 2: removed by another process, told by an invalidation") {
  Overtakes(
      [](Pair& pair) {
        pair.b->Remove("k", Soon());
        REQUIRE(Eventually([&] { return pair.a->Stats().foreign_keys > 0; }));
      },
      true);
}

TEST_CASE("bug 2: removed by another process, and the invalidation is lost") {
  Pair pair;
  SlowLoad load(*pair.a, pair.a->Defaults());
  pair.tier_a->SetCoherent(false);
  pair.b->Remove("k", Soon());
  load.End();
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.b->Get("k", Soon()).status == AnswerStatus::kAbsent);
  pair.time.Advance(200ms);
  CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
}

TEST_CASE("bug 2: removed by another process, while what we load replaces that unseen") {
  Pair pair;
  EntryOptions options = pair.a->Defaults();
  options.ttl = 1s;
  // A write of ours is under way for so long that its value is of no use any more: the next load
  // does not ask the tier, whose value is older, and removes what is there.
  pair.tier_a->HoldNextSet();
  CHECK(pair.a->Set("k", "first", In(1ms), &options).tier == Written::Tier::kPending);
  pair.time.Advance(2s);
  SlowLoad load(*pair.a, pair.a->Defaults());
  pair.tier_a->HoldReports(true);
  CHECK(pair.b->Remove("k", Soon()).tier == Written::Tier::kWritten);
  CHECK(load.End().value.Bytes() == "old");
  pair.tier_a->ReleaseSets();
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  pair.tier_a->HoldReports(false);
  CHECK(pair.a->GetOrSet("k", Gives("new"), Soon()).value.Bytes() == "new");
}

TEST_CASE("bug 2: removed by another process, while what we loaded waits for the tier") {
  Pair pair;
  pair.tier_a->HoldNextSet();
  CHECK(pair.a->GetOrSet("k", Gives("old"), Soon()).value.Bytes() == "old");
  REQUIRE(Eventually([&] { return pair.tier_a->HoldsSet(); }));
  CHECK(pair.b->Set("k", "new", Soon()).tier == Written::Tier::kWritten);
  REQUIRE(Eventually([&] { return pair.a->Stats().foreign_keys > 0; }));
  // What waits will be refused, and is older: the tier knows.
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "new");
  pair.tier_a->ReleaseSets();
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.a->Stats().tier_write_refused == 1);
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "new");
}

TEST_CASE("bug 13: a write that waits, and is refused in the end, does not stay in memory") {
  Pair pair;
  pair.tier_a->SetTroubles({.fail = 1});
  CHECK(pair.a->Set("k", "older", Soon()).tier == Written::Tier::kPending);
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "older");  // not known to be so yet
  CHECK(pair.b->Set("k", "newer", Soon()).tier == Written::Tier::kWritten);
  REQUIRE(Eventually([&] { return pair.a->Stats().foreign_keys > 0; }));
  // Which of the two is newer only the tier can tell, and it does not answer.
  CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
  pair.tier_a->SetTroubles({});
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.a->Stats().tier_write_refused == 1);
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "newer");
}

TEST_CASE("bug 13: the same, when others' writes were not told meanwhile") {
  Pair pair;
  REQUIRE(pair.b->GetOrSet("other", Gives("x"), Soon()).Found());  // the tier has the cache's tag
  const Loader load = [&] {
    pair.tier_a->SetTroubles({.fail = 1});  // of the write, which comes next
    return Loaded{"older", {}};
  };
  CHECK(pair.a->GetOrSet("k", load, Soon()).Found());
  pair.tier_a->SetCoherent(false);
  CHECK(pair.b->Set("k", "newer", Soon()).tier == Written::Tier::kWritten);
  pair.tier_a->SetCoherent(true);
  CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
  pair.tier_a->SetTroubles({});
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "newer");
}

TEST_CASE("a write on its way that is the newest after all: memory follows the tier") {
  Pair pair;
  pair.tier_a->HoldNextSet();
  CHECK(pair.a->Set("k", "ours", In(1ms)).tier == Written::Tier::kPending);
  REQUIRE(Eventually([&] { return pair.tier_a->HoldsSet(); }));
  pair.tier_a->Notify({"k"}, {});  // of what somebody wrote before
  CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
  pair.tier_a->ReleaseSets();
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "ours");
  CHECK(pair.b->Get("k", Soon()).value.Bytes() == "ours");
}

TEST_CASE("bug 6: a write that waits does not win over a later one because its clock is ahead") {
  FakeTime ahead, time;
  ahead.StepWall(std::chrono::hours(1));
  FakeServer server(time);
  const auto tier_a = std::make_shared<FakeTier>(server, 1);
  const auto tier_b = std::make_shared<FakeTier>(server, 2);
  Cache a(Plain(ahead), tier_a), b(Plain(time), tier_b);
  tier_a->SetTroubles({.fail = 1});
  CHECK(a.Set("k", "older", Soon()).tier == Written::Tier::kPending);
  CHECK(b.Set("k", "newer", Soon()).tier == Written::Tier::kWritten);
  REQUIRE(Eventually([&] { return a.Stats().foreign_keys > 0; }));
  tier_a->SetTroubles({});
  REQUIRE(Eventually([&] { return a.Stats().repair_pending == 0; }));
  for (Cache* cache : {&a, &b}) {
    CHECK(cache->Get("k", Soon()).value.Bytes() != "older");
    CHECK(cache->GetOrSet("k", Gives("newer"), Soon()).value.Bytes() == "newer");
  }
}

TEST_CASE("memory is not believed while who tells of others' writes is kept from running") {
  Pair pair;
  pair.a->Set("k", "old", Soon());
  CHECK(pair.a->Peek("k").Found());
  pair.tier_a->FallBehind();
  CHECK(pair.b->Set("k", "new", Soon()).tier == Written::Tier::kWritten);
  CHECK_FALSE(pair.a->Peek("k").Found());
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "new");
  CHECK(pair.b->Remove("k", Soon()).tier == Written::Tier::kWritten);
  CHECK(pair.a->GetOrSet("k", Gives("newer"), Soon()).value.Bytes() == "newer");
}

TEST_CASE("nor is what was known of tags, for longer than without invalidations") {
  Pair pair;
  const EntryOptions options = Tagged(*pair.a);
  pair.a->Set("k", "old", Soon(), &options);
  pair.tier_a->FallBehind();
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "old");
  CHECK(pair.b->InvalidateTag("tag", Soon()).tier == Written::Tier::kWritten);
  pair.time.Advance(pair.a->Options().tier.incoherent_ttl);
  CHECK(pair.a->Get("k", Soon()).status == AnswerStatus::kAbsent);
}

TEST_CASE("prefix and clear during a load win") {
  Overtakes([](Pair& pair) { pair.a->RemovePrefix("", Soon()); }, true);
  Overtakes([](Pair& pair) { pair.a->Clear(Soon()); }, true);
}

TEST_CASE("bug 13: a value set during a load is not replaced by it") {
  Pair pair;
  SlowLoad load(*pair.a, pair.a->Defaults());
  pair.a->Set("k", "set", Soon());
  load.End();
  CHECK(pair.a->Get("k", Soon()).value.Bytes() == "set");
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.b->Get("k", Soon()).value.Bytes() == "set");
}

TEST_CASE("a value fetched from the tier is overtaken like a load") {
  Pair pair;
  pair.b->Set("k", "old", Soon());
  pair.tier_a->HoldGets(true);
  Answer first;
  std::jthread reader([&] { first = pair.a->Get("k", Soon()); });
  REQUIRE(Eventually([&] { return pair.tier_a->Held() == 1; }));
  pair.a->Remove("k", Soon());
  pair.tier_a->HoldGets(false);
  reader.join();
  CHECK_FALSE(pair.a->Peek("k").Found());
}

TEST_CASE("bug 3: a generation that is lost and read again voids nothing that is newer") {
  Pair pair;
  const EntryOptions options = Tagged(*pair.a);
  pair.a->Set("old", "v", Soon(), &options);
  CHECK(pair.b->Get("old", Soon()).Found());
  pair.a->InvalidateTag("tag", Soon());
  CHECK(Eventually([&] { return !pair.b->Peek("old").Found(); }));
  pair.b->Set("new", "v", Soon(), &options);
  const auto generation = pair.server.Generation("tag");
  for (int i = 0; i < 3; ++i) {
    const auto before = pair.b->Stats().foreign_tags;
    pair.server.LoseTag("tag");
    REQUIRE(Eventually([&] { return pair.b->Stats().foreign_tags > before; }));
    CHECK(Eventually([&] { return pair.server.Generation("tag") == generation; }));
    CHECK(pair.a->Get("new", Soon()).Found());
    CHECK(pair.b->Peek("new").Found());
    CHECK_FALSE(pair.a->Get("old", Soon()).Found());
    CHECK_FALSE(pair.b->Get("old", Soon()).Found());
  }
}

TEST_CASE("a tag invalidated while the tier is away is so in the tier when it is back") {
  Pair pair;
  const EntryOptions options = Tagged(*pair.a);
  pair.a->Set("k", "old", Soon(), &options);
  CHECK(pair.b->Get("k", Soon()).Found());
  pair.tier_a->SetDown(true);
  CHECK(pair.a->InvalidateTag("tag", Soon()).tier == Written::Tier::kPending);
  CHECK_FALSE(pair.a->Get("k", Soon()).Found());
  pair.tier_a->SetDown(false);
  CHECK_FALSE(pair.a->Get("k", Soon()).Found());
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK_FALSE(pair.a->Get("k", Soon()).Found());
  CHECK(Eventually([&] { return !pair.b->Get("k", Soon()).Found(); }));
}

TEST_CASE("a set that waits for the tier is void when its tag or prefix is invalidated, or all") {
  const std::function<void(Cache&)> acts[] = {
      [](Cache& cache) { cache.InvalidateTag("tag", Soon()); },
      [](Cache& cache) { cache.RemovePrefix("k", Soon()); },
      [](Cache& cache) { cache.Clear(Soon()); }};
  for (const auto& act : acts) {
    Pair pair;
    const EntryOptions options = Tagged(*pair.a);
    pair.tier_a->SetDown(true);
    pair.a->Set("k", "old", Soon(), &options);
    act(*pair.a);
    CHECK_FALSE(pair.a->Get("k", Soon()).Found());
    pair.tier_a->SetDown(false);
    REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
    CHECK_FALSE(pair.a->Get("k", Soon()).Found());
    CHECK_FALSE(pair.b->Get("k", Soon()).Found());
  }
}

TEST_CASE("an old value is no help after a removal: fail-safe does not bring it back") {
  FakeTime time;
  CacheOptions plain = Plain(time);
  plain.entry.ttl = 10s;
  plain.entry.stale_if_error = 100s;
  plain.entry.tags = {"tag"};
  for (const bool by_tag : {false, true}) {
    Cache cache(plain);
    cache.Set("k", "old", Soon());
    time.Advance(11s);
    if (by_tag) {
      cache.InvalidateTag("tag", Soon());
    } else {
      cache.Remove("k", Soon());
    }
    CHECK(cache.GetOrSet("k", Fails(), Soon()).status == AnswerStatus::kError);
  }
}

TEST_CASE("bug 11: 64 threads against clear: a value or an error, never nothing") {
  FakeTime time;
  Cache cache(Plain(time));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, right{0}, errors{0};
  std::vector<std::jthread> crew;
  for (int i = 0; i < 64; ++i) {
    crew.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const std::string key = std::to_string(round % 3);
        const bool fails = (i + round) % 7 == 0;
        const Answer answer = cache.GetOrSet(key, fails ? Fails() : Gives("value " + key), Soon());
        if (answer.Found() && answer.value.Bytes() == "value " + key) {
          ++right;
        } else if (answer.status == AnswerStatus::kError && answer.error) {
          ++errors;
        } else {
          ++wrong;
        }
      }
    });
  }
  std::jthread clearer([&] {
    while (!stop) cache.Clear(Soon());
  });
  crew.clear();
  stop = true;
  clearer.join();
  CHECK(wrong == 0);
  CHECK(right + errors == 64 * 200);
}

}  // namespace
}  // namespace perf::cache::test
