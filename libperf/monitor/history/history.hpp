// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/history/cell.hpp"
#include "libperf/monitor/history/copy.hpp"
#include "libperf/monitor/history/options.hpp"

namespace perf::monitor {

/// How the history does. Totals count from its start.
struct HistoryFigures {
  std::uint64_t size_bytes = 0;  // of the database file
  std::uint64_t stored_series = 0;
  std::uint64_t series_over_limit = 0;  // listed, but max_series were there already
  std::uint64_t series_unlisted = 0;
  std::uint64_t write_failures = 0;     // transactions that the disk refused
  std::uint64_t dropped_snapshots = 0;  // the queue was full, or the disk refused them
  std::uint64_t dropped_cells = 0;      // of old data, for the limit of bytes or a full disk
  bool failing = false;                 // the last write failed
  std::string last_error;               // why the last failure was one; empty: there was none
};

/// Writes what the metrics say to a SQLite database, in tiers that get coarser with age.
/// One thread writes; nobody who calls waits for the disk. A full disk costs the oldest data,
/// then the newest, but never the process: it is told in the log, in the figures and in
/// perfkit_history_write_failures_total. Of what was written, a kill at any moment loses nothing;
/// a power cut at most what the system had not yet synced.
/// Thread safety: all methods. Lifetime: borrows the registry; the destructor writes what waits,
/// for at most 5 s.
class PERF_EXPORT History {
 public:
  /// Opens or makes the database, checks it, and brings it up to date. A damaged file is renamed
  /// to PATH.damaged-TIME, which is told in the log, and a new one begun. Registers its own
  /// metrics where a registry is given: perfkit_history_size_bytes, _rows{tier},
  /// _write_failures_total, _series{state}, _dropped_snapshots_total, _dropped_rows_total.
  /// Throws: IoError that names the path and the remedy: another agent writes it (with its
  /// process id), no permission, a newer version; ConfigError for options out of their range.
  explicit History(HistoryOptions options, metrics::Registry* registry = nullptr,
                   std::unique_ptr<HistoryCopy> copy = nullptr);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// To be called with each snapshot, at least as often as the shorter step. What is due by the
  /// steps is queued; the rest of the snapshot is not looked at twice. Times that go back (the
  /// clock was set) are written as they are.
  void Record(const metrics::MetricsSnapshot& snapshot, WallTime now);
  /// Keeps a text under a name (at most 1,000 names, 1 MiB each): false where that is exceeded.
  /// Several puts of one name before the disk has taken the first become one.
  bool PutState(std::string_view name, std::string text);
  void DropState(std::string_view name);
  /// Waits until all that was recorded before is on disk or given up; whether it came to that by
  /// the deadline.
  bool Flush(Deadline deadline);
  HistoryFigures Figures() const;
  const std::string& Path() const noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::monitor
