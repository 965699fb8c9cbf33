// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/cache_options.hpp"
#include "libperf/cache/frame.hpp"

namespace perf::cache {

/// One entry of a snapshot; all times are what was left when it was saved (Duration::max(): for
/// ever).
struct SnapshotEntry {
  std::string_view key;
  bool negative = false;
  bool old = false;
  Duration fresh{};
  Duration renew{};
  Duration rescue{};
  Duration load_time{};
  std::uint64_t stamp = 0;
  std::vector<TagMark> tags;
  Codec codec = Codec::kNone;
  std::uint64_t raw_length = 0;
  std::string_view bytes;  ///< Packed with `codec`.
};

struct SnapshotHeader {
  std::int64_t wall_micros = 0;
  /// The tier's generation of the whole cache; 0: there was none.
  std::uint64_t generation = 0;
};

/// magic "PKSN", version, wall clock, generation; entries, each with its length; a length of 0, how
/// many there were, and XXH3 of all that stands before it. Little endian.
std::string BeginSnapshot(const SnapshotHeader& header);
void AppendEntry(std::string& out, const SnapshotEntry& entry);
/// What stands between the last entry and the checksum.
std::string EndSnapshot(std::uint64_t entries);

/// Reads a whole snapshot, twice: all of it is in order before `show` sees the first entry.
/// Thread safety: any thread. Throws: ConfigError, saying what is wrong, for anything damaged or of
/// another version.
PERF_EXPORT SnapshotHeader ParseSnapshot(std::string_view bytes,
                                         const std::function<void(const SnapshotEntry&)>& show);

}  // namespace perf::cache
