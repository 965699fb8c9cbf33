// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/watch/exposition_line.hpp"

namespace perf::monitor {

/// Collects the samples of one text into families; the second half of ParseExposition.
/// Thread safety: none.
class ExpositionFamilies {
 public:
  explicit ExpositionFamilies(bool open_metrics) : open_metrics_(open_metrics) {}

  /// Gives what is wrong, or nullptr.
  const char* SetType(std::string_view name, std::string_view type);
  void SetHelp(std::string_view name, std::string_view help);
  void SetUnit(std::string_view name, std::string_view unit);
  /// Takes the labels out of `sample`.
  const char* Add(ExpositionSample& sample);
  std::size_t Families() const noexcept { return families_.size(); }
  std::size_t LeftOut() const noexcept { return left_out_; }
  metrics::MetricsSnapshot Finish();

 private:
  enum class Kind : std::uint8_t { kGauge, kInfo, kCounter, kHistogram, kSummary, kDropped };
  enum class Part : std::uint8_t { kValue, kBucket, kSum, kCount, kNothing };
  struct Series {
    metrics::Labels labels;
    double value = 0;  // sum of histograms and summaries
    std::optional<double> count;
    std::vector<std::pair<double, double>> buckets;  // bound, cumulative count
    bool seen = false;                               // of kValue
  };
  struct Family {
    Kind kind = Kind::kGauge;
    bool typed = false;
    std::string help, unit;
    std::vector<Series> series;
    std::unordered_map<std::string, std::size_t> by_labels;
  };
  struct Place {
    Family* family;
    Part part;
  };
  Family& Named(std::string_view name);
  Place Find(std::string_view name);
  Series& SeriesOf(Family& family, metrics::Labels&& labels);
  void Finish(const std::string& name, Family& family, metrics::MetricsSnapshot& snapshot);
  bool FinishHistogram(const metrics::Buckets& buckets, Series& series, metrics::Sample& sample);

  bool open_metrics_;
  std::map<std::string, Family, std::less<>> families_;
  std::size_t left_out_ = 0;
};

}  // namespace perf::monitor
