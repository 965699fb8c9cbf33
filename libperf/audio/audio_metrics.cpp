// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "libperf/audio/memory_optimizer.hpp"

namespace perf::audio {
namespace {

using metrics::FamilySpec;
using metrics::Labels;
using metrics::Type;

double D(std::uint64_t value) noexcept { return static_cast<double>(value); }

}  // namespace

void AddAudioMetrics(const OptimizerUsage& usage, metrics::Collection& collection) {
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value,
                         const char* unit = "", Labels labels = {}) {
    collection.Value(FamilySpec{name, help, Type::kGauge, unit, false}, std::move(labels),
                     D(value));
  };
  const auto counter = [&](const char* name, const char* help, std::uint64_t value,
                           Labels labels = {}, const char* unit = "") {
    collection.Value(FamilySpec{name, help, Type::kCounter, unit, false}, std::move(labels),
                     D(value));
  };
  const StreamsUsage& streams = usage.streams;
  gauge("perfkit_audio_streams", "Streams that are open.", streams.streams);
  counter("perfkit_audio_streams_opened_total", "Streams that were opened.", streams.opened);
  counter("perfkit_audio_streams_refused_total", "Streams that a limit or the budget refused.",
          streams.refused);
  counter("perfkit_audio_streams_idle_closed_total", "Streams closed because nothing moved.",
          streams.idle_closed);
  const auto frames = [&](const char* direction, std::uint64_t count) {
    counter("perfkit_audio_frames_total", "Frames of one period that went in and out.", count,
            {{"direction", direction}});
  };
  frames("in", streams.counts.written);
  frames("out", streams.counts.read);
  counter("perfkit_audio_underruns_total", "Runs of frames that were missing when asked for.",
          streams.counts.underruns.events);
  counter("perfkit_audio_underrun_frames_total", "Frames that were missing when asked for.",
          streams.counts.underruns.packets);
  counter("perfkit_audio_overruns_total", "Runs of frames that found no room.",
          streams.counts.overruns.events);
  counter("perfkit_audio_overrun_frames_total", "Frames dropped because there was no room.",
          streams.counts.overruns.packets);
  gauge("perfkit_audio_limit_bytes", "What streams may reserve.", streams.budget_bytes, "bytes");
  const auto memory = [&](const char* state, std::uint64_t bytes) {
    gauge("perfkit_audio_memory_bytes", "Memory of buffers by state.", bytes, "bytes",
          {{"state", state}});
  };
  memory("reserved", streams.reserved_bytes);
  memory("used", streams.used_bytes);
  memory("resident", streams.resident_bytes);
  memory("cold", usage.cold_bytes);
  gauge("perfkit_audio_cold_audio_bytes", "Audio that waits packed, as plain audio.",
        usage.cold_audio_bytes, "bytes");
  counter("perfkit_audio_cold_lost_bytes_total", "Audio that found no room to wait.",
          usage.cold_lost_bytes, {}, "bytes");
  const auto spills = [&](const char* result, std::uint64_t count) {
    counter("perfkit_audio_spilled_blocks_total", "Packed blocks for the file, by result.", count,
            {{"result", result}});
  };
  spills("ok", usage.spilled_blocks);
  spills("no_space", usage.spill_failures);
  counter("perfkit_audio_trims_total", "Times that free memory went back.", usage.trims);
  counter("perfkit_audio_trimmed_bytes_total", "Memory that went back.", usage.trimmed_bytes, {},
          "bytes");
}

metrics::Registry::Registration AudioMemoryOptimizer::RegisterMetrics(metrics::Registry& registry) {
  return registry.Collect(
      "audio", [this](metrics::Collection& collection) { AddAudioMetrics(Usage(), collection); });
}

}  // namespace perf::audio
