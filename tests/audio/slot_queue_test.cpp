// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slot_queue.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "libperf/audio/slab/slab.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/random.hpp"

using namespace perf::audio;

namespace {

/// A queue with the memory that it wants.
class TestQueue {
 public:
  TestQueue(SlotPool& pool, const SlotQueue::Shape& shape)
      : memory_(static_cast<std::byte*>(operator new(SlotQueue::BytesFor(shape.depth),
                                                     std::align_val_t{64}))),
        queue_(new(memory_) SlotQueue(pool, shape)) {}
  ~TestQueue() {
    queue_->~SlotQueue();
    operator delete(memory_, std::align_val_t{64});
  }
  TestQueue(const TestQueue&) = delete;
  TestQueue& operator=(const TestQueue&) = delete;
  SlotQueue* operator->() const noexcept { return queue_; }

 private:
  std::byte* memory_;
  SlotQueue* queue_;
};

void Fill(std::span<std::byte> packet, std::uint64_t number) {
  for (std::size_t i = 0; i + 8 <= packet.size(); i += 8) {
    const std::uint64_t word = number * 0x9e3779b97f4a7c15U + i;
    std::memcpy(packet.data() + i, &word, 8);
  }
}

bool Holds(std::span<const std::byte> packet, std::uint64_t number) {
  for (std::size_t i = 0; i + 8 <= packet.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, packet.data() + i, 8);
    if (word != number * 0x9e3779b97f4a7c15U + i) return false;
  }
  return true;
}

std::uint64_t NumberIn(std::span<const std::byte> packet) {
  std::uint64_t word = 0;
  std::memcpy(&word, packet.data(), 8);
  return word * 0xf1de83e19937733dU;  // the inverse of Fill's factor
}

bool Put(SlotQueue& queue, std::uint64_t number) {
  std::byte* const to = queue.BeginWrite();
  if (to == nullptr) return false;
  Fill({to, queue.PacketBytes()}, number);
  queue.CommitWrite();
  return true;
}

}  // namespace

// libsoundio #160, sherpa-onnx #3635: counters of 31, 32 bits; a size that is no power of two.
TEST_CASE("slot queue: counters wrap at 2^32 and at 2^64, whatever the size") {
  Slab slab(64U << 20U);
  for (const std::uint64_t start : {(std::uint64_t{1} << 32) - 100, std::uint64_t{0} - 100}) {
    for (const std::uint32_t packet : {9600U, 8192U, 960U}) {
      for (const std::uint32_t depth : {1U, 10U, 16U}) {
        for (const Overflow overflow : {Overflow::kDropNewest, Overflow::kDropOldest}) {
          TestQueue queue(slab.PoolFor(packet), {packet, depth, overflow, start});
          std::uint64_t in = 0, out = 0;
          for (int lap = 0; lap < 200; ++lap) {
            while (in - out < depth) REQUIRE(Put(*queue.operator->(), in++));
            REQUIRE(queue->Fill() == depth);
            for (std::uint32_t i = 0; i < 1 + lap % depth; ++i) {
              const auto packet_out = queue->Peek();
              REQUIRE(packet_out.size() == packet);
              REQUIRE(Holds(packet_out, out++));
              queue->Pop();
            }
          }
          CHECK(queue->Overruns().packets == 0);
          CHECK(queue->Written() - start == in);
        }
      }
    }
  }
}

TEST_CASE("slot queue: agrees with a plain queue over random histories") {
  Slab slab(4U << 20U);
  SlotPool& pool = slab.PoolFor(64);
  perf::Random random(17);
  for (int round = 0; round < 300; ++round) {
    const auto depth = static_cast<std::uint32_t>(1 + random.Int(0, 39));
    const bool oldest = random.Int(0, 1) == 0;
    TestQueue made(
        pool, {64, depth, oldest ? Overflow::kDropOldest : Overflow::kDropNewest, random.Next()});
    SlotQueue& queue = *made.operator->();
    std::deque<std::uint64_t> model;
    std::uint64_t next = 1, overruns = 0, flushed = 0;
    bool begun = false;
    for (int step = 0; step < 300; ++step) {
      switch (random.Int(0, 6)) {
        case 0:
        case 1:
        case 2: {
          if (begun) break;
          const bool full = model.size() == depth;
          if (full) ++overruns;
          if (full && oldest) model.pop_front();
          REQUIRE(Put(queue, next) == (!full || oldest));
          if (!full || oldest) model.push_back(next);
          ++next;
          break;
        }
        case 3:
        case 4:
        case 5: {
          const auto packet = queue.Peek();
          REQUIRE(packet.empty() == model.empty());
          if (model.empty()) break;
          REQUIRE(Holds(packet, model.front()));
          model.pop_front();
          queue.Pop();
          break;
        }
        default:
          if (random.Int(0, 7) == 0) {
            queue.Flush();
            flushed += model.size();
            model.clear();
          } else if (random.Int(0, 7) == 0 && model.size() < depth) {
            // Begun before a flush: never seen.
            REQUIRE(queue.BeginWrite() != nullptr);
            queue.Flush();
            flushed += model.size();
            model.clear();
            queue.CommitWrite();
          }
      }
      REQUIRE(queue.Fill() == model.size());
    }
    CHECK(queue.Overruns().packets == overruns);
    CHECK(queue.Flushed() == flushed);
  }
}

TEST_CASE("slot queue: xruns are counted in packets and in events") {
  Slab slab(1U << 20U);
  for (const Overflow overflow : {Overflow::kDropNewest, Overflow::kDropOldest}) {
    TestQueue queue(slab.PoolFor(64), {64, 2, overflow});
    CHECK(queue->Peek().empty());  // nothing was written yet: no underrun
    for (int i = 0; i < 5; ++i) Put(*queue.operator->(), 1);
    CHECK(queue->Overruns().packets == 3);
    CHECK(queue->Overruns().events == 1);
    for (int i = 0; i < 2; ++i) {
      REQUIRE(!queue->Peek().empty());
      queue->Pop();
    }
    for (int i = 0; i < 3; ++i) CHECK(queue->Peek().empty());
    Put(*queue.operator->(), 1);
    REQUIRE(!queue->Peek().empty());
    queue->Pop();
    CHECK(queue->Peek().empty());
    CHECK(queue->Underruns().packets == 4);
    CHECK(queue->Underruns().events == 2);
    for (int i = 0; i < 3; ++i) Put(*queue.operator->(), 1);
    CHECK(queue->Overruns().events == 2);
    queue->Flush();
    CHECK(queue->Peek().empty());
    queue->SetDraining(true);
    CHECK(queue->Peek().empty());
    CHECK(queue->Underruns().packets == 4);
  }
}

TEST_CASE("slot queue: two threads, in order and whole") {
  Slab slab(4U << 20U);
  constexpr std::uint32_t kBytes = 960;
  constexpr std::uint64_t kPackets = 100'000;
  for (const Overflow overflow : {Overflow::kDropNewest, Overflow::kDropOldest}) {
    TestQueue queue(slab.PoolFor(kBytes), {kBytes, 10, overflow});
    std::atomic<bool> done{false};
    std::thread producer([&] {
      for (std::uint64_t number = 1; number <= kPackets; ++number) Put(*queue.operator->(), number);
      done = true;
    });
    std::uint64_t last = 0, read = 0, torn = 0, disorder = 0;
    while (true) {
      const bool ended = done;
      const auto packet = queue->Peek();
      if (packet.empty()) {
        if (ended) break;
        std::this_thread::yield();
        continue;
      }
      const std::uint64_t number = NumberIn(packet);
      if (!Holds(packet, number)) ++torn;
      if (number <= last) ++disorder;
      last = number;
      ++read;
      queue->Pop();
    }
    producer.join();
    CHECK(torn == 0);
    CHECK(disorder == 0);
    CHECK(read + queue->Overruns().packets == kPackets);
    if (overflow == Overflow::kDropOldest) CHECK(last == kPackets);
  }
}

// xbmc PR 3156, Provenance PR 3195: a flush from a third thread is a second consumer.
TEST_CASE("slot queue: a flush beside both ends; the reader sees one epoch after another") {
  Slab slab(4U << 20U);
  SlotPool& pool = slab.PoolFor(64);
  for (const Overflow overflow : {Overflow::kDropNewest, Overflow::kDropOldest}) {
    TestQueue queue(pool, {64, 10, overflow});
    std::atomic<bool> stop{false};
    std::thread producer([&] {
      while (!stop) {
        // The epoch that is noted in the packet is not newer than the one that it belongs to.
        std::byte* const to = queue->BeginWrite();
        if (to == nullptr) continue;
        Fill({to, 64}, queue->Epoch());
        queue->CommitWrite();
      }
    });
    std::uint64_t torn = 0, stale = 0;
    std::atomic<std::uint64_t> read{0};
    std::thread consumer([&] {
      while (!stop) {
        const std::uint32_t before = queue->Epoch();
        const auto packet = queue->Peek();
        if (packet.empty()) continue;
        const std::uint64_t epoch = NumberIn(packet);
        if (!Holds(packet, epoch)) ++torn;
        if (epoch + 1 < before + 1) ++stale;
        ++read;
        queue->Pop();
      }
    });
    // Where three threads share a processor a yield may take as long as two of its time slices:
    // many flushes to each.
    for (int turn = 0; turn < 100 || read < 100; ++turn) {
      for (int i = 0; i < 50; ++i) queue->Flush();
      std::this_thread::yield();
    }
    stop = true;
    producer.join();
    consumer.join();
    CHECK(torn == 0);
    CHECK(stale == 0);
    CHECK(read > 0);
  }
}
