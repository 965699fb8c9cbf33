// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/metrics/cells.hpp"
#include "libperf/metrics/family.hpp"
#include "libperf/metrics/log_histogram.hpp"

namespace perf::metrics {

struct FamilyOptions {
  std::string name;
  std::string help;
  std::string unit{};                 // see FamilySpec
  std::vector<std::string> labels{};  // names; their values are given to With
  double scale = 1;  // of counters: what one count is in the unit (1e-9 for nanoseconds)
  std::size_t max_series = 1000;  // more are an error: a label's values must be a closed set
};

/// The series of one metric, one for each set of label values.
/// Thread safety: all methods. Lifetime: as the registry's; so are the cells that With returns:
/// keep the reference, the look-up takes a lock.
template <typename Cell>
class Family {
 public:
  /// The series of these label values, made at 0 where there is none. Known sets should be made at
  /// the start, so that a rate over their first count exists.
  /// Throws: Error for a wrong number of values, or more than max_series.
  Cell& With(std::initializer_list<std::string_view> values);
  Cell& With(const std::vector<std::string>& values);

 private:
  friend class Registry;
  // Each on cache lines of its own: neighbours are written by different threads.
  struct alignas(64) Series {
    explicit Series(const Buckets& buckets);
    Cell cell;
    double created = 0;
  };
  Family(FamilySpec spec, FamilyOptions options, const Buckets& buckets);
  FamilySnapshot Snapshot() const;

  FamilySpec spec_;
  FamilyOptions options_;
  Buckets buckets_;
  mutable std::mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Series>> series_;
};

extern template class Family<Counter>;
extern template class Family<Gauge>;
extern template class Family<LogHistogram>;

/// What a collector adds to at each scrape.
/// Thread safety: none.
class PERF_EXPORT Collection {
 public:
  /// One series of a family; the same family may be added to by many collectors, with the same
  /// help and type. Throws: Error as CheckSpec and CheckLabelNames.
  void Add(const FamilySpec& spec, Sample sample);
  void Value(const FamilySpec& spec, Labels labels, double value);
  void Histogram(const FamilySpec& spec, Labels labels, HistogramSnapshot histogram);

 private:
  friend class Registry;
  std::map<std::string, FamilySnapshot, std::less<>> families_;
};

struct MetricsSnapshot {
  std::vector<FamilySnapshot> families;  // by name
  std::vector<std::string> errors;       // what collectors did wrong, one line each
};

/// All metrics of a process.
/// Thread safety: all methods. Lifetime: outlives the cells handed out; a Registration may outlive
/// it.
class PERF_EXPORT Registry {
 public:
  using Collector = std::function<void(Collection&)>;

  /// Keeps a collector registered. When it goes, the collector is not running in any thread and
  /// will not run again (so it waits for one that runs, unless it is destroyed by that very one).
  class PERF_EXPORT Registration {
   public:
    Registration() noexcept = default;
    Registration(Registration&& other) noexcept = default;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { Release(); }
    void Release() noexcept;
    explicit operator bool() const noexcept { return entry_ != nullptr; }

   private:
    friend class Registry;
    struct Entry;
    std::shared_ptr<Entry> entry_;
  };

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Each makes one family. Throws: Error for a name that breaks a rule (CheckSpec) or is taken.
  Family<Counter>& Counters(FamilyOptions options);
  Family<Gauge>& Gauges(FamilyOptions options);
  Family<LogHistogram>& Histograms(FamilyOptions options, const Buckets& buckets = kSeconds);

  /// `collect` runs at each Gather, in its thread, without any lock held; two threads that gather
  /// at once run it at once. If it throws, what it added before is kept and the error told.
  /// Throws: Error for a name that is taken.
  [[nodiscard]] Registration Collect(std::string name, Collector collect);

  /// Everything as it is now. Collectors' own series: perfkit_collector_success and
  /// perfkit_collector_duration_seconds, by collector.
  MetricsSnapshot Gather() const;

 private:
  struct State;
  template <typename Cell>
  Family<Cell>& Make(Type type, FamilyOptions options, const Buckets& buckets);
  std::shared_ptr<State> state_;
};

}  // namespace perf::metrics
