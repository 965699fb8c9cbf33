// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/audio_set.hpp"

#include <algorithm>

namespace perf::load {

AudioSet::AudioSet(const AudioSpec& spec, std::size_t loops)
    : spec_(spec), streams_({.budget_bytes = spec.budget, .max_stream_bytes = spec.max_buffer}) {
  const std::size_t count = std::clamp<std::size_t>(loops, 1, audio::UsableCores().size());
  for (std::size_t i = 0; i < count; ++i) {
    // Not pinned: the loops are not, and would be in its way on a core that it cannot leave.
    pacers_.push_back(std::make_unique<audio::Pacer>(audio::PacerOptions{}, threads_));
  }
}

AudioSet::~AudioSet() = default;

std::uint64_t AudioSet::Collect() {
  const audio::StreamsUsage usage = streams_.Usage();
  if (usage.resident_bytes <= usage.used_bytes + spec_.gc_threshold) return 0;
  return streams_.Trim();
}

void AudioSet::Stop() {
  for (const auto& pacer : pacers_) pacer->Stop();
}

Duration AudioSet::Starved() const noexcept {
  Duration worst{};
  for (const auto& pacer : pacers_) worst = std::max(worst, pacer->Report().starved);
  return worst;
}

}  // namespace perf::load
