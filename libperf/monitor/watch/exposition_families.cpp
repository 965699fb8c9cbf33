// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/watch/exposition_families.hpp"

#include <algorithm>
#include <cmath>

namespace perf::monitor {
namespace {

using metrics::Buckets;
using metrics::Labels;
using metrics::Sample;

/// Bounds are found through their decimal forms: the last digit must not push one a bucket up.
constexpr double kSlack = 1 - 1e-9;
constexpr int kLeastExponent = -12;
constexpr int kMostExponent = 18;

std::string KeyOf(const Labels& labels) {
  std::string key;
  for (const auto& [name, value] : labels) {
    key.append(name).append(1, '\0').append(value).append(1, '\0');
  }
  return key;
}

/// The bound of a histogram's bucket, taken out of its labels where it is one.
std::optional<double> TakeBound(Labels& labels) {
  const auto le = std::find_if(labels.begin(), labels.end(),
                               [](const auto& label) { return label.first == "le"; });
  if (le == labels.end()) return std::nullopt;
  const std::optional<double> bound = ReadGoNumber(le->second);
  if (bound && !std::isnan(*bound)) labels.erase(le);
  return bound && !std::isnan(*bound) ? bound : std::nullopt;
}

/// Buckets that hold all positive bounds from `least` to `most`, as well as twelve decades can.
Buckets BucketsFor(double least, double most) {
  const int from = std::clamp(static_cast<int>(std::floor(std::log10(least) + 1e-9)),
                              kLeastExponent, kMostExponent - 1);
  const int to = std::clamp(static_cast<int>(std::ceil(std::log10(most) - 1e-9)), from + 1,
                            std::min(from + int{Buckets::kMostDecades}, kMostExponent));
  for (const Buckets& ours : {metrics::kSeconds, metrics::kByteSizes, metrics::kRatios}) {
    if (ours.first + ours.unit == from && ours.decades == to - from) return ours;
  }
  Buckets buckets;
  // Units below 1 leave room for the part of a value that is no whole number.
  buckets.unit = static_cast<std::int8_t>(std::min(from, 0));
  buckets.first = static_cast<std::uint8_t>(from - buckets.unit);
  buckets.decades = static_cast<std::uint8_t>(to - from);
  return buckets;
}

std::size_t BucketOf(const Buckets& buckets, double bound) noexcept {
  std::size_t low = 0;
  std::size_t high = buckets.Bounds();  // the cell for what is above all bounds
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (buckets.Bound(middle) >= bound * (bound > 0 ? kSlack : 1)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

std::uint64_t Whole(double count) noexcept {
  constexpr double kMost = 9e18;
  return count > 0 ? static_cast<std::uint64_t>(std::min(count, kMost)) : 0;
}

}  // namespace

const char* ExpositionFamilies::SetType(std::string_view name, std::string_view type) {
  static constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"counter", Kind::kCounter}, {"gauge", Kind::kGauge},    {"histogram", Kind::kHistogram},
      {"summary", Kind::kSummary}, {"untyped", Kind::kGauge},  {"unknown", Kind::kGauge},
      {"info", Kind::kInfo},       {"stateset", Kind::kGauge}, {"gaugehistogram", Kind::kDropped}};
  const auto* const found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const auto& kind) { return kind.first == type; });
  if (found == std::end(kKinds)) return "an unknown type";
  Family& family = Named(name);
  if (family.typed) return "the type of a metric stands twice";
  if (!family.series.empty()) return "a type stands behind samples of its metric";
  family.kind = found->second;
  family.typed = true;
  return nullptr;
}

void ExpositionFamilies::SetHelp(std::string_view name, std::string_view help) {
  Named(name).help = UnescapeText(help);
}

void ExpositionFamilies::SetUnit(std::string_view name, std::string_view unit) {
  if (name.ends_with("_" + std::string(unit))) Named(name).unit = unit;
}

ExpositionFamilies::Family& ExpositionFamilies::Named(std::string_view name) {
  const auto found = families_.find(name);
  if (found != families_.end()) return found->second;
  return families_.emplace(std::string(name), Family{}).first->second;
}

ExpositionFamilies::Place ExpositionFamilies::Find(std::string_view name) {
  static constexpr std::pair<std::string_view, Part> kSuffixes[] = {
      {"_total", Part::kValue},  {"_bucket", Part::kBucket}, {"_sum", Part::kSum},
      {"_count", Part::kCount},  {"_info", Part::kValue},    {"_created", Part::kNothing},
      {"_gsum", Part::kNothing}, {"_gcount", Part::kNothing}};
  for (const auto& [suffix, part] : kSuffixes) {
    if (!name.ends_with(suffix)) continue;
    const auto found = families_.find(name.substr(0, name.size() - suffix.size()));
    if (found == families_.end() || !found->second.typed) continue;
    Family& family = found->second;
    if (family.kind == Kind::kDropped) return {&family, Part::kNothing};
    const bool value = part == Part::kValue && open_metrics_ && family.kind != Kind::kHistogram &&
                       family.kind != Kind::kSummary;
    const bool piece = (part == Part::kBucket && family.kind == Kind::kHistogram) ||
                       ((part == Part::kSum || part == Part::kCount) &&
                        (family.kind == Kind::kHistogram || family.kind == Kind::kSummary));
    const bool nothing = part == Part::kNothing && suffix == "_created" && open_metrics_;
    if (value || piece || nothing) return {&family, part};
  }
  Family& family = Named(name);
  const bool plain =
      family.kind == Kind::kGauge || family.kind == Kind::kInfo || family.kind == Kind::kCounter;
  // A summary's own name has its quantiles; a histogram's has nothing.
  return {&family, plain ? Part::kValue : Part::kNothing};
}

ExpositionFamilies::Series& ExpositionFamilies::SeriesOf(Family& family, Labels&& labels) {
  const auto [found, added] = family.by_labels.emplace(KeyOf(labels), family.series.size());
  if (added) {
    family.series.emplace_back();
    family.series.back().labels = std::move(labels);
  }
  return family.series[found->second];
}

const char* ExpositionFamilies::Add(ExpositionSample& sample) {
  std::sort(sample.labels.begin(), sample.labels.end());
  for (std::size_t i = 1; i < sample.labels.size(); ++i) {
    if (sample.labels[i].first == sample.labels[i - 1].first) return "a label stands twice";
  }
  const Place place = Find(sample.name);
  std::optional<double> bound;
  bool fits = place.part != Part::kNothing;
  if (place.family->kind == Kind::kHistogram && fits) {
    bound = TakeBound(sample.labels);
    fits = bound.has_value() == (place.part == Part::kBucket);
  }
  if (!fits) {
    if (!sample.name.ends_with("_created")) ++left_out_;
    return nullptr;
  }
  Series& series = SeriesOf(*place.family, std::move(sample.labels));
  switch (place.part) {
    case Part::kBucket: series.buckets.emplace_back(*bound, sample.value); break;
    case Part::kSum: series.value = sample.value; break;
    case Part::kCount: series.count = sample.value; break;
    default:
      if (series.seen) {
        ++left_out_;  // the first one stands
      } else {
        series.value = sample.value;
      }
      series.seen = true;
  }
  return nullptr;
}

bool ExpositionFamilies::FinishHistogram(const Buckets& buckets, Series& series, Sample& sample) {
  std::sort(series.buckets.begin(), series.buckets.end());
  const bool has_all = !series.buckets.empty() && std::isinf(series.buckets.back().first) &&
                       series.buckets.back().first > 0;
  if (!has_all && !series.count) return false;
  const double all = has_all ? series.buckets.back().second : *series.count;
  metrics::HistogramSnapshot& histogram = sample.histogram.emplace();
  histogram.buckets = buckets;
  histogram.counts.assign(buckets.Bounds() + 1, 0);
  histogram.sum = series.value;
  double before = 0;
  const auto put = [&](std::size_t at, double until) {
    if (!(until >= before)) return false;  // not cumulative, or not a number
    histogram.counts[at] += Whole(until) - Whole(before);
    before = until;
    return true;
  };
  for (const auto& [bound, until] : series.buckets) {
    if (!put(BucketOf(buckets, bound), until)) return false;
  }
  return put(buckets.Bounds(), all);
}

void ExpositionFamilies::Finish(const std::string& name, Family& family,
                                metrics::MetricsSnapshot& snapshot) {
  if (family.series.empty()) return;
  metrics::FamilySnapshot into;
  metrics::FamilySpec& spec = into.spec;
  spec.foreign = true;
  spec.name = name;
  spec.help = family.help.empty() ? "Scraped without a help text." : std::move(family.help);
  spec.unit = std::move(family.unit);
  spec.type = family.kind == Kind::kCounter     ? metrics::Type::kCounter
              : family.kind == Kind::kHistogram ? metrics::Type::kHistogram
              : family.kind == Kind::kSummary   ? metrics::Type::kSummary
                                                : metrics::Type::kGauge;
  if (open_metrics_ && family.kind == Kind::kCounter) spec.name += "_total";
  if (open_metrics_ && family.kind == Kind::kInfo) spec.name += "_info";
  Buckets buckets;
  if (family.kind == Kind::kHistogram) {
    double least = 0;
    double most = 0;
    for (const Series& series : family.series) {
      for (const auto& bucket : series.buckets) {
        if (!(bucket.first > 0) || std::isinf(bucket.first)) continue;
        least = least == 0 ? bucket.first : std::min(least, bucket.first);
        most = std::max(most, bucket.first);
      }
    }
    if (least > 0) buckets = BucketsFor(least, most);
  }
  for (Series& series : family.series) {
    Sample sample;
    sample.value = series.value;
    if (series.count) sample.count = Whole(*series.count);
    if (family.kind == Kind::kHistogram && !FinishHistogram(buckets, series, sample)) {
      ++left_out_;
      continue;
    }
    if (sample.histogram) sample.value = 0;
    sample.labels = std::move(series.labels);
    into.samples.push_back(std::move(sample));
  }
  if (!into.samples.empty()) snapshot.families.push_back(std::move(into));
}

metrics::MetricsSnapshot ExpositionFamilies::Finish() {
  metrics::MetricsSnapshot snapshot;
  for (auto& [name, family] : families_) Finish(name, family, snapshot);
  std::sort(snapshot.families.begin(), snapshot.families.end(),
            [](const auto& a, const auto& b) { return a.spec.name < b.spec.name; });
  // OpenMetrics' "a" as a counter, and an "a_total" without a type before it.
  for (std::size_t i = 1; i < snapshot.families.size();) {
    if (snapshot.families[i].spec.name != snapshot.families[i - 1].spec.name) {
      ++i;
      continue;
    }
    left_out_ += snapshot.families[i].samples.size();
    snapshot.families.erase(snapshot.families.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return snapshot;
}

}  // namespace perf::monitor
