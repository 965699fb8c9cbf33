// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <set>
#include <type_traits>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::metrics {
namespace {

constexpr std::size_t kMostErrors = 100;
thread_local const void* running_here = nullptr;  // the collector that this thread is in

double UnixNow() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::vector<std::string> NamesOf(const Labels& labels) {
  std::vector<std::string> names;
  for (const auto& label : labels) names.push_back(label.first);
  return names;
}

const FamilySpec& SuccessSpec() {
  static const FamilySpec spec{"perfkit_collector_success",
                               "Whether the collector gave its values at this scrape.",
                               Type::kGauge, "", false};
  return spec;
}

const FamilySpec& DurationSpec() {
  static const FamilySpec spec{"perfkit_collector_duration_seconds",
                               "Time that the collector took at this scrape.", Type::kGauge,
                               "seconds", false};
  return spec;
}

}  // namespace

template <typename Cell>
Family<Cell>::Series::Series([[maybe_unused]] const Buckets& buckets)
    : cell([&] {
        if constexpr (std::is_same_v<Cell, LogHistogram>) {
          return LogHistogram(buckets);
        } else {
          return Cell();
        }
      }()),
      created(UnixNow()) {}

template <typename Cell>
Family<Cell>::Family(FamilySpec spec, FamilyOptions options, const Buckets& buckets)
    : spec_(std::move(spec)), options_(std::move(options)), buckets_(buckets) {
  CheckSpec(spec_);
  CheckLabelNames(spec_, options_.labels);
  LogHistogram checked(buckets_);
  if (options_.labels.empty()) With(std::vector<std::string>{});
}

template <typename Cell>
Cell& Family<Cell>::With(std::initializer_list<std::string_view> values) {
  return With(std::vector<std::string>(values.begin(), values.end()));
}

template <typename Cell>
Cell& Family<Cell>::With(const std::vector<std::string>& values) {
  if (values.size() != options_.labels.size()) {
    throw Error(fmt::format("metric {} has {} labels, not {}", spec_.name, options_.labels.size(),
                            values.size()));
  }
  const std::lock_guard lock(mutex_);
  const auto found = series_.find(values);
  if (found != series_.end()) return found->second->cell;
  if (series_.size() >= options_.max_series) {
    throw Error(
        fmt::format("metric {} would have more than {} series", spec_.name, options_.max_series));
  }
  return series_.emplace(values, std::make_unique<Series>(buckets_)).first->second->cell;
}

template <typename Cell>
FamilySnapshot Family<Cell>::Snapshot() const {
  FamilySnapshot snapshot{spec_, {}};
  const std::lock_guard lock(mutex_);
  snapshot.samples.reserve(series_.size());
  for (const auto& [values, series] : series_) {
    Sample& sample = snapshot.samples.emplace_back();
    for (std::size_t i = 0; i < values.size(); ++i) {
      sample.labels.emplace_back(options_.labels[i], values[i]);
    }
    if constexpr (std::is_same_v<Cell, LogHistogram>) {
      sample.histogram = series->cell.Snapshot();
    } else {
      sample.value = static_cast<double>(series->cell.Value()) * options_.scale;
    }
    if (spec_.type != Type::kGauge) sample.created = series->created;
  }
  return snapshot;
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<LogHistogram>;

void Collection::Add(const FamilySpec& spec, Sample sample) {
  const auto found = families_.find(BaseName(spec));
  if (found == families_.end()) CheckSpec(spec);
  CheckLabelNames(spec, NamesOf(sample.labels));
  if ((spec.type == Type::kHistogram) != sample.histogram.has_value()) {
    throw Error(
        fmt::format("metric {}: a histogram's sample has buckets, no other's does", spec.name));
  }
  FamilySnapshot& family =
      found != families_.end()
          ? found->second
          : families_.emplace(BaseName(spec), FamilySnapshot{spec, {}}).first->second;
  if (family.spec.type != spec.type || family.spec.help != spec.help) {
    throw Error(fmt::format("metric {} is already there with another type or help", spec.name));
  }
  family.samples.push_back(std::move(sample));
}

void Collection::Value(const FamilySpec& spec, Labels labels, double value) {
  Sample sample;
  sample.labels = std::move(labels);
  sample.value = value;
  Add(spec, std::move(sample));
}

void Collection::Histogram(const FamilySpec& spec, Labels labels, HistogramSnapshot histogram) {
  Sample sample;
  sample.labels = std::move(labels);
  sample.histogram = std::move(histogram);
  Add(spec, std::move(sample));
}

struct Registry::Registration::Entry {
  std::string name;
  Collector collect;
  std::weak_ptr<State> state;
  std::mutex mutex;
  std::condition_variable idle;
  std::size_t running = 0;
  bool gone = false;
};

struct Registry::State {
  std::mutex mutex;
  std::map<std::string, std::function<FamilySnapshot()>, std::less<>> families;  // by base name
  std::vector<std::shared_ptr<void>> owned;
  std::map<std::string, std::shared_ptr<Registration::Entry>, std::less<>> collectors;
};

Registry::Registration& Registry::Registration::operator=(Registration&& other) noexcept {
  if (this != &other) {
    Release();
    entry_ = std::move(other.entry_);
  }
  return *this;
}

void Registry::Registration::Release() noexcept {
  const std::shared_ptr<Entry> entry = std::exchange(entry_, nullptr);
  if (!entry) return;
  if (const std::shared_ptr<State> state = entry->state.lock()) {
    const std::lock_guard lock(state->mutex);
    state->collectors.erase(entry->name);
  }
  std::unique_lock lock(entry->mutex);
  entry->gone = true;
  // A collector that removes itself must not wait for itself.
  const std::size_t own = running_here == entry.get() ? 1 : 0;
  entry->idle.wait(lock, [&] { return entry->running <= own; });
}

Registry::Registry() : state_(std::make_shared<State>()) {}
Registry::~Registry() = default;

template <typename Cell>
Family<Cell>& Registry::Make(Type type, FamilyOptions options, const Buckets& buckets) {
  FamilySpec spec{options.name, options.help, type, options.unit, false};
  const std::shared_ptr<Family<Cell>> family(
      new Family<Cell>(std::move(spec), std::move(options), buckets));
  const std::string name(BaseName(family->spec_));
  const std::lock_guard lock(state_->mutex);
  const bool reserved = name == BaseName(SuccessSpec()) || name == BaseName(DurationSpec());
  if (reserved || state_->families.contains(name)) {
    throw Error(fmt::format("metric {} is there already", family->spec_.name));
  }
  state_->owned.push_back(family);
  state_->families.emplace(name, [family = family.get()] { return family->Snapshot(); });
  return *family;
}

Family<Counter>& Registry::Counters(FamilyOptions options) {
  return Make<Counter>(Type::kCounter, std::move(options), kSeconds);
}

Family<Gauge>& Registry::Gauges(FamilyOptions options) {
  return Make<Gauge>(Type::kGauge, std::move(options), kSeconds);
}

Family<LogHistogram>& Registry::Histograms(FamilyOptions options, const Buckets& buckets) {
  return Make<LogHistogram>(Type::kHistogram, std::move(options), buckets);
}

Registry::Registration Registry::Collect(std::string name, Collector collect) {
  Registration registration;
  registration.entry_ = std::make_shared<Registration::Entry>();
  registration.entry_->name = std::move(name);
  registration.entry_->collect = std::move(collect);
  registration.entry_->state = state_;
  const std::lock_guard lock(state_->mutex);
  if (!state_->collectors.emplace(registration.entry_->name, registration.entry_).second) {
    const std::string taken = registration.entry_->name;
    registration.entry_.reset();  // it was never registered: nothing to release
    throw Error(fmt::format("a collector {:?} is there already", taken));
  }
  return registration;
}

namespace {

using Families = std::map<std::string, FamilySnapshot, std::less<>>;

void Complain(MetricsSnapshot& snapshot, std::string line) {
  if (snapshot.errors.size() < kMostErrors) snapshot.errors.push_back(std::move(line));
}

/// Adds what one collector gave; what does not fit to the rest is left out and told.
bool Merge(Families& all, const Families& more, const std::string& from,
           std::map<std::string, std::set<Labels>, std::less<>>& seen, MetricsSnapshot& snapshot) {
  bool good = true;
  for (const auto& [base, family] : more) {
    FamilySnapshot& into = all.emplace(base, FamilySnapshot{family.spec, {}}).first->second;
    if (into.spec.type != family.spec.type || into.spec.help != family.spec.help ||
        into.spec.name != family.spec.name) {
      Complain(snapshot, fmt::format("collector {:?}: metric {} is there with another type or help",
                                     from, family.spec.name));
      good = false;
      continue;
    }
    std::set<Labels>& known = seen[base];
    if (known.empty()) {
      for (const Sample& sample : into.samples) known.insert(sample.labels);
    }
    for (const Sample& sample : family.samples) {
      if (known.insert(sample.labels).second) {
        into.samples.push_back(sample);
        continue;
      }
      Complain(snapshot, fmt::format("collector {:?}: metric {} has the same labels twice", from,
                                     family.spec.name));
      good = false;
    }
  }
  return good;
}

}  // namespace

MetricsSnapshot Registry::Gather() const {
  MetricsSnapshot snapshot;
  Families all;
  std::vector<std::shared_ptr<Registration::Entry>> collectors;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [base, take] : state_->families) all.emplace(base, take());
    for (const auto& entry : state_->collectors) collectors.push_back(entry.second);
  }
  std::map<std::string, std::set<Labels>, std::less<>> seen;
  Collection own;
  for (const auto& entry : collectors) {
    {
      const std::lock_guard lock(entry->mutex);
      if (entry->gone) continue;
      ++entry->running;
    }
    const void* outer = std::exchange(running_here, entry.get());
    const TimePoint start = Clock::now();
    Collection collection;
    bool good = true;
    try {
      entry->collect(collection);
    } catch (const std::exception& error) {
      Complain(snapshot, fmt::format("collector {:?}: {}", entry->name, error.what()));
      good = false;
    }
    const double took = ToMs(Clock::now() - start) / 1e3;
    running_here = outer;
    {
      const std::lock_guard lock(entry->mutex);
      --entry->running;
    }
    entry->idle.notify_all();
    good = Merge(all, collection.families_, entry->name, seen, snapshot) && good;
    own.Value(SuccessSpec(), {{"collector", entry->name}}, good ? 1 : 0);
    own.Value(DurationSpec(), {{"collector", entry->name}}, took);
  }
  Merge(all, own.families_, "collectors", seen, snapshot);
  for (auto& entry : all) {
    if (!entry.second.samples.empty()) snapshot.families.push_back(std::move(entry.second));
  }
  return snapshot;
}

}  // namespace perf::metrics
