// SPDX-License-Identifier: Apache-2.0
// Caches in scenarios: what is read, what is judged, and what a step finds in an answer.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/load/cache_result.hpp"
#include "libperf/load/inspect.hpp"
#include "libperf/load/judge.hpp"
#include "libperf/load/loop_gate.hpp"
#include "libperf/load/loop_wait.hpp"
#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

Scenario WithCaches(const std::string& step, const std::string& more = "") {
  return test::Parsed(R"(
targets:
  db: {kind: postgres, url: "host=/tmp"}
  kv: {kind: redis, url: "unix:///tmp/x"}
caches:
  near: {policy: lru, entries: 10, bytes: 1MiB, ttl: 2s, jitter: 5%, stale: 3s, fail_safe: 4s}
  far: {entries: 0, bytes: 0, redis: kv, compression: {codec: zstd, threshold: 2KiB, level: 7}, lock: true,
        soft_timeout: 5ms, hard_timeout: 50ms, timeout: 1s}
load: [{flow: f, users: 1, iterations: 1}]
flows:
  f:
    - )" + step + "\n" +
                      more);
}

cache::Answer Found(const std::string& bytes, cache::AnswerFrom from) {
  cache::Answer answer;
  answer.status = cache::AnswerStatus::kFound;
  answer.from = from;
  answer.value = cache::Value(bytes);
  return answer;
}

struct Looked {
  backends::Failure failure;
  std::vector<Json> values = std::vector<Json>(8);
};

Looked Look(const std::string& more, const cache::Answer& answer) {
  const Scenario scenario = WithCaches("{cache: {cache: near, get: k}, " + more + "}");
  Looked looked;
  const TimePoint start{1h};
  looked.failure =
      Inspect(*Requests(scenario.flows[0])[0], answer, {start, {}, start + 20ms}, looked.values);
  return looked;
}

}  // namespace

TEST_CASE("caches: what a scenario says of one") {
  const Scenario scenario = WithCaches("cache: {cache: far, remove: k}");
  REQUIRE(scenario.caches.size() == 2);
  const CacheSpec& near = scenario.caches[0];
  CHECK(near.name == "near");
  CHECK(near.options.name == "near");
  CHECK(near.options.policy == "lru");
  CHECK(near.options.max_entries == 10);
  CHECK(near.options.max_bytes == 1 << 20);
  CHECK(near.options.entry.ttl == 2s);
  CHECK(near.options.entry.jitter == 0.05);
  CHECK(near.options.entry.stale_while_revalidate == 3s);
  CHECK(near.options.entry.stale_if_error == 4s);
  CHECK(!near.redis);
  const CacheSpec& far = scenario.caches[1];
  CHECK(far.options.max_entries == 0);
  CHECK(far.redis == 1U);
  CHECK(far.timeout == 1s);
  CHECK(far.options.tier.soft_timeout == 5ms);
  CHECK(far.options.tier.hard_timeout == 50ms);
  CHECK(far.options.entry.lock_across_processes);
  CHECK(far.options.compression.codec == cache::Codec::kZstd);
  CHECK(far.options.compression.threshold_bytes == 2048);
  CHECK(far.options.compression.level == 7);
  const auto& step = std::get<CacheStep>(scenario.flows[0].steps[0].action);
  CHECK(step.cache == 1);
  CHECK(step.kind == CacheStep::Kind::kRemove);
}

TEST_CASE("caches: a source is a request of its own, right behind its cache step") {
  const Scenario scenario = WithCaches(
      "{name: a, cache: {cache: near, get_or_set: k, from: {sql: {target: db, query: select 1}}}}",
      "    - {name: b, cache: {cache: near, get_or_set: k, from: {name: c, redis: {target: kv, "
      "command: PING}}}}\n");
  const auto requests = Requests(scenario.flows[0]);
  REQUIRE(requests.size() == 4);
  const std::vector<std::string> names{"a", "sql1", "b", "c"};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    CHECK(requests[i]->name == names[i]);
    CHECK(requests[i]->request_id == i);
  }
}

TEST_CASE("caches: what a look-up is expected to be") {
  const auto failed = [](const std::string& expect, const cache::Answer& answer) {
    const Looked looked = Look("expect: {" + expect + "}", answer);
    if (looked.failure) CHECK(looked.failure.kind == ErrorKind::kCheck);
    return static_cast<bool>(looked.failure);
  };
  const cache::Answer near = Found("7", cache::AnswerFrom::kMemory);
  const cache::Answer far = Found("seven", cache::AnswerFrom::kTier);
  const cache::Answer loaded = Found("{\"a\": 1}", cache::AnswerFrom::kLoader);
  const cache::Answer absent;
  CHECK(!failed("hit: true, tier: l1, value: 7", near));
  CHECK(!failed("value: \"7\"", near));
  CHECK(!failed("hit: true, tier: l2, value: seven, stale: false", far));
  CHECK(!failed("hit: false, tier: source, value: {a: 1}", loaded));
  CHECK(!failed("hit: false, value: null", absent));
  CHECK(failed("hit: false", near));
  CHECK(failed("hit: true", loaded));
  CHECK(failed("hit: true", absent));
  CHECK(failed("tier: l2", near));
  CHECK(failed("tier: l1", absent));
  CHECK(failed("stale: true", far));
  CHECK(failed("value: 8", near));
  CHECK(failed("value: 7", absent));
  CHECK(failed("value: null", near));
  CHECK(failed("time: 10ms", near));
  CHECK(!failed("time: 30ms", near));
}

TEST_CASE("caches: captures take values out of what is cached, whatever it is") {
  const Looked rows = Look("capture: {name: /rows/0/name}",
                           Found(R"({"rows":[{"name":"Ada"}]})", cache::AnswerFrom::kMemory));
  CHECK(!rows.failure);
  CHECK(rows.values[0] == Json("Ada"));
  const Looked text = Look("capture: {all: \"\"}", Found("007", cache::AnswerFrom::kMemory));
  CHECK(text.values[0] == Json("007"));
  const Looked part =
      Look("capture: {n: {regex: \"v(\\\\d+)\"}}", Found("v42", cache::AnswerFrom::kTier));
  CHECK(part.values[0] == Json("42"));
  CHECK(Look("capture: {all: \"\"}", cache::Answer()).failure.kind == ErrorKind::kCheck);
}

TEST_CASE("caches: what is kept of a source") {
  backends::HttpReply http;
  http.status = 200;
  http.body = "page";
  CHECK(SourceValue(http) == "page");
  http.status = 404;
  CHECK(!SourceValue(http));
  backends::RedisReply redis;
  CHECK(!SourceValue(redis));
  redis.value = Json("text");
  CHECK(SourceValue(redis) == "text");
  redis.value = Json(Json::Array{1, 2});
  CHECK(SourceValue(redis) == "[1,2]");
}

TEST_CASE("caches: thresholds on what the steps saw") {
  const Scenario scenario = WithCaches("cache: {cache: near, get: k}", R"(thresholds:
  - "caches.near.hit_ratio: value >= 90%"
  - "caches.near.l1_hit_ratio: value > 0.8"
  - "caches.near.l2_hit_ratio: value == 0.5"
  - "caches.near.loads: count < 20"
  - "caches.far.hit_ratio: value > 0"
  - {expr: "caches.near.hit_ratio: value > 0.5", window: 1s}
)");
  Judge judge(scenario);
  Interval totals = Interval::For(scenario);
  REQUIRE(totals.caches.size() == 2);
  for (int second = 0; second < 2; ++second) {
    Interval interval = Interval::For(scenario);
    interval.second = second;
    interval.caches[0].lookups = 50;
    interval.caches[0].l1_hits = second == 0 ? 30 : 50;
    interval.caches[0].l2_hits = second == 0 ? 10 : 0;
    interval.caches[0].loads = 10;
    totals.Merge(interval);
    CHECK(!judge.OnSecond(interval, totals, std::chrono::seconds(second + 1)));
  }
  const auto results = judge.Results(totals, 2s);
  REQUIRE(results.size() >= 6);
  CHECK(results[0].ok);
  CHECK(*results[0].observed == 0.9);
  CHECK(results[0].unit == "fraction");
  CHECK(results[0].samples == 100);
  CHECK(!results[1].ok);
  CHECK(*results[1].observed == 0.8);
  CHECK(results[2].ok);
  CHECK(!results[3].ok);
  CHECK(*results[3].observed == 20);
  // Never asked: nothing was shown.
  CHECK(!results[4].ok);
  CHECK(!results[4].observed);
  CHECK(results[5].ok);
  CHECK(*results[5].observed == 0.8);
}

TEST_CASE("caches: ratios of a result are null where nothing was asked") {
  CacheResult result;
  result.redis = "kv";
  CHECK(result.ToJson()["hit_ratio"].IsNull());
  result.seen.lookups = 10;
  result.seen.l1_hits = 10;
  CHECK(*result.HitRatio() == 1);
  CHECK(!result.L2HitRatio());
  result.seen.l1_hits = 6;
  result.seen.l2_hits = 2;
  CHECK(*result.L2HitRatio() == 0.5);
  result.redis.clear();
  CHECK(!result.L2HitRatio());
  CHECK(result.ToJson()["l2"].IsNull());
}

TEST_CASE("loop gate: what comes from other threads runs on the loop, until it is closed") {
  backends::EventLoop loop;
  LoopGate gate(loop);
  std::thread::id ran;
  std::thread other([&] {
    gate.Post([&] {
      ran = std::this_thread::get_id();
      loop.Stop();
    });
  });
  loop.Run();
  other.join();
  CHECK(ran == std::this_thread::get_id());
  // Dropped, and whoever waits for it learns so by its destruction: before and after the closing.
  const auto token = std::make_shared<int>(1);
  bool late = false;
  gate.Post([&late, token] { late = true; });
  CHECK(token.use_count() == 2);
  gate.Close();
  CHECK(token.use_count() == 1);
  gate.Post([&late, token] { late = true; });
  CHECK(token.use_count() == 1);
  CHECK(!late);
}

namespace {

using Wait = LoopWait<std::string>;

Task<void> Await(std::shared_ptr<Wait> wait, std::optional<std::string>& answer,
                 backends::EventLoop& loop) {
  answer = co_await wait->Answer();
  loop.Stop();
}

}  // namespace

TEST_CASE("loop wait: an answer before, an answer later, none in time, none for want of a loop") {
  backends::EventLoop loop;
  const auto make = [&](Duration length) {
    return std::make_shared<Wait>(loop, Deadline::After(Clock::now(), length));
  };
  std::optional<std::string> answer;
  const auto early = make(1h);
  early->Give("early");
  loop.Spawn(Await(early, answer, loop));
  loop.Run();
  CHECK(answer == "early");

  const auto later = make(1h);
  loop.Spawn(Await(later, answer, loop));
  loop.Post([later] { later->Give("later"); });
  loop.Run();
  CHECK(answer == "later");

  const auto late = make(1ms);
  loop.Spawn(Await(late, answer, loop));
  loop.Run();
  CHECK(!answer);
  late->Give("too late");  // nobody is there, and nothing happens

  answer = "old";
  loop.Spawn(Await(make(1h), answer, loop));
  loop.Post([&] { loop.CancelAll(); });
  loop.Run();
  CHECK(!answer);
}
