// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

class Subject;

/// What `poolbench micro` measures; see poolbench(1).
struct MicroOptions {
  std::vector<std::size_t> threads{1, 2, 8, 32};
  std::vector<std::size_t> pools{32, 16};
  std::vector<Duration> holds{Duration::zero(), std::chrono::microseconds(1),
                              std::chrono::microseconds(100)};
  /// Of bounded, strict, mutex, fifo.
  std::vector<std::string> impls{"bounded", "strict", "mutex", "fifo"};
  Duration length = std::chrono::seconds(1);  // of each implementation at each point
  std::uint64_t operations = 0;               // not 0: so many of each, instead of `length`
  bool judge_speed = true;                    // whether ratios and fairness are checks
  Duration stuck_after = std::chrono::seconds(2);
};

/// Makes the pool `impl` with `size` resources. Throws: UsageError for an unknown name.
using MakeSubject =
    std::function<std::unique_ptr<Subject>(const std::string& impl, std::size_t size)>;

/// Acquires and releases stub connections on many threads, implementation against implementation in
/// short slices of the same seconds, and compares operations per second of processor time.
/// Throws: UsageError for an unknown implementation.
PERF_EXPORT load::Result PoolMicro(const MicroOptions& options, const Context& context);
/// As above with other pools, for tests.
PERF_EXPORT load::Result PoolMicro(const MicroOptions& options, const Context& context,
                                   const MakeSubject& make);

}  // namespace perf::bench
