// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/history_metrics.hpp"

#include <string>

namespace perf::monitor {
namespace {

using metrics::FamilySpec;
using metrics::Type;

const FamilySpec kSize{"perfkit_history_size_bytes", "Size of the history's database file.",
                       Type::kGauge, "bytes"};
const FamilySpec kRows{"perfkit_history_rows", "Cells kept in each tier, packed ones included.",
                       Type::kGauge, ""};
const FamilySpec kFailures{"perfkit_history_write_failures_total",
                           "Transactions of the history that the disk refused.", Type::kCounter,
                           ""};
const FamilySpec kSeries{"perfkit_history_series",
                         "Series of the last snapshot: stored, listed but over the limit of "
                         "series, or not listed.",
                         Type::kGauge, ""};
const FamilySpec kSnapshots{"perfkit_history_dropped_snapshots_total",
                            "Snapshots that were not written: the disk was too slow or refused.",
                            Type::kCounter, ""};
const FamilySpec kDropped{"perfkit_history_dropped_rows_total",
                          "Old cells that were dropped before their time, to hold the limit of "
                          "bytes or for a full disk.",
                          Type::kCounter, ""};
const FamilySpec kCopy{"perfkit_history_copy_lost_total",
                       "Cells that were not copied to the Redis streams.", Type::kCounter, ""};

double Value(std::uint64_t count) noexcept { return static_cast<double>(count); }

}  // namespace

void AddHistoryMetrics(const HistoryFigures& figures, const std::array<std::int64_t, kTiers>& cells,
                       const HistoryCopy* copy, metrics::Collection& collection) {
  collection.Value(kSize, {}, Value(figures.size_bytes));
  for (std::size_t tier = 0; tier < kTiers; ++tier) {
    collection.Value(kRows, {{"tier", std::string(kTierNames[tier])}},
                     static_cast<double>(cells[tier]));
  }
  collection.Value(kFailures, {}, Value(figures.write_failures));
  collection.Value(kSeries, {{"state", "stored"}}, Value(figures.stored_series));
  collection.Value(kSeries, {{"state", "over_limit"}}, Value(figures.series_over_limit));
  collection.Value(kSeries, {{"state", "unlisted"}}, Value(figures.series_unlisted));
  collection.Value(kSnapshots, {}, Value(figures.dropped_snapshots));
  collection.Value(kDropped, {}, Value(figures.dropped_cells));
  if (copy != nullptr) collection.Value(kCopy, {}, Value(copy->Lost()));
}

}  // namespace perf::monitor
