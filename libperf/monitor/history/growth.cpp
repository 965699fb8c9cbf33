// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/growth.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace perf::monitor {
namespace {

double Rounded(double seconds) noexcept { return std::max(1.0, std::round(seconds * 64)) / 64; }

double Since1970(WallTime time) noexcept {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// Whether `taken` counts anew: its process began after what was seen before.
bool BeganAnew(const Seen& before, const Taken& taken) noexcept {
  return before.created && taken.created && *taken.created > *before.created + 0.001;
}

bool Shrank(const metrics::HistogramSnapshot& before, const metrics::HistogramSnapshot& now) {
  if (!(before.buckets == now.buckets) || before.counts.size() != now.counts.size()) return true;
  for (std::size_t i = 0; i < now.counts.size(); ++i) {
    if (now.counts[i] < before.counts[i]) return true;
  }
  return false;
}

Cell Counted(const metrics::HistogramSnapshot* before, const metrics::HistogramSnapshot& now) {
  Cell cell;
  SparseCounts counts;
  counts.buckets = now.buckets;
  for (std::size_t i = 0; i < now.counts.size(); ++i) {
    const std::uint64_t gained = now.counts[i] - (before == nullptr ? 0 : before->counts[i]);
    if (gained != 0) counts.counts.emplace_back(static_cast<std::uint8_t>(i), gained);
  }
  cell.sum = now.sum - (before == nullptr ? 0 : before->sum);
  cell.min = counts.Lowest();
  cell.max = counts.Highest();
  cell.counts = std::move(counts);
  return cell;
}

}  // namespace

std::optional<Cell> Growth(const Seen& before, const Taken& taken, WallTime now,
                           std::int64_t step) {
  if (!std::isfinite(taken.value)) return std::nullopt;
  if (taken.name->type == metrics::Type::kGauge) {
    Cell cell;
    cell.count = 1;
    cell.sum = cell.min = cell.max = taken.value;
    return cell;
  }
  const double longest = 3 * static_cast<double>(step);
  const double gap = before.known ? Since1970(now) - Since1970(before.at) : 0;
  bool anew = false;
  double elapsed = gap;
  if (!before.known || gap <= 0 || gap > longest) {
    // Of a stretch that long nobody knows when in it the growth was.
    if (!taken.created) return std::nullopt;
    elapsed = Since1970(now) - *taken.created;
    if (elapsed < 0 || elapsed > longest) return std::nullopt;
    if (before.known && !BeganAnew(before, taken)) return std::nullopt;
    anew = true;
  } else {
    anew = BeganAnew(before, taken);
  }
  Cell cell;
  if (taken.histogram) {
    anew = anew || !before.histogram || Shrank(*before.histogram, *taken.histogram);
    cell = Counted(anew ? nullptr : &*before.histogram, *taken.histogram);
  } else {
    anew = anew || taken.value < before.value;
    cell.sum = taken.value - (anew ? 0 : before.value);
  }
  // A foreign histogram's sum may be no number: the database takes none, and would refuse the rest.
  if (!std::isfinite(cell.sum)) return std::nullopt;
  cell.count = 1;
  cell.seconds = Rounded(elapsed);
  if (!taken.histogram) cell.min = cell.max = cell.sum / cell.seconds;
  return cell;
}

void Settle(Seen& seen, Taken&& taken, WallTime now) {
  if (!std::isfinite(taken.value)) return;
  seen.known = true;
  seen.at = now;
  seen.value = taken.value;
  seen.histogram = std::move(taken.histogram);
  seen.created = taken.created;
}

}  // namespace perf::monitor
