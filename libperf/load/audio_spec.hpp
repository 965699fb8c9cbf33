// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libperf/audio/format.hpp"
#include "libperf/base/clock.hpp"

namespace perf::load {

/// What the streams of a scenario may take, and how they play unless a step says otherwise. A
/// value.
struct AudioSpec {
  std::uint64_t budget = std::uint64_t{512} << 20;       // for all that streams may hold
  std::uint64_t max_buffer = std::uint64_t{10} << 20;    // of one stream, and of a reply to play
  std::uint64_t gc_threshold = std::uint64_t{50} << 20;  // of free memory that is kept
  audio::AudioFormat format;
  Duration period = std::chrono::milliseconds(20);
  Duration buffer = std::chrono::milliseconds(200);
  Duration timeout = std::chrono::seconds(10);  // of one play, beyond what it lasts
};

/// Whole frames of a file, which all plays of it share. A value.
struct Sound {
  audio::AudioFormat format;
  std::vector<std::byte> frames;
};

}  // namespace perf::load
