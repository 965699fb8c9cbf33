// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/metrics/log_histogram.hpp"

namespace perf::cache {

/// How long things took in one cache; filled by the cache that was given it (CacheOptions::times).
/// Thread safety: all members' methods.
struct CacheTimes {
  metrics::LogHistogram get;      // get and get_or_set that memory alone did not answer
  metrics::LogHistogram set;      // until memory and, if waited for, the second tier have it
  metrics::LogHistogram remove;   // remove, invalidate_tag, remove_prefix, clear
  metrics::LogHistogram load_ok;  // of the source, also in the background
  metrics::LogHistogram load_error;
};

}  // namespace perf::cache
