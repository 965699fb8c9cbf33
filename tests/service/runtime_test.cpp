// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/runtime.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/service/client.hpp"
#include "libperf/service/optimize.hpp"
#include "libperf/service/run_directory.hpp"
#include "libperf/service/status_rows.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

Deadline In(Duration length) { return Deadline::After(Clock::now(), length); }

/// What a program has that embeds the runtime.
struct Embedding {
  explicit Embedding(const test::ScratchDir& scratch) : runtime(OptionsIn(scratch)) {
    caches.Add("sessions");
    runtime.Attach(caches);
    runtime.Attach(streams);
    runtime.Start();
  }
  static RuntimeOptions OptionsIn(const test::ScratchDir& scratch) {
    RuntimeOptions options;
    options.name = "embedded";
    options.run_directory = scratch / "run";
    options.audit = scratch / "audit.jsonl";
    options.sample_every = 20ms;
    return options;
  }
  static cache::CacheConfig NoRedis() {
    cache::CacheConfig config;
    config.redis_enabled = false;
    return config;
  }
  Answer Get(const std::string& target) {
    return Ask({.socket = runtime.Socket(), .target = target}, In(20s));
  }
  Answer Post(const std::string& body) {
    return Ask({.socket = runtime.Socket(),
                .method = "POST",
                .target = "/performance/optimize",
                .body = body},
               In(20s));
  }

  cache::CacheManager caches{NoRedis()};
  audio::AudioMemoryOptimizer streams;
  Runtime runtime;
};

TEST_CASE("runtime: a program that embeds it is found with its own caches and streams") {
  const test::ScratchDir scratch;
  Embedding program(scratch);
  const auto found = AskAll({scratch / "run"}, "/performance/overview", In(20s));
  REQUIRE(found.size() == 1);
  const auto status = report::StatusDocument::FromJson(Json::Parse(found[0].answer.body));
  REQUIRE(status.agents.size() == 1);
  CHECK(status.agents[0].name == "embedded");
  CHECK(status.agents[0].kind == "program");
  CHECK(status.agents[0].pid == ::getpid());
  std::vector<std::string> rows;
  for (const auto& row : status.rows) rows.push_back(row.area + " " + row.name);
  CHECK(rows == std::vector<std::string>{"caches sessions", "audio streams"});
  CHECK(status.Overall() == report::StatusState::kOk);
  const Json caches = Json::Parse(program.Get("/performance/caches").body);
  CHECK(caches.AtPointer("/caches/sessions/entries")->AsInt() == 0);
  CHECK(program.Get("/metrics").body.find("perfkit_cache_entries{cache=\"sessions\"") !=
        std::string::npos);
  CHECK(program.Get("/health/ready").status == 200);
  CHECK(program.Get("/nothing").status == 404);
}

TEST_CASE("runtime: an action evicts what has expired, and says what was there before and after") {
  const test::ScratchDir scratch;
  Embedding program(scratch);
  cache::Cache& cache = program.caches.Get("sessions");
  cache::EntryOptions brief = cache.Defaults();
  brief.ttl = 1ms;
  cache.Set("old", "1", In(1s), &brief);
  cache.Set("new", "2", In(1s));
  // Not to be had any more is expired; its memory is still taken.
  while (cache.Peek("old").Found()) std::this_thread::yield();
  const Json dry = Json::Parse(program.Post(R"({"action":"evict_expired","dry_run":true})").body);
  CHECK(dry.AtPointer("/results/0/before/entries")->AsInt() == 2);
  CHECK(dry.AtPointer("/results/0/after")->IsNull());
  const Json done = Json::Parse(program.Post(R"({"action":"evict_expired"})").body);
  CHECK(done.AtPointer("/results/0/target")->AsString() == "sessions");
  CHECK(done.AtPointer("/results/0/before/entries")->AsInt() == 2);
  CHECK(done.AtPointer("/results/0/after/entries")->AsInt() == 1);
}

TEST_CASE("runtime: a change that lasts keeps nobody from reading; a second one is refused") {
  const test::ScratchDir scratch;
  Embedding program(scratch);
  std::promise<void> begun, end;
  program.caches.Get("sessions").RegisterWarmFunction("*", [&](std::string_view) {
    begun.set_value();
    end.get_future().wait();
    return cache::Loaded{};
  });
  Answer first;
  std::thread changer([&] {
    first = program.Post(R"({"action":"warm_caches","target":"sessions","keys":["k"]})");
  });
  begun.get_future().wait();
  CHECK(program.Post(R"({"action":"trim_audio"})").status == 409);
  CHECK(program.Get("/health/live").status == 200);
  end.set_value();
  changer.join();
  CHECK(first.status == 200);
  CHECK(program.Post(R"({"action":"trim_audio"})").status == 200);
}

TEST_CASE("runtime: its socket keeps its name as long as samples tell it") {
  const test::ScratchDir scratch;
  std::atomic<bool> inside{false}, stopping{false}, there{true};
  Runtime runtime(Embedding::OptionsIn(scratch));
  runtime.OnSample([&](WallTime, TimePoint) {
    if (!stopping.load()) return;
    inside = true;
    // Long enough for whoever stops it to come by, were it not to wait.
    const TimePoint until = Clock::now() + 300ms;
    while (there && Clock::now() < until) {
      there = !RunDirectory::SocketsIn(scratch / "run").empty();
    }
    stopping = false;
  });
  runtime.Start();
  stopping = true;
  while (!inside) std::this_thread::yield();
  CHECK(runtime.Stop(In(20s)));
  CHECK(there);
  CHECK(RunDirectory::SocketsIn(scratch / "run").empty());
}

/// Takes a variable out of the environment meanwhile.
class Without {
 public:
  explicit Without(const char* name) : name_(name) {
    if (const char* value = std::getenv(name)) before_ = value;
    ::unsetenv(name);
  }
  ~Without() {
    if (before_) ::setenv(name_, before_->c_str(), 1);
  }
  Without(const Without&) = delete;
  Without& operator=(const Without&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST_CASE("runtime: without a home the audit log stands where nobody else can get") {
  const test::ScratchDir scratch;
  const Without state("XDG_STATE_HOME"), home("HOME");
  RuntimeOptions options = Embedding::OptionsIn(scratch);
  options.audit.clear();
  const Runtime runtime(options);
  CHECK(std::filesystem::exists(scratch / "run/audit.jsonl"));
}

TEST_CASE("runtime: what observers throw makes it unready, and is told") {
  const test::ScratchDir scratch;
  Runtime runtime(Embedding::OptionsIn(scratch));
  std::atomic<bool> broken{true};
  runtime.OnSample([&](WallTime, TimePoint) {
    if (broken) throw Error("the disk is full");
  });
  runtime.Start();
  const auto ready = [&] {
    return Ask({.socket = runtime.Socket(), .target = "/health/ready"}, In(20s));
  };
  CHECK(ready().status == 503);
  CHECK(ready().body.find("the disk is full") != std::string::npos);
  CHECK(Ask({.socket = runtime.Socket(), .target = "/health/live"}, In(20s)).status == 200);
  broken = false;
  while (ready().status != 200) std::this_thread::yield();
}

TEST_CASE("runtime: at its end nothing is left in the run directory") {
  const test::ScratchDir scratch;
  {
    Embedding program(scratch);
    CHECK(RunDirectory::SocketsIn(scratch / "run").size() == 1);
    CHECK(program.runtime.Stop(In(20s)));
  }
  CHECK(RunDirectory::SocketsIn(scratch / "run").empty());
}

Json Pool(const char* health, const char* breaker, int used, int waiting) {
  Json pool = Json::MakeObject();
  pool["max"] = 20;
  pool["in_use"] = used;
  pool["waiting"] = waiting;
  pool["health"]["status"] = health;
  pool["breaker"]["state"] = breaker;
  Json all = Json::MakeObject();
  all["pools"]["pg"] = std::move(pool);
  return all;
}

TEST_CASE("status rows: a pool is as bad as the worst of it") {
  using report::StatusState;
  struct Row {
    Json pools;
    StatusState state;
  };
  for (const Row& row : {Row{Pool("up", "closed", 5, 0), StatusState::kOk},
                         {Pool("unknown", "closed", 0, 0), StatusState::kOk},
                         {Pool("up", "closed", 18, 0), StatusState::kWarning},
                         {Pool("up", "closed", 20, 0), StatusState::kWarning},
                         {Pool("up", "closed", 20, 1), StatusState::kCritical},
                         {Pool("down", "closed", 0, 0), StatusState::kCritical},
                         {Pool("up", "open", 0, 0), StatusState::kCritical},
                         {Pool("up", "half_open", 0, 0), StatusState::kWarning}}) {
    StatusRows rows;
    const auto made = rows.Make(row.pools, Json::MakeObject(), Json::MakeObject(), TimePoint(1h));
    REQUIRE(made.size() == 1);
    CHECK(made[0].state == row.state);
  }
}

Json CacheOf(int hits, int misses) {
  Json all = Json::MakeObject();
  Json& cache = all["caches"]["c"];
  cache["l1"]["hits"] = hits;
  cache["l1"]["misses"] = misses;
  cache["l2"] = Json();
  return all;
}

TEST_CASE("status rows: a hit ratio that collapses shows within 15 s, and is forgotten after") {
  using report::StatusState;
  StatusRows rows;
  const Json none = Json::MakeObject();
  TimePoint now{1h};
  int hits = 1'000'000, misses = 0;  // a good past must not hide it
  const auto sample = [&](int more_hits, int more_misses) {
    now += 1s;
    hits += more_hits;
    misses += more_misses;
    return rows.Make(none, CacheOf(hits, misses), none, now).at(0).state;
  };
  for (int i = 0; i < 30; ++i) CHECK(sample(100, 0) == StatusState::kOk);
  int seconds = 0;
  while (sample(10, 90) == StatusState::kOk && seconds < 60) ++seconds;
  CHECK(seconds <= 14);
  seconds = 0;
  while (sample(100, 0) != StatusState::kOk && seconds < 60) ++seconds;
  CHECK(seconds <= 15);
  // A counter that begins anew is no collapse.
  hits = 0;
  misses = 0;
  CHECK(sample(0, 0) == StatusState::kOk);
  CHECK(sample(10, 80) == StatusState::kOk);  // too few to judge
}

}  // namespace
}  // namespace perf::service
