// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/memory_optimizer.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"

using namespace perf::audio;
using namespace std::chrono_literals;
using perf::Clock;

namespace {

AudioMemoryOptimizer::Options ByHand() {
  AudioMemoryOptimizer::Options options;
  options.own_thread = false;
  return options;
}

perf::config::Environment Environment(const std::map<std::string, std::string>& variables) {
  return perf::config::Environment(
      [variables](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      });
}

}  // namespace

TEST_CASE("audio config: the environment wins, and a bad value is named") {
  const BufferConfig defaults = BufferConfig::FromEnvironment(Environment({}));
  CHECK(defaults.max_buffer_size_mb == 10);
  CHECK(defaults.chunk_size_bytes == 4096);
  CHECK(defaults.gc_threshold_mb == 50);
  CHECK(defaults.enable_compression);
  const BufferConfig read =
      BufferConfig::FromEnvironment(Environment({{"AUDIO_BUFFER_MAX_SIZE_MB", "3"},
                                                 {"AUDIO_CHUNK_SIZE", "128"},
                                                 {"AUDIO_GC_THRESHOLD_MB", "7"},
                                                 {"AUDIO_COMPRESSION_ENABLED", "false"}}));
  CHECK(read.max_buffer_size_mb == 3);
  CHECK(read.chunk_size_bytes == 128);
  CHECK(read.gc_threshold_mb == 7);
  CHECK(!read.enable_compression);
  for (const char* name : {"AUDIO_BUFFER_MAX_SIZE_MB", "AUDIO_CHUNK_SIZE", "AUDIO_GC_THRESHOLD_MB",
                           "AUDIO_COMPRESSION_ENABLED"}) {
    try {
      BufferConfig::FromEnvironment(Environment({{name, "-1"}}));
      FAIL("no error");
    } catch (const perf::ConfigError& error) {
      CHECK(std::string(error.what()).find(name) != std::string::npos);
    }
  }
  BufferConfig bad;
  bad.chunk_size_bytes = 0;
  CHECK_THROWS_AS(Validate(bad), perf::ConfigError);
}

TEST_CASE("memory optimizer: streams by id, processed in chunks of whole frames") {
  AudioMemoryOptimizer optimizer(ByHand());
  const auto created =
      optimizer.CreateOptimizedStream({AudioFormat::Parse("s16:8000:3"), 20ms, 1s});
  REQUIRE(created);
  CHECK(optimizer.GetAudioStream(created.id).Get() == created.stream.Get());
  const std::vector<std::byte> audio(6 * 2000, std::byte(3));
  std::vector<std::size_t> chunks;
  const std::size_t kept =
      optimizer.ProcessAudioData(created.id, audio, [&](std::span<const std::byte> chunk) {
        chunks.push_back(chunk.size());
        std::vector<std::byte> louder(chunk.begin(), chunk.end());
        for (std::byte& byte : louder) byte = std::byte(std::to_integer<int>(byte) * 2);
        return louder;
      });
  CHECK(kept == audio.size());
  CHECK(chunks == std::vector<std::size_t>{4092, 4092, 3816});
  const auto packet = created.stream->Peek();
  REQUIRE(packet.size() == 960);
  CHECK(packet[0] == std::byte(6));
  created.stream->Pop();
  CHECK_THROWS_AS(optimizer.ProcessAudioData(created.id, std::span(audio).first(7)), perf::Error);
  CHECK_THROWS_AS(optimizer.ProcessAudioData(99, audio), perf::Error);
  CHECK(optimizer.UsageByStream().size() == 1);
  CHECK(optimizer.UsageByStream()[0].used_bytes > 11 * 960);
  CHECK(optimizer.CloseStream(created.id));
  CHECK(!optimizer.CloseStream(created.id));
  CHECK(!optimizer.GetAudioStream(created.id));
  CHECK(created.stream->Closed());
}

TEST_CASE("memory optimizer: a burst waits packed and plays whole; its own thread feeds it") {
  for (const bool compression : {true, false}) {
    AudioMemoryOptimizer::Options options;
    options.tick = 1ms;
    options.buffers.enable_compression = compression;
    AudioMemoryOptimizer optimizer(options);
    const auto created = optimizer.CreateOptimizedStream({}, ColdKind::kFlac);
    std::vector<std::byte> audio;
    for (int i = 0; i < 3 * 24'000; ++i) {
      audio.push_back(std::byte(i & 0xff));
      audio.push_back(std::byte(i >> 8 & 0x0f));
    }
    CHECK(optimizer.ProcessAudioData(created.id, audio) == audio.size());
    CHECK(optimizer.Usage().cold_audio_bytes > 100'000);
    optimizer.FinishStream(created.id);
    std::vector<std::byte> out;
    const auto until = perf::Deadline::After(Clock::now(), 30s);
    while (created.stream->Wait(WaitKind::kPacket, until) == Readiness::kReady) {
      const auto packet = created.stream->Peek();
      out.insert(out.end(), packet.begin(), packet.end());
      created.stream->Pop();
    }
    CHECK(out == audio);
  }
}

TEST_CASE("memory optimizer: what a stream lost stays counted when it has gone") {
  AudioMemoryOptimizer::Options options = ByHand();
  options.budget_bytes = 200'000;
  AudioMemoryOptimizer optimizer(options);
  const std::vector<std::byte> audio(500'000);
  const auto created = optimizer.CreateOptimizedStream({}, ColdKind::kNone);
  const std::size_t kept = optimizer.ProcessAudioData(created.id, audio);
  CHECK(kept > 100'000);
  CHECK(kept < 200'000);
  CHECK(optimizer.Usage().cold_lost_bytes == audio.size() - kept);
  optimizer.CloseStream(created.id);
  CHECK(optimizer.Usage().cold_lost_bytes == audio.size() - kept);
  perf::metrics::Registry registry;
  const auto registration = optimizer.RegisterMetrics(registry);
  const std::string text = perf::metrics::Expose(registry.Gather(), {});
  CHECK(text.find("perfkit_audio_cold_lost_bytes_total " + std::to_string(audio.size() - kept) +
                  "\n") != std::string::npos);
}

TEST_CASE("memory optimizer: what is free goes back by itself, and idle streams are closed") {
  AudioMemoryOptimizer::Options options = ByHand();
  options.idle_timeout = 1s;
  options.budget_bytes = 1U << 30U;
  AudioMemoryOptimizer optimizer(options);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 10'000; ++i) {
    const auto created = optimizer.CreateOptimizedStream({});
    for (int fill = 0; fill < 10; ++fill) {
      REQUIRE(created.stream->BeginWrite() != nullptr);
      created.stream->CommitWrite();
    }
    ids.push_back(created.id);
  }
  const std::uint64_t full = optimizer.Usage().streams.resident_bytes;
  const perf::TimePoint now = Clock::now();
  for (int tick = 0; tick < 20; ++tick) optimizer.Tick(now);
  CHECK(optimizer.Usage().trims == 0);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i % 10 != 0) optimizer.CloseStream(ids[i]);
  }
  for (int tick = 0; tick < 20; ++tick) {
    for (std::size_t i = 0; i < ids.size(); i += 10) {
      const StreamRef stream = optimizer.GetAudioStream(ids[i]);
      if (!stream || stream->Peek().empty()) continue;
      stream->Pop();
      stream->BeginWrite();
      stream->CommitWrite();
    }
    optimizer.Tick(now);
  }
  const OptimizerUsage usage = optimizer.Usage();
  MESSAGE("kept ", usage.streams.resident_bytes, " of ", full);
  CHECK(static_cast<double>(usage.streams.resident_bytes) < 0.2 * static_cast<double>(full));
  CHECK(usage.streams.streams == 1000);
  for (int tick = 0; tick < 25; ++tick) optimizer.Tick(now);
  CHECK(optimizer.Usage().streams.streams == 0);
  CHECK(optimizer.Usage().streams.idle_closed == 1000);
}

TEST_CASE("audio metrics: families, closed labels, and counters that stay when streams go") {
  AudioMemoryOptimizer optimizer(ByHand());
  perf::metrics::Registry registry;
  const auto registration = optimizer.RegisterMetrics(registry);
  const auto text = [&] {
    const perf::metrics::MetricsSnapshot snapshot = registry.Gather();
    CHECK(snapshot.errors.empty());
    return perf::metrics::Expose(snapshot, {});
  };
  auto created = optimizer.CreateOptimizedStream({{}, 20ms, 20ms});
  for (int i = 0; i < 3; ++i) {
    if (created.stream->BeginWrite() != nullptr) created.stream->CommitWrite();
  }
  REQUIRE(!created.stream->Peek().empty());
  created.stream->Pop();
  CHECK(created.stream->Peek().empty());
  CHECK(text().find("perfkit_audio_streams 1\n") != std::string::npos);
  optimizer.CloseStream(created.id);
  created.stream = {};
  CHECK(!optimizer.CreateOptimizedStream({{}, 20ms, 20min}));
  const std::string all = text();
  for (const char* line :
       {"perfkit_audio_streams 0", "perfkit_audio_streams_opened_total 1",
        "perfkit_audio_streams_refused_total 1", "perfkit_audio_frames_total{direction=\"in\"} 1",
        "perfkit_audio_frames_total{direction=\"out\"} 1", "perfkit_audio_underruns_total 1",
        "perfkit_audio_underrun_frames_total 1", "perfkit_audio_overruns_total 1",
        "perfkit_audio_overrun_frames_total 2", "perfkit_audio_memory_bytes{state=\"reserved\"} 0",
        "perfkit_audio_limit_bytes 536870912",
        "perfkit_audio_spilled_blocks_total{result=\"ok\"} 0"}) {
    CAPTURE(line);
    CHECK(all.find(std::string(line) + "\n") != std::string::npos);
  }
}
