// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/cache/answer.hpp"
#include "libperf/cache/entry_options.hpp"

namespace perf::cache {

/// Reads one key from the source, like a Loader.
using WarmFunction = std::function<Loaded(std::string_view key)>;

struct WarmProgress {
  std::size_t total = 0;
  std::size_t loaded = 0;
  std::size_t fresh = 0;      ///< Were there already.
  std::size_t unmatched = 0;  ///< No pattern fits.
  std::size_t failed = 0;     ///< Error, timeout or a value that memory refused.
};

struct WarmOptions {
  /// Threads that load: 1 to 256.
  int concurrency = 4;
  /// Loads a second over all threads; 0 is unlimited.
  double rate = 0;
  Deadline deadline = Deadline::Never();
  std::optional<EntryOptions> entry;
  /// Called after each key, by one thread at a time.
  std::function<void(const WarmProgress&)> progress;
};

struct WarmReport : WarmProgress {
  /// False: the deadline passed first.
  bool complete = false;
};

}  // namespace perf::cache
