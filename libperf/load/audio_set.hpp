// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libperf/audio/pacer.hpp"
#include "libperf/audio/streams.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/audio_spec.hpp"

namespace perf::load {

/// The streams of one run under one budget, which all its loops share, and the threads that pace
/// them: one for each loop, but no more than there are processors.
/// Thread safety: as of what it holds; Stop once no loop runs. Lifetime: goes after the loops that
/// use it have ended.
class PERF_EXPORT AudioSet {
 public:
  /// Throws: ConfigError; std::system_error without threads.
  AudioSet(const AudioSpec& spec, std::size_t loops);
  ~AudioSet();
  AudioSet(const AudioSet&) = delete;
  AudioSet& operator=(const AudioSet&) = delete;

  const AudioSpec& Spec() const noexcept { return spec_; }
  audio::Streams& Streams() noexcept { return streams_; }
  audio::Pacer& PacerOf(std::size_t loop) noexcept { return *pacers_[loop % pacers_.size()]; }
  /// Gives memory back when more than AudioSpec::gc_threshold of it lies free; returns how much.
  std::uint64_t Collect();
  /// Ends the pacers; no stream is played any more.
  void Stop();
  /// Of the pacer that fared worst. Requires: stopped.
  Duration Starved() const noexcept;

 private:
  const AudioSpec spec_;
  audio::Streams streams_;
  audio::CoreThreads threads_;
  std::vector<std::unique_ptr<audio::Pacer>> pacers_;
};

}  // namespace perf::load
