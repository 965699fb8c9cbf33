// SPDX-License-Identifier: Apache-2.0
// What the memory tier takes: limits, weights, bytes beyond the payload.
#include <doctest/doctest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/cache/memory/arena.hpp"
#include "libperf/cache/memory/memory.hpp"
#include "tests/cache/memory_support.hpp"

namespace perf::cache {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using test::kStart;
using test::Number;
using test::Tier;

long RssBytes() {
  long all = 0, resident = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  REQUIRE(file != nullptr);
  REQUIRE(std::fscanf(file, "%ld %ld", &all, &resident) == 2);
  std::fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace

TEST_CASE("memory: bounded by entries and by bytes, in all shards together") {
  Tier entries({1000, 0}, "lru", 8);
  for (unsigned i = 0; i < 10'000; ++i) entries.Put(Number(i), "value");
  CHECK(entries.memory.Shards() == 8);
  CHECK(entries.memory.Stats().entries == 1000);
  CHECK(entries.memory.Stats().evictions == 9000);

  Tier bytes({0, 1 << 20}, "s3fifo", 4);
  Random random(3);
  for (unsigned i = 0; i < 20'000; ++i) {
    bytes.Put(Number(i), std::string(static_cast<std::size_t>(random.Int(0, 3000)), 'b'));
    if (i % 1000 != 0) continue;
    const MemoryStats stats = bytes.memory.Stats();
    CHECK(stats.weight <= 1 << 20);
    CHECK(stats.payload_bytes + stats.entries * Memory::kEntryOverhead == stats.weight);
  }
  CHECK(bytes.memory.Stats().weight > (1 << 20) - 4 * 4000);
}

TEST_CASE("memory: weights near 2^31 and 2^63, zero, and beyond the capacity") {
  constexpr std::uint64_t kHalf = 1ULL << 31, kTop = 1ULL << 63;
  for (const char* policy : {"lru", "s3fifo", "wtinylfu", "sieve", "arc"}) {
    CAPTURE(policy);
    Tier tier({0, kHalf * 4}, policy);
    for (unsigned i = 0; i < 100; ++i) {
      tier.PutWeight(Number(i), kHalf - 1 + i % 3);
      CHECK(tier.memory.Stats().weight <= kHalf * 4);
    }
    CHECK(tier.memory.Stats().entries <= 4);
    tier.Put("before", "v");
    CHECK(tier.PutWeight("before", kHalf * 4 + 1) == PutResult::kTooHeavy);
    CHECK(tier.Get("before") == "-");
    CHECK(tier.memory.Stats().refused == 1);
    CHECK(tier.PutWeight("top", ~0ULL) == PutResult::kTooHeavy);

    Tier huge({0, ~0ULL}, policy);
    for (unsigned i = 0; i < 10; ++i) huge.PutWeight(Number(i), kTop - 1);
    CHECK(huge.memory.Stats().entries <= 2);
    CHECK(huge.PutWeight("more", kTop + 5) != PutResult::kTooHeavy);
    CHECK(huge.memory.Stats().weight >= 0);
  }
}

TEST_CASE("memory: an entry that grows makes room, and goes itself when it is too heavy") {
  Tier tier({0, 1000});
  for (unsigned i = 0; i < 10; ++i) tier.PutWeight(Number(i), 100);
  CHECK(tier.memory.Stats().entries == 10);
  CHECK(tier.PutWeight(Number(9), 550) == PutResult::kReplaced);
  CHECK(tier.memory.Stats().weight <= 1000);
  CHECK(tier.memory.Stats().entries == 5);
  CHECK(tier.Get(Number(9)) == "v");
  CHECK(tier.Get(Number(0)) == "-");
  CHECK(tier.PutWeight(Number(9), 1001) == PutResult::kTooHeavy);
  CHECK(tier.Get(Number(9)) == "-");
  CHECK(tier.memory.Stats().entries == 4);
}

TEST_CASE("memory: lengths beyond what an entry can have are refused") {
  Tier tier({100, 0});
  const std::string long_key(Entry::kMaxKey + 1, 'k');
  CHECK(tier.Put(long_key, "v") == PutResult::kTooHeavy);
  CHECK(tier.Get(long_key) == "-");
  const std::string longest(Entry::kMaxKey, 'k');
  CHECK(tier.Put(longest, "v") == PutResult::kStored);
  CHECK(tier.Get(longest) == "v");
}

TEST_CASE("memory: ten million writes with a TTL of an hour leave no trace") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr unsigned kWrites = 300'000;
#else
  constexpr unsigned kWrites = 10'000'000;
#endif
  Tier tier({1000, 0});
  std::string key = Number(0);
  PutOptions options;
  options.ttl = hours(1);
  [[maybe_unused]] long before = 0;
  for (unsigned i = 0; i < kWrites; ++i) {
    for (std::size_t digit = key.size(); digit-- > 0;) {
      if (++key[digit] <= '9') break;
      key[digit] = '0';
    }
    tier.memory.Put(key, HashKey(key), std::string_view("0123456789abcdef", i % 17), tier.now,
                    options);
    tier.now += nanoseconds(100);
    if (i == kWrites / 10) before = RssBytes();
  }
  CHECK(tier.memory.Stats().entries == 1000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(RssBytes() - before < 4 << 20);
#endif
  CHECK(tier.memory.Stats().overhead_bytes < 1 << 20);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("memory: at most 64 bytes an entry beyond key and value with a TTL, by RSS") {
  constexpr unsigned kEntries = 1'000'000;
  for (const char* policy : {"lru", "sieve", "s3fifo", "adaptive"}) {
    CAPTURE(policy);
    MemoryOptions options;
    options.policy = policy;
    options.limits = {kEntries + kEntries / 50, 0};
    options.default_ttl = hours(1);
    const std::string value(100, 'v');
    malloc_trim(0);  // what others have freed is not to count for this one
    const long before = RssBytes();
    Memory memory(options);
    for (unsigned i = 0; i < kEntries; ++i) {
      const std::string key = Number(i);
      memory.Put(key, HashKey(key), value, kStart);
    }
    const auto each = [&] {
      const auto entries = static_cast<double>(memory.Stats().entries);
      return static_cast<double>(RssBytes() - before) / entries - 116;
    };
    CHECK(memory.Stats().entries == kEntries);
    const double filling = each();
    // Once entries go, some policies remember them.
    for (unsigned i = kEntries; i < 2 * kEntries; ++i) {
      const std::string key = Number(i);
      memory.Put(key, HashKey(key), value, kStart);
    }
    const double full = each();
    MESSAGE(std::string(policy) << ": " << filling << " bytes an entry, " << full << " when full");
    // S3-FIFO remembers whole hashes of nearly as many as it holds.
    const bool heavy = std::string_view(policy) == "s3fifo";
    CHECK(filling <= (heavy ? 68 : 64));
    CHECK(full <= (heavy ? 100 : 64));
  }
}
#endif

TEST_CASE("memory: values of changing sizes do not gather memory") {
  Tier tier({0, 8 << 20}, "lru");
  Random random(5);
  std::uint64_t most = 0;
  for (int phase = 0; phase < 6; ++phase) {
    const std::int64_t size = 20LL << (2 * phase);  // 20 bytes to 20 KiB
    for (int i = 0; i < 60'000 / (phase + 1); ++i) {
      tier.Put(Number(static_cast<std::uint64_t>(random.Int(0, 1 << 20))),
               std::string(static_cast<std::size_t>(random.Int(size / 2, size)), 'x'));
    }
    const MemoryStats stats = tier.memory.Stats();
    most = std::max(most, stats.payload_bytes + stats.overhead_bytes);
  }
  CHECK(most < 16 << 20);  // twice what they weigh
}

TEST_CASE("memory: the arena gives blocks that do not overlap and takes all back") {
  PageSource pages;
  Arena arena(pages);
  struct Block {
    Arena::Block block;
    std::size_t bytes;
    char fill;
  };
  std::vector<Block> blocks;
  Random random(9);
  for (int i = 0; i < 50'000; ++i) {
    if (random.Int(0, 100) < 52 || blocks.empty()) {
      const auto bytes =
          static_cast<std::size_t>(random.Int(20, random.Int(0, 4) == 0 ? Arena::kLargest : 300));
      const Block one{arena.Allocate(bytes), bytes, static_cast<char>(i)};
      REQUIRE(arena.Resolve(one.block.ref) == one.block.address);
      REQUIRE(reinterpret_cast<std::uintptr_t>(one.block.address) % 8 == 0);
      std::fill_n(static_cast<char*>(one.block.address), bytes, one.fill);
      blocks.push_back(one);
    } else {
      const auto at =
          static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(blocks.size()) - 1));
      const Block one = blocks[at];
      const char* const bytes = static_cast<const char*>(one.block.address);
      REQUIRE(std::count(bytes, bytes + one.bytes, one.fill) ==
              static_cast<std::ptrdiff_t>(one.bytes));
      arena.Free(one.block.ref, one.bytes);
      blocks[at] = blocks.back();
      blocks.pop_back();
    }
  }
  for (const Block& one : blocks) arena.Free(one.block.ref, one.bytes);
  CHECK(arena.Footprint() <= 130 * PageSource::kPageBytes);  // a page of each class
}

}  // namespace perf::cache
