// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/series_store.hpp"

#include <algorithm>
#include <utility>

namespace perf::monitor::alerts {
namespace {

constexpr std::size_t kSeriesBytes = 256;  // labels and the tree's node, about

std::size_t BytesOf(const Point&) noexcept { return sizeof(Point); }
std::size_t BytesOf(const HistogramPoint& point) noexcept {
  return sizeof(HistogramPoint) + point.counts.size() * sizeof(std::uint64_t);
}

bool Wanted(const std::vector<std::vector<Matcher>>& wanted, const Labels& labels) noexcept {
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::vector<Matcher>& matchers) {
    return Matches(matchers, labels);
  });
}

}  // namespace

void SeriesStore::Need(const Expression& expression, bool histogram) {
  using Kind = Expression::Kind;
  if (expression.kind == Kind::kInstant || expression.kind == Kind::kWindow) {
    Metric& metric = (histogram ? histograms_ : numbers_)[expression.selector.metric];
    metric.window = std::max(metric.window, expression.length);
    metric.wanted.push_back(expression.selector.matchers);
  }
  if (expression.left) Need(*expression.left, histogram || expression.kind == Kind::kQuantile);
  if (expression.right) Need(*expression.right, false);
}

void SeriesStore::Keep(const RuleSet& rules) {
  auto old_numbers = std::exchange(numbers_, {});
  auto old_histograms = std::exchange(histograms_, {});
  for (const Rule& rule : rules.rules) {
    Need(*rule.expression, false);
    if (rule.where) Need(*rule.where->expression, false);
    for (const auto& level : rule.levels) {
      if (level && level->where) Need(*level->where->expression, false);
    }
  }
  size_ = 0;
  bytes_ = 0;
  const auto move = [&](auto& from, auto& to) {
    for (auto& [name, metric] : to) {
      const auto old = from.find(name);
      if (old == from.end()) continue;
      metric.series = std::move(old->second.series);
      std::erase_if(metric.series,
                    [&](const auto& entry) { return !Wanted(metric.wanted, entry.first); });
      for (const auto& [labels, series] : metric.series) {
        ++size_;
        bytes_ += kSeriesBytes;
        for (const Point& point : series.points) bytes_ += BytesOf(point);
        for (const HistogramPoint& point : series.histogram) bytes_ += BytesOf(point);
      }
    }
  };
  move(old_numbers, numbers_);
  move(old_histograms, histograms_);
}

template <typename Points, typename NewPoint>
void SeriesStore::Push(Points& points, NewPoint point, Millis window, std::size_t bytes) {
  const auto pop_front = [&] {
    bytes_ -= BytesOf(points.front());
    points.pop_front();
  };
  if (!points.empty() && point.at < points.back().at) return;
  // The newest is always exact; older ones stand at least half an interval apart.
  const bool crowded =
      points.size() > 1 && point.at - points[points.size() - 2].at < limits_.interval / 2;
  if (!points.empty() && (crowded || points.back().at == point.at)) {
    bytes_ -= BytesOf(points.back());
    points.pop_back();
  }
  while (!points.empty() && points.front().at < point.at - window) pop_front();
  // Where memory is short, windows become shorter: never without a newest sample.
  while (points.size() > 1 && bytes_ + bytes > limits_.max_bytes) {
    pop_front();
    ++refused_;
  }
  points.push_back(std::move(point));
  bytes_ += bytes;
}

void SeriesStore::Take(std::string_view name, const Labels& labels, WallTime now,
                       const metrics::Sample& sample, bool histogram) {
  auto& all = histogram ? histograms_ : numbers_;
  const auto metric = all.find(name);
  if (metric == all.end() || !Wanted(metric->second.wanted, labels)) return;
  auto& series = metric->second.series;
  auto found = series.find(labels);
  const bool gone =
      histogram && found != series.end() && !(found->second.buckets == sample.histogram->buckets);
  if (gone) {  // somebody else's histogram under the same name now
    Drop(found->second);
    series.erase(found);
    found = series.end();
  }
  if (found == series.end()) {
    if (size_ >= limits_.max_series || bytes_ + kSeriesBytes > limits_.max_bytes) {
      ++refused_;
      return;
    }
    found = series.emplace(labels, Series{labels, {}, {}, {}}).first;
    ++size_;
    bytes_ += kSeriesBytes;
  }
  if (histogram) {
    found->second.buckets = sample.histogram->buckets;
    HistogramPoint point{now, sample.histogram->counts};
    const std::size_t bytes = BytesOf(point);
    Push(found->second.histogram, std::move(point), metric->second.window, bytes);
  } else {
    Push(found->second.points, Point{now, sample.value}, metric->second.window, sizeof(Point));
  }
}

void SeriesStore::Observe(WallTime now, const metrics::MetricsSnapshot& snapshot) {
  for (const metrics::FamilySnapshot& family : snapshot.families) {
    const std::string& name = family.spec.name;
    const bool whole = family.spec.type == metrics::Type::kHistogram;
    const bool counted = whole || family.spec.type == metrics::Type::kSummary;
    const std::string count = counted ? name + "_count" : std::string();
    const std::string sum = counted ? name + "_sum" : std::string();
    if (counted
            ? !histograms_.contains(name) && !numbers_.contains(count) && !numbers_.contains(sum)
            : !numbers_.contains(name)) {
      continue;
    }
    for (const metrics::Sample& sample : family.samples) {
      Labels labels = sample.labels;
      std::sort(labels.begin(), labels.end());
      if (!counted) {
        Take(name, labels, now, sample, false);
        continue;
      }
      if (whole && !sample.histogram) continue;
      metrics::Sample part;
      part.value = static_cast<double>(whole ? sample.histogram->Count() : sample.count);
      Take(count, labels, now, part, false);
      part.value = whole ? sample.histogram->sum : sample.value;
      Take(sum, labels, now, part, false);
      if (whole) Take(name, labels, now, sample, true);
    }
  }
  Prune(now);
}

void SeriesStore::Drop(const Series& series) {
  for (const Point& point : series.points) bytes_ -= BytesOf(point);
  for (const HistogramPoint& point : series.histogram) bytes_ -= BytesOf(point);
  bytes_ -= kSeriesBytes;
  --size_;
}

void SeriesStore::Prune(WallTime now) {
  if (now - pruned_ < std::chrono::minutes(1)) return;
  pruned_ = now;
  for (auto* all : {&numbers_, &histograms_}) {
    for (auto& [name, metric] : *all) {
      std::erase_if(metric.series, [&, &metric = metric](auto& entry) {
        const Series& series = entry.second;
        const WallTime newest =
            series.points.empty() ? series.histogram.back().at : series.points.back().at;
        if (now - newest <= metric.window + 2 * limits_.interval) return false;
        Drop(series);
        return true;
      });
    }
  }
}

void SeriesStore::Retire(const std::vector<Matcher>& matchers) {
  for (auto* all : {&numbers_, &histograms_}) {
    for (auto& [name, metric] : *all) {
      std::erase_if(metric.series, [&](auto& entry) {
        if (!Matches(matchers, entry.first)) return false;
        Drop(entry.second);
        return true;
      });
    }
  }
}

void SeriesStore::Each(const Selector& selector, WallTime now, bool histogram,
                       const std::function<void(const Series&)>& use) const {
  const auto& all = histogram ? histograms_ : numbers_;
  const auto metric = all.find(selector.metric);
  if (metric == all.end()) return;
  for (const auto& [labels, series] : metric->second.series) {
    const WallTime newest = histogram ? series.histogram.back().at : series.points.back().at;
    if (now - newest > limits_.interval * 3 / 2 || !Matches(selector.matchers, labels)) continue;
    use(series);
  }
}

}  // namespace perf::monitor::alerts
