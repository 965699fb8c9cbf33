// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/cache/trace.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `cachebench snapshot` does; see cachebench(1).
struct CacheSnapshotOptions {
  std::string file;
  std::string trace;  // empty: a million zipf-distributed keys
  cache::TraceOptions format;
  std::string policy = "adaptive";
  std::uint64_t size = 10'000;  // entries
  std::uint64_t value_bytes = 100;
};

/// Replays the trace through a cache, read-through, and writes what it holds to the file.
/// Throws: ConfigError for bad traces, OutputError.
PERF_EXPORT load::Result SnapshotSave(const CacheSnapshotOptions& options, const Context& context);

/// Loads the file and replays the trace: how many hits its first tenth has with what was loaded,
/// beside a cache that starts empty and one that went on.
/// Throws: ConfigError for a bad trace and for a file that is damaged.
PERF_EXPORT load::Result SnapshotLoad(const CacheSnapshotOptions& options, const Context& context);

}  // namespace perf::bench
