// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libperf/audio/pacer.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/bench/context.hpp"

namespace perf::bench {

/// What pacers and the process did while streams ran steadily.
struct RigFigures {
  audio::PaceTally late;          // of the readers
  audio::PaceTally writers_late;  // of the writers, where they have pacers of their own
  Duration starved{};             // of the readers' pacer that fared worst
  Duration longest_starved{};
  Duration length{};
  Duration cpu{};            // of the process
  std::uint64_t faults = 0;  // pages that were touched for the first time
  std::uint64_t allocations = 0;
  std::size_t threads = 0;
  bool pinned = true;           // each to its core
  bool run_delay_known = true;  // by the kernel

  double StarvedShare() const noexcept {
    return length > Duration::zero() ? ToMs(starved) / ToMs(length) : 0;
  }
};

/// Pacers for the readers and for the writers of streams, one of each on each core; both ends of a
/// stream are on the same core.
/// Thread safety: none. Lifetime: borrows what is due, until Stop.
class AudioRig {
 public:
  /// `cores`: so many, at most those that there are; 0: all.
  AudioRig(std::size_t cores, const Context& context);

  std::size_t Cores() const noexcept { return readers_.size(); }
  /// The i-th to the core i % Cores(); writers may be none.
  void Add(std::span<audio::Paced* const> readers, Duration period,
           std::span<audio::Paced* const> writers, Duration writers_period);
  /// Returns when none of them can be called any more.
  void Remove(std::span<audio::Paced* const> readers, std::span<audio::Paced* const> writers);
  /// Counts from now on.
  void Begin();
  /// Returns after `length`, or when it was stopped from outside.
  void Run(Duration length) const;
  /// What the process does from now on, such as to close streams, is not the streams' doing.
  void End() { end_ = Now(); }
  /// What was counted since Begin, and ends all threads. Called once, after End.
  RigFigures Stop();

 private:
  using Pacers = std::vector<std::unique_ptr<audio::Pacer>>;
  struct Snapshot {
    TimePoint at;
    Duration cpu{};
    std::uint64_t faults = 0, allocations = 0;
  };
  Snapshot Now() const;

  const Context& context_;
  audio::CoreThreads threads_;
  Snapshot begin_, end_;
  Pacers readers_, writers_;
};

/// Resident memory of the process, exactly, but for pages of files: a program's own code that runs
/// for the first time is nobody's stream. 0 where the kernel does not tell.
std::uint64_t ResidentBytes();
/// How many mappings it has.
std::size_t MappingCount();

}  // namespace perf::bench
