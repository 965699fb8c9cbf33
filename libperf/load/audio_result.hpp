// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/stats/summary.hpp"

namespace perf::load {

/// Packets for which there was nothing, or no room; those that follow one another are one event.
struct AudioXruns {
  std::uint64_t events = 0;
  std::uint64_t frames = 0;
};

/// Streams of audio in a run, as perfkit-result(5) has it; a frame is what one period brings. What
/// was not measured is nothing. A value.
struct PERF_EXPORT AudioResult {
  std::uint64_t streams = 0;
  std::uint64_t frames = 0;              // due at the reader
  AudioXruns underruns;                  // the buffer was empty when a frame was due
  AudioXruns overruns;                   // the buffer was full when a frame came
  stats::Summary late;                   // the reader came late, whatever the buffer held
  std::uint64_t over_period = 0;         // by more than a period
  bool checked = true;                   // frames had marks; else the next four are not known
  std::uint64_t lost = 0;                // missing from the sequence
  std::uint64_t torn = 0;                // with a checksum that is not its own
  std::uint64_t leaked = 0;              // of another stream
  std::uint64_t repeated = 0;            // seen before
  std::optional<std::uint64_t> refused;  // streams, for want of budget
  std::optional<std::uint64_t> hot_allocs;
  std::optional<double> bytes_per_stream;
  std::optional<double> starved_ms;  // of the worst pacer
  std::optional<double> cpu_ns_per_frame;
  std::optional<double> rss_returned_ratio;
  std::optional<std::uint64_t> capacity_streams;

  Json ToJson() const;
};

}  // namespace perf::load
