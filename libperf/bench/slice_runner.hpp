// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/crew.hpp"
#include "libperf/bench/subject.hpp"

namespace perf::bench {

/// What one implementation has done at one point, over all of its slices.
struct Tally {
  struct Round {
    std::uint64_t operations = 0;
    double cpu_s = 0;
    double PerCpuSecond() const noexcept {
      return cpu_s > 0 ? static_cast<double>(operations) / cpu_s : 0;
    }
  };
  std::vector<Round> rounds;
  std::vector<std::uint64_t> by_thread;
  stats::Histogram waits{stats::HistogramConfig{1, 100'000'000'000, 3}};  // ns
  std::uint64_t operations = 0;
  std::uint64_t failed = 0;  // acquires that ended without a resource
  std::uint64_t lost = 0;    // threads that waited on although resources were free
  double elapsed_s = 0;
};

/// Runs subjects on the threads of one point, one slice after another, and watches that they go on.
/// Thread safety: none.
class SliceRunner {
 public:
  SliceRunner(std::size_t threads, Duration stuck_after, const Context& context);

  struct Wanted {
    Duration length{};
    std::uint64_t operations = 0;  // not 0: ends after about so many, too
    std::uint64_t hold_rounds = 0;
  };
  /// One slice; counted in `tally` unless that is null (a warm-up). False when it got stuck: the
  /// subject is then not to be used again.
  bool Run(Subject& subject, const Wanted& wanted, Tally* tally);
  std::size_t Threads() const noexcept { return crew_.Size(); }

 private:
  /// How many threads were found waiting for what was free.
  std::size_t Watch(Subject& subject, Slice& slice, const Wanted& wanted, TimePoint end);
  std::uint64_t Operations() const noexcept;
  void Count(Tally& tally, double cpu_s, double elapsed_s, std::size_t lost);

  Duration stuck_after_;
  const Context& context_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Crew crew_;  // last: its threads end first
};

/// So many rounds of Spend take that long on this machine.
std::uint64_t SpendRounds(Duration length);

}  // namespace perf::bench
