// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/cache/memory/memory.hpp"

namespace perf::cache {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSteps = 6'000;
#else
constexpr int kSteps = 40'000;
#endif
constexpr unsigned kThreads = 16;
constexpr std::uint32_t kKeys = 300;

std::string KeyOf(std::uint32_t number) { return "key:" + std::to_string(number); }

/// Key and version, then bytes that follow from both: a value that was mixed up, freed or written
/// over is found out.
std::string ValueOf(std::uint32_t key, std::uint64_t version) {
  const std::size_t length = 16 + (key * 7 + version * 13) % (key % 20 == 0 ? 9000 : 300);
  std::string value(length, static_cast<char>(key + version));
  std::memcpy(value.data(), &key, 4);
  std::memcpy(value.data() + 8, &version, 8);
  return value;
}

struct Seen {
  std::uint32_t key = 0;
  std::uint64_t version = 0;
  bool sound = false;
};

Seen Look(std::string_view value) {
  Seen seen;
  if (value.size() < 16) return seen;
  std::memcpy(&seen.key, value.data(), 4);
  std::memcpy(&seen.version, value.data() + 8, 8);
  std::string whole = ValueOf(seen.key, seen.version);
  std::memset(whole.data() + 4, value[4], 4);
  seen.sound = whole.size() == value.size() && whole.substr(16) == value.substr(16);
  return seen;
}

/// What 16 threads do to one cache at the same time.
class Crowd {
 public:
  explicit Crowd(const std::string& policy, Limits limits) : memory_(Options(policy, limits)) {}

  void Run() {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, i] { Act(i); });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(bad_.load() == 0);
    const MemoryStats stats = memory_.Stats();
    CHECK(stats.hits + stats.misses > 0);
    CHECK(stats.inserts - stats.evictions - stats.not_admitted - stats.expirations -
              stats.removals ==
          stats.entries);
    CHECK(memory_.Clear() == stats.entries);
  }

 private:
  static MemoryOptions Options(const std::string& policy, Limits limits) {
    MemoryOptions options;
    options.policy = policy;
    options.limits = limits;
    options.shards = 4;
    return options;
  }
  TimePoint Now() const {
    return TimePoint(std::chrono::hours(1) +
                     std::chrono::microseconds(now_.load(std::memory_order_relaxed)));
  }
  void Check(const Handle& handle, std::uint32_t key) {
    const Seen seen = Look(handle.Value());
    if (handle.Key() != KeyOf(key) || seen.key != key || !seen.sound ||
        seen.version > versions_[key].load(std::memory_order_acquire)) {
      ++bad_;
    }
  }
  void Write(std::uint32_t key, Random& random) {
    const std::uint64_t version = versions_[key].fetch_add(1, std::memory_order_acq_rel) + 1;
    PutOptions options;
    if (random.Int(0, 3) == 0) options.ttl = std::chrono::milliseconds(random.Int(0, 50));
    if (random.Int(0, 9) == 0) options.stamp = memory_.Stamp(HashKey(KeyOf(key)));
    memory_.Put(KeyOf(key), HashKey(KeyOf(key)), ValueOf(key, version), Now(), options);
  }
  void Sweep(std::int64_t which, Random& random) {
    switch (which) {
      case 0: memory_.Clear(); break;
      case 1: memory_.RemovePrefix("key:1"); break;
      case 2:
        memory_.RemoveIf([](const Handle& handle) { return handle.Value().size() % 5 == 0; });
        break;
      case 3:
        memory_.ForEach(Now(), [this](Handle handle) {
          Check(handle, Look(handle.Value()).key);
          return true;
        });
        break;
      case 4: memory_.Stats(); break;
      default: memory_.Expire(Now()); break;
    }
    now_.fetch_add(static_cast<std::uint64_t>(random.Int(0, 20'000)), std::memory_order_relaxed);
  }
  void Act(unsigned thread) {
    Random random(thread + 1);
    const Zipf zipf(kKeys, 0.9);
    std::vector<std::pair<Handle, std::uint32_t>> kept;
    for (int i = 0; i < kSteps; ++i) {
      const auto key = static_cast<std::uint32_t>(zipf.Draw(random) - 1);
      const std::string name = KeyOf(key);
      const std::int64_t dice = random.Int(0, 999);
      if (dice < 700) {
        Handle found = memory_.Get(name, HashKey(name), Now());
        if (found) Check(found, key);
        if (found && dice < 60) kept.emplace_back(std::move(found), key);
        if (!found) Write(key, random);
      } else if (dice < 850) {
        Write(key, random);
      } else if (dice < 920) {
        memory_.Remove(name, HashKey(name));
      } else if (dice < 960) {
        const Handle found = memory_.Peek(name, HashKey(name), Now());
        if (found) memory_.RemoveSame(found, HashKey(name));
      } else if (dice < 994) {
        for (const auto& [handle, of] : kept) Check(handle, of);
        if (!kept.empty())
          kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(kept.size() / 2), kept.end());
      } else {
        Sweep(random.Int(0, 5), random);
      }
    }
    for (const auto& [handle, of] : kept) Check(handle, of);
  }

  Memory memory_;
  std::array<std::atomic<std::uint64_t>, kKeys> versions_{};
  std::atomic<std::uint64_t> now_{0};
  std::atomic<std::uint64_t> bad_{0};
};

}  // namespace

TEST_CASE("memory: sixteen threads over every operation see only what was written") {
  Crowd("lru", {120, 0}).Run();
  Crowd("s3fifo", {0, 64 << 10}).Run();
  Crowd("sieve", {120, 64 << 10}).Run();
  Crowd("adaptive", {120, 0}).Run();
  Crowd("adaptive", {0, 64 << 10}).Run();
  Crowd("wtinylfu", {5000, 8 << 20}).Run();  // grows and never evicts
}

TEST_CASE("memory: a value never goes back to an older one under one reader's eyes") {
  MemoryOptions options;
  options.policy = "lru";
  options.limits = {64, 0};
  Memory memory(options);
  constexpr std::uint32_t kFew = 8;
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      std::array<std::uint64_t, kFew> last{};
      while (!stop.load(std::memory_order_relaxed)) {
        for (std::uint32_t key = 0; key < kFew; ++key) {
          const std::string name = KeyOf(key);
          const Handle found = memory.Get(name, HashKey(name));
          // A writer of its own for each key and nothing that evicts: it is there, and newer.
          if (!found) {
            if (last[key] != 0) ++bad;
            continue;
          }
          const Seen seen = Look(found.Value());
          if (!seen.sound || seen.version < last[key]) ++bad;
          last[key] = seen.version;
        }
      }
    });
  }
  std::vector<std::thread> writers;
  for (std::uint32_t half = 0; half < 2; ++half) {
    writers.emplace_back([&, half] {
      for (std::uint64_t version = 1; version <= kSteps; ++version) {
        for (std::uint32_t key = half; key < kFew; key += 2) {
          const std::string name = KeyOf(key);
          memory.Put(name, HashKey(name), ValueOf(key, version), Clock::now());
        }
        // Others come and go, so that places and memory are used again.
        const std::string other = "other" + std::to_string(version % 40) + std::to_string(half);
        if (version % 3 == 0) {
          memory.Remove(other, HashKey(other));
        } else if (version % 40 < 20) {
          memory.Put(other, HashKey(other), std::string(version % 500, 'o'), Clock::now());
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  CHECK(bad.load() == 0);
}

}  // namespace perf::cache
