// SPDX-License-Identifier: Apache-2.0
// What a packet costs on its way through a buffer: audio_bench LANE MILLISECONDS IMPL... prints one
// JSON object, nanoseconds of processor time for each packet written and read, the implementations
// in turns. Lanes: one (a stream in one thread), two (a stream over two threads), many (10,000
// streams in one thread). Implementations: slots (perfkit),
// spsc and spsc_in_place (boost::lockfree), mutex (a deque).
//
// All do the same work: a packet of 960 bytes is written in by the producer (a copy from one of
// many source packets, as sound comes from a decoder) and consumed by the reader (all of its bytes
// are added up, where they lie or, where the queue hands out copies, in the copy).
#include <array>
#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "libperf/audio/streams.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/cpu_time.hpp"

namespace {

using namespace perf;

constexpr std::size_t kBytes = 960, kDepth = 10, kStreams = 10'000, kSources = 64;
using Frame = std::array<std::byte, kBytes>;

std::vector<Frame> sources(kSources);

std::uint64_t Sum(const std::byte* from) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBytes; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, from + i, sizeof(word));
    sum += word;
  }
  return sum;
}

/// perfkit: written and read where the packet lies.
class Slots {
 public:
  explicit Slots(audio::Streams& home) : stream_(home.Open({}).stream) {}
  bool Write(const Frame& frame) noexcept {
    std::byte* const to = stream_->BeginWrite();
    if (to == nullptr) return false;
    std::memcpy(to, frame.data(), kBytes);
    stream_->CommitWrite();
    return true;
  }
  bool Read(std::uint64_t& sum) noexcept {
    const std::span<const std::byte> packet = stream_->Peek();
    if (packet.empty()) return false;
    sum += Sum(packet.data());
    stream_->Pop();
    return true;
  }

 private:
  audio::StreamRef stream_;
};

/// boost::lockfree, its size known to the compiler: push copies in; pop copies out, or, in place,
/// the packet is read where it lies and then popped.
template <bool kInPlace>
class Spsc {
 public:
  explicit Spsc(audio::Streams&) {}
  bool Write(const Frame& frame) { return queue_.push(frame); }
  bool Read(std::uint64_t& sum) {
    if constexpr (kInPlace) {
      if (queue_.read_available() == 0) return false;
      sum += Sum(queue_.front().data());
      return queue_.pop();
    } else {
      Frame frame;
      if (!queue_.pop(frame)) return false;
      sum += Sum(frame.data());
      return true;
    }
  }

 private:
  boost::lockfree::spsc_queue<Frame, boost::lockfree::capacity<kDepth>> queue_;
};

/// What one writes without much thought.
class Mutex {
 public:
  explicit Mutex(audio::Streams&) {}
  bool Write(const Frame& frame) {
    const std::lock_guard lock(mutex_);
    if (frames_.size() >= kDepth) return false;
    frames_.push_back(frame);
    return true;
  }
  bool Read(std::uint64_t& sum) {
    Frame frame;
    {
      const std::lock_guard lock(mutex_);
      if (frames_.empty()) return false;
      frame = frames_.front();
      frames_.pop_front();
    }
    sum += Sum(frame.data());
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<Frame> frames_;
};

struct Cost {
  std::uint64_t packets = 0;
  Duration cpu{};
};

/// One after the other in one thread: a stream is filled up to half and then moved on by one.
template <typename Queue>
class OneThread {
 public:
  explicit OneThread(std::size_t streams) : home_({std::uint64_t{1} << 30U, 10U << 20U}) {
    for (std::size_t i = 0; i < streams; ++i) queues_.push_back(std::make_unique<Queue>(home_));
    for (auto& queue : queues_) {
      for (std::size_t i = 0; i < kDepth / 2; ++i) queue->Write(sources[i]);
    }
  }
  Cost Run(Duration time) {
    Cost cost;
    std::uint64_t sum = 0;
    const Duration start = ThreadCpu();
    do {
      for (int turn = 0; turn < (queues_.size() > 1 ? 1 : 10'000); ++turn) {
        for (auto& queue : queues_) {
          queue->Write(sources[cost.packets % kSources]);
          queue->Read(sum);
          ++cost.packets;
        }
      }
      cost.cpu = ThreadCpu() - start;
    } while (cost.cpu < time);
    asm volatile("" : : "r"(sum));
    return cost;
  }

 private:
  audio::Streams home_;
  std::vector<std::unique_ptr<Queue>> queues_;
};

/// A producer that is never waited for long, and a consumer, each on a thread of its own.
template <typename Queue>
class TwoThreads {
 public:
  explicit TwoThreads(std::size_t) : home_({std::uint64_t{1} << 30U, 10U << 20U}), queue_(home_) {}
  Cost Run(Duration time) {
    constexpr std::uint64_t kBatch = 200'000;
    Cost cost;
    std::uint64_t sum = 0;
    const Duration start = ProcessCpu();
    do {
      std::thread producer([&] {
        for (std::uint64_t i = 0; i < kBatch;) {
          if (queue_.Write(sources[i % kSources])) {
            ++i;
          } else {
            std::this_thread::yield();
          }
        }
      });
      for (std::uint64_t i = 0; i < kBatch;) {
        if (queue_.Read(sum)) {
          ++i;
        } else {
          std::this_thread::yield();
        }
      }
      producer.join();
      cost.packets += kBatch;
      cost.cpu = ProcessCpu() - start;
    } while (cost.cpu < time);
    asm volatile("" : : "r"(sum));
    return cost;
  }

 private:
  audio::Streams home_;
  Queue queue_;
};

template <template <typename> typename Lane>
double Measure(const std::string& impl, std::size_t streams, Duration time) {
  const auto run = [&](auto lane) {
    lane->Run(time / 10);
    const Cost cost = lane->Run(time);
    return static_cast<double>(cost.cpu.count()) / static_cast<double>(cost.packets);
  };
  if (impl == "slots") return run(std::make_unique<Lane<Slots>>(streams));
  if (impl == "spsc") return run(std::make_unique<Lane<Spsc<false>>>(streams));
  if (impl == "spsc_in_place") return run(std::make_unique<Lane<Spsc<true>>>(streams));
  return run(std::make_unique<Lane<Mutex>>(streams));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const std::string lane = argv[1];
  const Duration time = std::chrono::milliseconds(std::atoi(argv[2]));
  for (std::size_t i = 0; i < kSources; ++i) {
    for (std::size_t at = 0; at < kBytes; ++at) sources[i][at] = std::byte(i * 7 + at);
  }
  std::printf("{");
  for (int i = 3; i < argc; ++i) {
    const double ns = lane == "two"    ? Measure<TwoThreads>(argv[i], 1, time)
                      : lane == "many" ? Measure<OneThread>(argv[i], kStreams, time)
                                       : Measure<OneThread>(argv[i], 1, time);
    std::printf("%s\"%s\": %.2f", i > 3 ? ", " : "", argv[i], ns);
  }
  std::printf("}\n");
}
