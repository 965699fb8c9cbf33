// SPDX-License-Identifier: Apache-2.0
// Snapshots, and warming.
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "libperf/cache/snapshot_format.hpp"
#include "tests/cache/front_support.hpp"

namespace perf::cache::test {
namespace {

struct File {
  std::string path =
      (std::filesystem::temp_directory_path() / ("perfkit-snapshot" + std::to_string(::getpid())))
          .string();
  ~File() { std::filesystem::remove(path); }
  std::string Read() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void Write(const std::string& bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
};

TEST_CASE("a snapshot brings back values, tags, and what is left of TTLs by the wall clock") {
  FakeTime time;
  File file;
  for (const Codec codec : {Codec::kNone, Codec::kZstd}) {
    CacheOptions options = Plain(time);
    options.compression = {codec, 10, 3};
    Cache first(options);
    EntryOptions entry = first.Defaults();
    entry.ttl = 100s;
    entry.tags = {"tag"};
    first.Set("tagged", std::string(5000, 'a'), Soon(), &entry);
    entry.tags.clear();
    entry.ttl = 10s;
    first.Set("short", "v", Soon(), &entry);
    entry.ttl = kForever;
    first.Set("for ever", "v", Soon(), &entry);
    entry.negative_ttl = 100s;
    first.GetOrSet("none", [] { return Loaded{}; }, Soon(), &entry);
    CHECK(first.SaveSnapshot(file.path) == 4);
    time.StepWall(std::chrono::seconds(20));
    Cache second(options);
    second.Set("for ever", "newer", Soon());
    CHECK(second.LoadSnapshot(file.path) == 2);
    CHECK(second.Peek("tagged").value.Bytes() == std::string(5000, 'a'));
    CHECK(second.Peek("for ever").value.Bytes() == "newer");
    CHECK(second.Peek("none").status == AnswerStatus::kNegative);
    CHECK_FALSE(second.Peek("short").Found());
    time.Advance(79s);
    CHECK(second.Peek("tagged").Found());
    second.InvalidateTag("tag", Soon());
    CHECK_FALSE(second.Peek("tagged").Found());
    Cache third(options);
    time.StepWall(std::chrono::hours(-1));  // A clock that went back makes nothing older...
    CHECK(third.LoadSnapshot(file.path) == 4);
    time.Advance(100s);  // ...and nothing live longer than it had left.
    CHECK_FALSE(third.Peek("tagged").Found());
    CHECK(third.Peek("for ever").Found());
  }
}

TEST_CASE("a damaged snapshot is refused, and nothing of it is put in") {
  FakeTime time;
  File file;
  Cache cache(Plain(time));
  for (int i = 0; i < 20; ++i) cache.Set(std::to_string(i), "value", Soon());
  cache.SaveSnapshot(file.path);
  const std::string good = file.Read();
  Cache other(Plain(time));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    CHECK_THROWS_AS(ParseSnapshot(bad, nullptr), ConfigError);
    CHECK_THROWS_AS(ParseSnapshot(good.substr(0, at), nullptr), ConfigError);
  }
  file.Write(good.substr(0, good.size() - 3));
  CHECK_THROWS_AS(other.LoadSnapshot(file.path), ConfigError);
  CHECK(other.Stats().entries == 0);
  CHECK_THROWS_AS(other.LoadSnapshot(file.path + ".not-there"), IoError);
  CHECK_THROWS_AS(other.LoadSnapshot("/proc/self"), IoError);
  const std::string pipe = file.path + ".pipe";  // that nobody writes to
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(other.LoadSnapshot(pipe), IoError);
  std::remove(pipe.c_str());
  CHECK_THROWS_AS(cache.SaveSnapshot("/not/a/directory/s.bin"), OutputError);
  file.Write(good);
  CHECK(other.LoadSnapshot(file.path) == 20);
}

TEST_CASE("what was invalidated elsewhere after the snapshot stays out") {
  File file;
  Pair pair;
  EntryOptions entry = pair.a->Defaults();
  entry.tags = {"tag"};
  pair.a->GetOrSet("tagged", Gives("v"), Soon(), &entry);
  pair.a->GetOrSet("plain", Gives("v"), Soon());
  REQUIRE(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(pair.a->SaveSnapshot(file.path) == 2);
  {
    const auto tier = std::make_shared<FakeTier>(pair.server);
    Cache again(Plain(pair.time), tier);
    CHECK(again.LoadSnapshot(file.path) == 2);
  }
  pair.b->InvalidateTag("tag", Soon());
  {
    const auto tier = std::make_shared<FakeTier>(pair.server);
    Cache again(Plain(pair.time), tier);
    CHECK(again.LoadSnapshot(file.path) == 1);
  }
  pair.b->Clear(Soon());
  const auto tier = std::make_shared<FakeTier>(pair.server);
  Cache again(Plain(pair.time), tier);
  CHECK(again.LoadSnapshot(file.path) == 0);
}

TEST_CASE("warming loads by pattern, tells how far it is, and leaves alone what is fresh") {
  FakeTime time;
  Cache cache(Plain(time));
  CHECK_THROWS_AS(cache.RegisterWarmFunction("", [](std::string_view) { return Loaded{}; }),
                  ConfigError);
  std::atomic<int> running{0}, most{0};
  cache.RegisterWarmFunction("guest:*", [&](std::string_view key) {
    const int now = ++running;
    int old = most.load();
    while (old < now && !most.compare_exchange_weak(old, now)) {
    }
    std::this_thread::yield();
    --running;
    return Loaded{std::string(key), {}};
  });
  cache.RegisterWarmFunction("guest:bad*",
                             [](std::string_view) -> Loaded { throw Error("not there"); });
  std::vector<std::string> keys;
  for (int i = 0; i < 50; ++i) keys.push_back("guest:" + std::to_string(i));
  keys.insert(keys.end(), {"guest:bad1", "other", "guest:fresh"});
  cache.Set("guest:fresh", "v", Soon());
  WarmOptions options;
  options.concurrency = 4;
  options.deadline = Soon();
  std::size_t told = 0;
  options.progress = [&](const WarmProgress& progress) {
    ++told;
    CHECK(progress.loaded + progress.fresh + progress.failed + progress.unmatched == told);
  };
  const WarmReport report = cache.Warm(keys, options);
  CHECK(report.complete);
  CHECK(report.loaded == 50);
  CHECK(report.fresh == 1);
  CHECK(report.failed == 1);
  CHECK(report.unmatched == 1);
  CHECK(told == 53);
  CHECK(most <= 4);
  CHECK(cache.Peek("guest:7").value.Bytes() == "guest:7");
}

TEST_CASE("warming keeps its rate, and ends at its deadline") {
  FakeTime time;
  Cache cache(Plain(time));
  std::atomic<int> calls{0};
  cache.RegisterWarmFunction("*", [&](std::string_view) {
    ++calls;
    return Loaded{"v", {}};
  });
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(std::to_string(i));
  WarmOptions options;
  options.rate = 100;
  const TimePoint began = Clock::now();
  options.deadline = In(50ms);
  const WarmReport report = cache.Warm(keys, options);
  CHECK_FALSE(report.complete);
  const auto most = static_cast<int>(ToMs(Clock::now() - began) / 10) + 1;
  CHECK(calls >= 1);
  CHECK(calls <= most);
  options.concurrency = 0;
  CHECK_THROWS_AS(cache.Warm(keys, options), ConfigError);
}

}  // namespace
}  // namespace perf::cache::test
