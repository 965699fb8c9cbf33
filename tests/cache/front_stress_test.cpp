// SPDX-License-Identifier: Apache-2.0
// Every public operation from many threads, and random histories against what must never be seen.
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/random.hpp"
#include "tests/cache/front_support.hpp"

namespace perf::cache::test {
namespace {

int Seeds(int otherwise) {
  const char* text = std::getenv("PERF_SEEDS");
  return text != nullptr ? std::atoi(text) : otherwise;
}

std::pair<int, int> Troubled() {
  int first = 1;
  int last = std::min(Seeds(5), 50);
  const char* text = std::getenv("PERF_TROUBLED");
  if (text != nullptr && std::sscanf(text, "%d-%d", &first, &last) != 2) last = first;
  return {first, last};
}

std::string TempFile(const std::string& name) {
  return (std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()))).string();
}

constexpr int kKeys = 16;

/// The source that a cache stands before: a number for each key that only grows. Who writes raises
/// it and then invalidates; a read that began after that must not see less.
struct Source {
  std::array<std::atomic<int>, kKeys> written{};
  std::array<std::atomic<int>, kKeys> acknowledged{};
};

void Raise(std::atomic<int>& value, int to) {
  int old = value.load();
  while (old < to && !value.compare_exchange_weak(old, to)) {
  }
}

class Player {
 public:
  Player(Cache& cache, Source& source, std::uint64_t seed)
      : cache_(cache), source_(source), random_(seed) {}

  void Play(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      const auto key = static_cast<std::size_t>(random_.Int(0, kKeys - 1));
      if (random_.Int(0, 3) == 0) {
        Write(key);
      } else {
        Read(key);
      }
    }
  }
  int Stale() const { return stale_; }

 private:
  EntryOptions Options(std::size_t key) const {
    EntryOptions options = cache_.Defaults();
    options.tags = {"tag" + std::to_string(key % 4)};
    return options;
  }

  void Write(std::size_t key) {
    const int value = source_.written[key].fetch_add(1) + 1;
    const std::string name = std::to_string(key);
    switch (random_.Int(0, 3)) {
      case 0: cache_.Remove(name, Soon()); break;
      case 1: cache_.InvalidateTag("tag" + std::to_string(key % 4), Soon()); break;
      case 2:
        random_.Int(0, 1) == 0 ? cache_.Clear(Soon()) : cache_.RemovePrefix(name, Soon());
        break;
      default:
        // Two writers may set in another order than they raised: what is set is read anew.
        cache_.Remove(name, Soon());
        break;
    }
    Raise(source_.acknowledged[key], value);
  }

  void Read(std::size_t key) {
    const int least = source_.acknowledged[key].load();
    const EntryOptions options = Options(key);
    const Loader loader = [&source = source_, key] {
      const int value = source.written[key].load();
      std::this_thread::yield();
      return Loaded{std::to_string(value), {}};
    };
    const Answer answer = random_.Int(0, 4) == 0
                              ? cache_.Get(std::to_string(key), Soon())
                              : cache_.GetOrSet(std::to_string(key), loader, Soon(), &options);
    if (answer.Found() && std::stoi(answer.value.String()) < least) ++stale_;
  }

  Cache& cache_;
  Source& source_;
  Random random_;
  int stale_ = 0;
};

int PlayMany(Cache& cache, int seed, int threads, int rounds) {
  Source source;
  std::atomic<int> stale{0};
  std::vector<std::jthread> crew;
  for (int i = 0; i < threads; ++i) {
    crew.emplace_back([&, i] {
      Player player(cache, source, static_cast<std::uint64_t>(seed * 1000 + i));
      player.Play(rounds);
      stale += player.Stale();
    });
  }
  crew.clear();
  return stale;
}

TEST_CASE("random histories in one process: no read sees less than was acknowledged before it") {
  for (int seed = 1; seed <= std::min(Seeds(5), 1000); ++seed) {
    CAPTURE(seed);
    FakeTime time;
    Cache cache(Plain(time));
    CHECK(PlayMany(cache, seed, 4, 1000) == 0);
  }
}

TEST_CASE("the same over a tier that delays, loses, reorders and fails") {
  // Each takes a fifth of a second. PERF_TROUBLED=FIRST-LAST: these, for as long as it takes.
  const auto [first, last] = Troubled();
  for (int seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    FakeTime time;
    CacheOptions options = Plain(time);
    options.tier.soft_timeout = 1ms;
    options.tier.hard_timeout = 4ms;
    FakeServer server(time);
    const auto tier = std::make_shared<FakeTier>(server, static_cast<std::uint64_t>(seed));
    Cache cache(options, tier);
    // Of each third seed many requests take place long after they were given up.
    tier->SetTroubles({0.05, 0.05, 0.05, seed % 3 == 0 ? Duration(8ms) : Duration(300us)});
    tier->TellOwnWrites(seed % 2 == 0);
    tier->SetCoherent(seed % 5 != 0);
    CHECK(PlayMany(cache, seed, 4, 150) == 0);
    tier->SetTroubles({});
    CHECK(Eventually([&] { return cache.Stats().repair_pending == 0; }));
  }
}

/// One of everything.
void AnyOperation(Cache& cache, Random& random, const std::string& file) {
  const std::string key = std::to_string(random.Int(0, 20));
  EntryOptions options = cache.Defaults();
  options.ttl = Duration(random.Int(-1, 2'000'000));
  options.stale_while_revalidate = Duration(random.Int(0, 1'000'000));
  options.stale_if_error = Duration(random.Int(0, 5'000'000));
  options.eager_at = 0.5;
  options.xfetch_beta = 1;
  options.negative_ttl = 1ms;
  options.tags = {"tag" + std::to_string(random.Int(0, 3))};
  options.lock_across_processes = random.Int(0, 3) == 0;
  const Loader loader = [what = random.Int(0, 4), key]() -> Loaded {
    if (what == 0) throw Error("no");
    if (what == 1) return {};
    return {key, {}};
  };
  const auto done = [](const Answer&) {};
  const std::vector<std::string> keys{key};
  switch (random.Int(0, 17)) {
    case 0: cache.Set(key, "v", Soon(), &options); break;
    case 1: cache.Remove(key, Soon()); break;
    case 2: cache.InvalidateTag("tag1", Soon()); break;
    case 3: cache.RemovePrefix("1", Soon()); break;
    case 4: cache.Clear(Soon()); break;
    case 5: cache.Peek(key); break;
    case 6: cache.Get(key, In(1ms)); break;
    case 7: cache.Stats(); break;
    case 8: cache.GetAsync(key, In(1ms), nullptr, done); break;
    case 9:
      cache.GetOrSetAsync(
          key, [key](const LoadDone& end) { end.Give({key, {}}); }, In(1ms), nullptr, done,
          &options);
      break;
    case 10: cache.SetAsync(key, "v", Soon(), nullptr, nullptr, &options); break;
    case 11: cache.RemoveAsync(key, Soon(), nullptr, [](const Written&) {}); break;
    case 12: cache.InvalidateTagAsync("tag2", Soon(), nullptr, nullptr); break;
    case 13:
      if (random.Int(0, 20) == 0) cache.SaveSnapshot(file);
      break;
    case 14:
      if (random.Int(0, 20) == 0 && std::filesystem::exists(file)) cache.LoadSnapshot(file);
      break;
    case 15:
      if (random.Int(0, 20) == 0) {
        cache.RegisterWarmFunction(
            key, [](std::string_view name) { return Loaded{std::string(name), {}}; });
      }
      cache.Warm(keys, {});
      break;
    default: cache.GetOrSet(key, loader, In(2ms), &options); break;
  }
}

void Everything(Cache& cache, int rounds, const std::string& name) {
  cache.RegisterWarmFunction("*",
                             [](std::string_view key) { return Loaded{std::string(key), {}}; });
  std::vector<std::jthread> crew;
  for (int i = 0; i < 16; ++i) {
    crew.emplace_back([&cache, i, rounds, file = TempFile(name + std::to_string(i))] {
      Random random(static_cast<std::uint64_t>(i));
      for (int round = 0; round < rounds; ++round) AnyOperation(cache, random, file);
      std::remove(file.c_str());
    });
  }
}

TEST_CASE("16 threads over every public operation, memory alone") {
  for (const char* policy : {"lru", "adaptive"}) {
    CAPTURE(policy);
    FakeTime time;
    CacheOptions options = Plain(time);
    options.policy = policy;
    options.max_entries = 10;
    Cache cache(options);
    Everything(cache, 300, "perfkit-front-a");
    CHECK(cache.Stats().entries <= 10);
  }
}

TEST_CASE("16 threads over every public operation, two caches and troubles") {
  FakeTime time;
  CacheOptions options = Plain(time);
  options.tier.soft_timeout = 1ms;
  options.tier.hard_timeout = 3ms;
  options.tier.repair_entries = 5;
  options.policy = "adaptive";
  Pair pair(options);
  pair.tier_a->SetTroubles({0.05, 0.05, 0.05, 300us});
  pair.tier_b->TellOwnWrites(true);
  std::atomic<bool> stop{false};
  std::jthread chaos([&] {
    Random random(9);
    while (!stop) {
      pair.tier_a->SetDown(random.Int(0, 1) == 0);
      pair.tier_b->SetCoherent(random.Int(0, 1) == 0);
      pair.server.LoseTag("tag1");
      std::this_thread::sleep_for(2ms);
    }
    pair.tier_a->SetDown(false);
    pair.tier_b->SetCoherent(true);
  });
  std::jthread other([&] { Everything(*pair.b, 60, "perfkit-front-b"); });
  Everything(*pair.a, 60, "perfkit-front-c");
  other.join();
  stop = true;
  chaos.join();
  pair.tier_a->SetTroubles({});
  CHECK(Eventually([&] { return pair.a->Stats().repair_pending == 0; }));
  CHECK(Eventually([&] { return pair.b->Stats().repair_pending == 0; }));
}

}  // namespace
}  // namespace perf::cache::test
