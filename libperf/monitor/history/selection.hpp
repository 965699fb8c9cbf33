// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/history/growth.hpp"
#include "libperf/monitor/history/layout.hpp"
#include "libperf/monitor/history/options.hpp"

namespace perf::monitor {

/// Series of a metric: a shell pattern of its name and labels that must be there.
/// Thread safety: const methods.
class SeriesPattern {
 public:
  /// Throws: ConfigError that says what is wrong with it.
  explicit SeriesPattern(std::string_view text);
  bool MatchesName(const std::string& metric) const;
  bool MatchesLabels(const metrics::Labels& labels) const;

 private:
  std::string name_;
  metrics::Labels labels_;
};

/// What is due of one snapshot.
struct Batch {
  WallTime at{};
  std::vector<Taken> taken;
};

/// Chooses what is kept: series that are listed, at most so many, each at its step.
/// Thread safety: none. What it gives holds names by shared_ptr; a name that only others hold is
/// no longer kept.
class Selection {
 public:
  /// Throws: ConfigError.
  explicit Selection(const HistoryOptions& options);

  /// The newest sample that is on disk already: nothing is due again in its step.
  void Resume(Tier first, std::int64_t newest);
  /// What is due at `now`; empty where nothing is.
  Batch Take(const metrics::MetricsSnapshot& snapshot, WallTime now);

  std::size_t Stored() const noexcept { return kept_.size(); }
  std::size_t OverLimit() const noexcept;
  std::size_t Unlisted() const noexcept;

 private:
  struct Kept {
    std::shared_ptr<const SeriesName> name;
    std::int64_t seen = 0;
  };
  struct Listing {
    std::vector<const SeriesPattern*> patterns;  // those that match the name
    std::vector<const SeriesPattern*> system;
  };
  struct Left {
    std::size_t over = 0, unlisted = 0;
  };
  const Listing& ListingOf(const std::string& metric);
  void TakeFamily(const metrics::FamilySnapshot& family, const std::array<bool, 2>& due,
                  Batch& batch);
  std::shared_ptr<const SeriesName> NameOf(const metrics::FamilySnapshot& family,
                                           const metrics::Sample& sample, Tier first,
                                           std::int64_t now);
  void Forget(std::int64_t now);

  std::size_t max_series_;
  std::array<std::int64_t, 2> steps_;
  std::array<std::int64_t, 2> last_{-1, -1};  // the slot that was taken last
  std::vector<SeriesPattern> patterns_, system_patterns_;
  std::map<std::string, Listing, std::less<>> listings_;  // by metric; bounded by the registry
  std::map<std::string, Kept, std::less<>> kept_;         // by metric and labels
  std::array<Left, 2> left_;
};

/// An object of labels, in order of their names.
std::string LabelsJson(const metrics::Labels& sorted);
/// Back; empty for what is none.
metrics::Labels LabelsFromJson(std::string_view json);

}  // namespace perf::monitor
