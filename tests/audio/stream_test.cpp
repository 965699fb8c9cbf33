// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/stream.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libperf/audio/stream_wait.hpp"
#include "libperf/audio/streams.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/base/task.hpp"

using namespace perf::audio;
using namespace std::chrono_literals;
using perf::Clock;
using perf::Deadline;

namespace {

Deadline In(perf::Duration time) { return Deadline::After(Clock::now(), time); }

StreamRef OpenOne(Streams& streams, const StreamOptions& options = {}) {
  Opened opened = streams.Open(options);
  REQUIRE(opened);
  return opened.stream;
}

std::vector<std::byte> Packet(const Stream& stream, int value) {
  return std::vector<std::byte>(stream.PacketBytes(), std::byte(value));
}

/// Runs what is posted when it is asked to.
class Hand final : public perf::Executor {
 public:
  void Post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    posted_.notify_one();
  }
  void RunOne() {
    std::unique_lock lock(mutex_);
    REQUIRE(posted_.wait_for(lock, 10s, [&] { return !work_.empty(); }));
    const std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
  }
  bool Idle() {
    const std::lock_guard lock(mutex_);
    return work_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
};

}  // namespace

TEST_CASE("stream: options that make no sense, and budgets that are full, with figures") {
  Streams streams({1U << 20U, 200'000});
  CHECK_THROWS_AS(streams.Open({AudioFormat::Parse("s16:11025:1")}), perf::ConfigError);
  CHECK_THROWS_AS(streams.Open({{}, 20ms, 0ms}), perf::ConfigError);
  const Opened large = streams.Open({{}, 20ms, 10s});
  CHECK(!large);
  CHECK(large.refusal == "a buffer of 10s of s16:24000:1 takes 470 KiB; a stream may have 195 KiB");
  std::vector<StreamRef> open;
  Opened opened;
  while ((opened = streams.Open({}))) open.push_back(opened.stream);
  CHECK(open.size() == (1U << 20U) / (11 * 960 + 256));
  CHECK(opened.refusal.find("of the budget of 1 MiB") != std::string::npos);
  CHECK(opened.refusal.find("by 96 streams") != std::string::npos);
  CHECK(streams.Usage().reserved_bytes <= 1U << 20U);
  open.pop_back();
  CHECK(streams.Open({}));
  CHECK(streams.Usage().refused == 2);
  open.clear();
  CHECK(streams.Usage().reserved_bytes == 0);
  CHECK(streams.Usage().streams == 0);
}

TEST_CASE("stream: found by its id, which nobody has again") {
  Streams streams;
  StreamRef first = OpenOne(streams);
  const std::uint64_t id = first->Id();
  CHECK(streams.Find(id).Get() == first.Get());
  first = {};
  CHECK(!streams.Find(id));
  const StreamRef second = OpenOne(streams);
  CHECK(second->Id() != id);
  CHECK(!streams.Find(id));
  CHECK(streams.Find(second->Id()).Get() == second.Get());
  CHECK(!streams.Find(12345));
}

TEST_CASE("stream: outlives its Streams, closed") {
  StreamRef stream;
  {
    Streams streams;
    stream = OpenOne(streams);
    REQUIRE(stream->Write(Packet(*stream, 1)));
  }
  CHECK(stream->Closed());
  CHECK(stream->Peek().empty());
  CHECK(stream->BeginWrite() == nullptr);
  CHECK(stream->Wait(WaitKind::kPacket, In(1s)) == Readiness::kClosed);
}

// pipecat PR 4952, piper1-gpl #253: chunks of odd sizes.
TEST_CASE("stream: appended in pieces of any size it reads the same") {
  Streams streams;
  perf::Random random(5);
  for (int round = 0; round < 20; ++round) {
    const StreamRef stream = OpenOne(streams);
    std::vector<std::byte> in(20'000), out;
    for (std::byte& byte : in) byte = std::byte(random.Int(0, 255));
    std::vector<std::byte> packet(stream->PacketBytes());
    for (std::size_t at = 0; at < in.size();) {
      const std::size_t sizes[] = {1, 2, 3, 4063, 1697};
      const std::size_t count = std::min(in.size() - at, sizes[random.Int(0, 4)]);
      REQUIRE(stream->Append(std::span(in).subspan(at, count)) == count);
      at += count;
      while (stream->Read(packet)) out.insert(out.end(), packet.begin(), packet.end());
    }
    stream->Finish();
    while (stream->Read(packet)) out.insert(out.end(), packet.begin(), packet.end());
    CHECK(out.size() == (in.size() + 959) / 960 * 960);
    CHECK(std::memcmp(in.data(), out.data(), in.size()) == 0);
    for (std::size_t i = in.size(); i < out.size(); ++i) REQUIRE(out[i] == std::byte(0));
    CHECK(stream->Look(WaitKind::kPacket) == Readiness::kEnded);
  }
}

// OwnAudioSharp #39: what is lost is whole frames, whatever the pieces.
TEST_CASE("stream: an overflow in the middle of a frame of 12 channels") {
  Streams streams;
  for (const Overflow overflow : {Overflow::kDropNewest, Overflow::kDropOldest}) {
    const StreamRef stream =
        OpenOne(streams, {AudioFormat::Parse("s16:1000:12"), 20ms, 60ms, overflow});
    std::vector<std::byte> in(24 * 1000);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = std::byte(i % 24);
    for (std::size_t at = 0; at < in.size(); at += 25) {
      stream->Append(std::span(in).subspan(at, std::min<std::size_t>(25, in.size() - at)));
    }
    CHECK(stream->Counts().overruns.packets == 47);
    int packets = 0;
    for (auto packet = stream->Peek(); !packet.empty(); packet = stream->Peek()) {
      for (std::size_t i = 0; i < packet.size(); ++i) REQUIRE(packet[i] == std::byte(i % 24));
      stream->Pop();
      ++packets;
    }
    CHECK(packets == 3);
  }
}

TEST_CASE("stream: what Append has begun goes with a flush") {
  Streams streams;
  const StreamRef stream = OpenOne(streams);
  const auto old = Packet(*stream, 1), fresh = Packet(*stream, 2);
  stream->Append(old);
  stream->Append(std::span(old).first(7));
  stream->Flush();
  stream->Append(fresh);
  const auto packet = stream->Peek();
  REQUIRE(packet.size() == fresh.size());
  CHECK(std::memcmp(packet.data(), fresh.data(), fresh.size()) == 0);
  stream->Pop();
  CHECK(stream->Fill() == 0);
  CHECK(stream->Counts().flushed == 1);
}

TEST_CASE("stream: pause, finish, reset") {
  Streams streams;
  const StreamRef stream = OpenOne(streams);
  REQUIRE(stream->Write(Packet(*stream, 1)));
  stream->Pause();
  CHECK(stream->Peek().empty());
  CHECK(stream->Wait(WaitKind::kPacket, In(1ms)) == Readiness::kNotYet);
  CHECK(stream->Counts().underruns.packets == 0);
  stream->Resume();
  CHECK(stream->Wait(WaitKind::kPacket, In(1s)) == Readiness::kReady);
  stream->Finish();
  CHECK(stream->BeginWrite() == nullptr);
  CHECK(stream->Drain(In(1ms)) == Readiness::kNotYet);
  REQUIRE(!stream->Peek().empty());
  CHECK(stream->Drain(In(1ms)) == Readiness::kNotYet);  // it is still being read
  stream->Pop();
  CHECK(stream->Drain(In(1ms)) == Readiness::kReady);
  CHECK(stream->Wait(WaitKind::kPacket, In(1s)) == Readiness::kEnded);
  CHECK(stream->Counts().underruns.packets == 0);
  stream->Reset();
  CHECK(stream->Epoch() == 1);
  REQUIRE(stream->Write(Packet(*stream, 2)));
  CHECK(stream->Peek()[0] == std::byte(2));
  stream->Pop();
}

TEST_CASE("stream: a writer and a reader that wait for one another") {
  Streams streams;
  const StreamRef stream = OpenOne(streams);
  constexpr int kPackets = 20'000;
  std::thread writer([&] {
    for (int i = 0; i < kPackets; ++i) {
      if (stream->Wait(WaitKind::kRoom, In(30s)) != Readiness::kReady) return;
      std::memcpy(stream->BeginWrite(), &i, sizeof i);
      stream->CommitWrite();
    }
    stream->Drain(In(30s));
  });
  int next = 0;
  while (stream->Wait(WaitKind::kPacket, In(30s)) == Readiness::kReady) {
    int number = -1;
    std::memcpy(&number, stream->Peek().data(), sizeof number);
    stream->Pop();
    if (number != next++) break;
  }
  writer.join();
  CHECK(next == kPackets);
  CHECK(stream->Counts().overruns.packets == 0);
  CHECK(stream->Counts().underruns.packets == 0);
}

// jsyn PR 47: a lost wake-up; pihpsdr #118: a drain that spins after its reader died.
TEST_CASE("stream: 10,000 rounds of close with a reader, a writer or a drain that waits") {
  Streams streams;
  std::atomic<int> wrong{0};
  std::atomic<StreamRef*> for_reader{nullptr}, for_writer{nullptr};
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> slowest{0};
  std::atomic<perf::TimePoint> closed{perf::TimePoint{}};
  const auto serve = [&](std::atomic<StreamRef*>& box, bool reads) {
    while (!stop) {
      StreamRef* const given = box.load();
      if (given == nullptr) {
        std::this_thread::yield();
        continue;
      }
      const StreamRef stream = *given;
      const WaitKind kind = reads                   ? WaitKind::kPacket
                            : stream->Id() % 2 == 0 ? WaitKind::kRoom
                                                    : WaitKind::kDrained;
      if (stream->Wait(kind, In(10s)) != Readiness::kClosed) ++wrong;
      const auto late = (Clock::now() - closed.load()).count();
      if (late > slowest.load()) slowest = late;
      box.store(nullptr);
    }
  };
  std::thread reader([&] { serve(for_reader, true); });
  std::thread writer([&] { serve(for_writer, false); });
  for (int round = 0; round < 10'000; ++round) {
    StreamRef readable = OpenOne(streams), full = OpenOne(streams, {{}, 20ms, 20ms});
    REQUIRE(full->Write(Packet(*full, 1)));
    for_reader = &readable;
    for_writer = &full;
    if (round % 3 == 0) std::this_thread::yield();
    closed = Clock::now();
    readable->Close();
    full->Close();
    while (for_reader.load() != nullptr || for_writer.load() != nullptr) std::this_thread::yield();
  }
  stop = true;
  reader.join();
  writer.join();
  CHECK(wrong == 0);
  MESSAGE("slowest wake: ", slowest.load() / 1000, " us");
  CHECK(streams.Usage().streams == 0);
}

TEST_CASE("stream: a close is never seen as room, or as drained, because it emptied the buffer") {
  Streams streams;
  std::atomic<Stream*> to_close{nullptr};
  std::atomic<bool> stop{false};
  std::thread closer([&] {
    while (!stop) {
      if (Stream* const stream = to_close.load()) {
        stream->Close();
        to_close = nullptr;
      } else {
        std::this_thread::yield();
      }
    }
  });
  int wrong = 0;
  for (int round = 0; round < 10'000; ++round) {
    const StreamRef stream = OpenOne(streams, {{}, 20ms, 20ms});
    stream->BeginWrite();
    stream->CommitWrite();
    const WaitKind kind = round % 2 == 0 ? WaitKind::kRoom : WaitKind::kDrained;
    to_close = stream.Get();
    Readiness seen = Readiness::kNotYet;
    for (int look = 1; seen == Readiness::kNotYet; ++look) {
      seen = stream->Look(kind);
      // Where both threads share a processor the closer would wait for the end of a time slice.
      if (look % 1000 == 0) std::this_thread::yield();
    }
    if (seen != Readiness::kClosed) ++wrong;
    while (to_close.load() != nullptr) std::this_thread::yield();
  }
  stop = true;
  closer.join();
  CHECK(wrong == 0);
}

TEST_CASE("stream: awaited on an executor") {
  Streams streams;
  const StreamRef stream = OpenOne(streams);
  Hand hand;
  std::vector<Readiness> seen;
  const auto reader = [&]() -> perf::Task<> {
    while (true) {
      seen.push_back(co_await stream->WaitOn(hand, WaitKind::kPacket, Deadline::Never()));
      if (seen.back() != Readiness::kReady) break;
      REQUIRE(!stream->Peek().empty());
      stream->Pop();
    }
  };
  perf::Detach(reader());
  CHECK(hand.Idle());
  REQUIRE(stream->Write(Packet(*stream, 1)));
  CHECK(seen.empty());
  hand.RunOne();
  CHECK(seen.size() == 1);
  CHECK(hand.Idle());
  stream->Close();
  hand.RunOne();
  CHECK(seen == std::vector{Readiness::kReady, Readiness::kClosed});
}

TEST_CASE("stream: an asynchronous wait ends at its deadline, or by what is there") {
  Streams streams;
  const StreamRef stream = OpenOne(streams);
  Hand hand;
  std::vector<Readiness> seen;
  const auto note = [&](Readiness readiness) { seen.push_back(readiness); };
  const perf::TimePoint now = Clock::now();
  stream->WaitAsync(WaitKind::kPacket, Deadline(now + 10s), hand, note);
  stream->WaitAsync(WaitKind::kRoom, Deadline(now + 10s), hand, note);
  hand.RunOne();
  CHECK(seen == std::vector{Readiness::kReady});
  CHECK(streams.ExpireWaits(now + 9s) == now + 10s);
  CHECK(hand.Idle());
  CHECK(streams.ExpireWaits(now + 10s) == perf::TimePoint::max());
  hand.RunOne();
  CHECK(seen == std::vector{Readiness::kReady, Readiness::kNotYet});
}

TEST_CASE("stream: idle ones are closed") {
  Streams streams;
  const StreamRef busy = OpenOne(streams), idle = OpenOne(streams);
  for (int i = 0; i < 5; ++i) {
    busy->Write(Packet(*busy, 1));
    streams.CloseIdle(3);
  }
  CHECK(idle->Closed());
  CHECK(!busy->Closed());
  CHECK(streams.Usage().idle_closed == 1);
}

TEST_CASE("stream: bytes a stream") {
  Streams streams;
  std::vector<StreamRef> open;
  const auto grow = [&](std::size_t to, const StreamOptions& options, std::uint32_t fill) {
    while (open.size() < to) {
      open.push_back(OpenOne(streams, options));
      for (std::uint32_t i = 0; i < fill; ++i)
        open.back()->BeginWrite(), open.back()->CommitWrite();
    }
    return streams.Usage().resident_bytes;
  };
  const auto slope = [&](const char* format, std::uint32_t fill) {
    open.clear();
    streams.Trim();
    const StreamOptions options{AudioFormat::Parse(format)};
    const std::uint64_t few = grow(1000, options, fill);
    return static_cast<double>(grow(10'000, options, fill) - few) / 9000;
  };
  CHECK(slope("s16:24000:1", 10) <= 9.75 * 1024);
  CHECK(slope("s16:24000:1", 3) <= 3.2 * 1024);
  CHECK(slope("ulaw:8000:1", 10) <= 1.85 * 1024);
}

TEST_CASE("stream: nine of ten close at random, the rest plays on, and the memory goes back") {
  Streams streams;
  perf::Random random(9);
  std::vector<StreamRef> open;
  for (int i = 0; i < 20'000; ++i) {
    open.push_back(OpenOne(streams));
    for (int fill = 0; fill < 3; ++fill) REQUIRE(open.back()->Write(Packet(*open.back(), i)));
  }
  const std::uint64_t full = streams.Usage().resident_bytes;
  for (std::size_t i = open.size(); i > 1; --i) {
    std::swap(open[i - 1], open[static_cast<std::size_t>(random.Int(0, static_cast<int>(i) - 1))]);
  }
  open.resize(2000);
  for (int tick = 0; tick < 10; ++tick) {
    streams.Trim();
    for (const StreamRef& stream : open) {
      REQUIRE(!stream->Peek().empty());
      stream->Pop();
      REQUIRE(stream->Write(Packet(*stream, tick)));
    }
  }
  streams.Trim();
  const std::uint64_t left = streams.Usage().resident_bytes;
  MESSAGE("kept ", left, " of ", full);
  CHECK(static_cast<double>(full - left) >= 0.8 * static_cast<double>(full));
  int value = -1;
  for (const StreamRef& stream : open) {
    for (int fill = 7; fill < 10; ++fill) {
      const auto packet = stream->Peek();
      REQUIRE(packet[0] == std::byte(fill));
      REQUIRE(packet[959] == std::byte(fill));
      stream->Pop();
      value = fill;
    }
  }
  CHECK(value == 9);
}
