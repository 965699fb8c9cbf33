// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/cell.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace perf::monitor {
namespace {

/// Both sides' counts, by index.
SparseCounts Added(const SparseCounts& a, const SparseCounts& b) {
  SparseCounts sum;
  sum.buckets = a.buckets;
  sum.counts.reserve(a.counts.size() + b.counts.size());
  auto left = a.counts.begin();
  auto right = b.counts.begin();
  while (left != a.counts.end() || right != b.counts.end()) {
    if (right == b.counts.end() || (left != a.counts.end() && left->first < right->first)) {
      sum.counts.push_back(*left++);
    } else if (left == a.counts.end() || right->first < left->first) {
      sum.counts.push_back(*right++);
    } else {
      sum.counts.emplace_back(left->first, left->second + right->second);
      ++left;
      ++right;
    }
  }
  return sum;
}

}  // namespace

double SparseCounts::Lowest() const noexcept {
  if (counts.empty()) return 0;
  return counts.front().first == 0 ? 0 : buckets.Bound(counts.front().first - std::size_t{1});
}

double SparseCounts::Highest() const noexcept {
  return counts.empty() ? 0 : buckets.Bound(counts.back().first);
}

void Cell::Merge(const Cell& later) {
  if (counts.has_value() != later.counts.has_value() ||
      (counts && !(counts->buckets == later.counts->buckets))) {
    *this = later;
    return;
  }
  if (counts) {
    counts = Added(*counts, *later.counts);
    min = counts->Lowest();
    max = counts->Highest();
  } else if (count == 0) {
    min = later.min;
    max = later.max;
  } else if (later.count != 0) {
    min = std::min(min, later.min);
    max = std::max(max, later.max);
  }
  count += later.count;
  sum += later.sum;
  seconds += later.seconds;
}

std::uint64_t Cell::Observations() const noexcept {
  if (!counts) return 0;
  return std::accumulate(
      counts->counts.begin(), counts->counts.end(), std::uint64_t{0},
      [](std::uint64_t total, const auto& bucket) { return total + bucket.second; });
}

double Cell::Quantile(double q) const {
  if (!counts || counts->counts.empty()) return std::numeric_limits<double>::quiet_NaN();
  // Through the snapshot, so that both say the same of the same counts.
  metrics::HistogramSnapshot all;
  all.buckets = counts->buckets;
  all.counts.resize(std::max<std::size_t>(counts->buckets.Bounds(), counts->counts.back().first) +
                    1);
  for (const auto& [bucket, gained] : counts->counts) all.counts[bucket] = gained;
  return all.Quantile(q);
}

}  // namespace perf::monitor
