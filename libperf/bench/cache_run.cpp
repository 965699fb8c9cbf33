// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "libperf/base/cpu_time.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/quick_clock.hpp"
#include "libperf/bench/baseline_lru.hpp"
#include "libperf/bench/cache_subject.hpp"
#include "libperf/bench/crew.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/memory/memory.hpp"

namespace perf::bench {
namespace {

constexpr const char* kBaseline = "mutex-lru";

class MemorySubject {
 public:
  MemorySubject(const cache::MemoryOptions& options) : memory_(options) {}
  template <typename See>
  bool Get(std::string_view key, See see) {
    const cache::Handle found = memory_.Get(key, cache::HashKey(key));
    if (found) see(found.Value());
    return static_cast<bool>(found);
  }
  void Put(std::string_view key, std::string_view value) {
    memory_.Put(key, cache::HashKey(key), value, QuickNow());
  }
  void Remove(std::string_view key) { memory_.Remove(key, cache::HashKey(key)); }
  std::uint64_t Entries() const { return memory_.Stats().entries; }

 private:
  cache::Memory memory_;
};

class BaselineSubject {
 public:
  explicit BaselineSubject(std::uint64_t entries) : lru_(entries) {}
  template <typename See>
  bool Get(std::string_view key, See see) {
    const BaselineLru::Value found = lru_.Get(key);
    if (found) see(*found);
    return found != nullptr;
  }
  void Put(std::string_view key, std::string_view value) { lru_.Put(key, value); }
  void Remove(std::string_view key) { lru_.Remove(key); }
  std::uint64_t Entries() { return lru_.Entries(); }

 private:
  BaselineLru lru_;
};

std::unique_ptr<CacheSubject> Make(const std::string& name, const CacheRunOptions& options,
                                   std::uint64_t seed) {
  if (name == kBaseline) {
    if (options.capacity == 0) throw UsageError("mutex-lru is bounded by entries only");
    return std::make_unique<CacheSubjectOf<BaselineSubject>>(options.capacity);
  }
  const auto kinds = cache::PolicyKinds();
  const bool known = std::any_of(kinds.begin(), kinds.end(), [&](const cache::PolicyKind& kind) {
    return kind.online && kind.name == name;
  });
  if (!known) throw UsageError(fmt::format("{} is no policy, and not {}", name, kBaseline));
  cache::MemoryOptions memory;
  memory.policy = name;
  memory.limits = {options.capacity, options.max_bytes};
  memory.shards = options.shards;
  memory.default_ttl = options.ttl;
  memory.seed = seed;
  return std::make_unique<CacheSubjectOf<MemorySubject>>(memory);
}

/// What two looks at the clock take with nothing in between.
Duration ClockCost() {
  Duration least = Duration::max();
  for (int i = 0; i < 1000; ++i) {
    const TimePoint start = Clock::now();
    least = std::min<Duration>(least, Clock::now() - start);
  }
  return least;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// One subject at one number of threads.
class Point {
 public:
  Point(std::string name, const CacheRunOptions& options, const CacheWorkload& workload,
        Duration clock_cost, const std::vector<std::vector<CacheWorkload::Request>>& requests,
        std::size_t threads, std::uint64_t seed)
      : name_(std::move(name)),
        options_(options),
        workload_(workload),
        clock_cost_(clock_cost),
        subject_(Make(name_, options, seed)) {
    for (std::size_t i = 0; i < threads; ++i) {
      workers_.push_back(std::make_unique<CacheWorker>());
      workers_.back()->requests = requests[i];
      workers_.back()->value.assign(options.workload.value_max, 'v');
    }
  }

  /// False when it was stopped from outside.
  bool Run(Crew& crew, Duration length, bool counted, const Context& context) {
    for (auto& worker : workers_) Forget(*worker);
    std::atomic<bool> stop{false};
    const Duration cpu = ProcessCpu();
    const TimePoint start = Clock::now();
    crew.Start([&](std::size_t i) { subject_->Work(workload_, stop, clock_cost_, *workers_[i]); });
    const TimePoint end = Saturated(start, length);
    while (Clock::now() < end && !context.Stopped() && !Enough()) {
      const TimePoint look =
          Saturated(Clock::now(), std::chrono::milliseconds(options_.operations != 0 ? 1 : 20));
      if (crew.Await(Deadline(std::min(look, end)))) break;  // all have failed
    }
    stop.store(true, std::memory_order_relaxed);
    crew.Await(Deadline::Never());
    const double seconds = ToMs(Clock::now() - start) / 1000;
    if (counted) Count(seconds, ToMs(ProcessCpu() - cpu) / 1000);
    return !context.Stopped();
  }

  const std::string& Name() const noexcept { return name_; }
  double PerCpuSecond() const { return Median(per_cpu_second_); }
  std::uint64_t Wrong() const noexcept { return wrong_ + failed_; }
  std::uint64_t Operations() const noexcept { return operations_; }

  void AddRow(double baseline, Findings& findings) const {
    const auto ns = [this](double q) { return latency_.ValueAtQuantile(q); };
    const auto share = [](std::uint64_t part, std::uint64_t whole) {
      return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
    };
    const auto count = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    const double speed = PerCpuSecond();
    const auto [least, most] = std::minmax_element(per_cpu_second_.begin(), per_cpu_second_.end());
    const bool any = !per_cpu_second_.empty();
    findings.AddRow({{"subject", name_},
                     {"threads", count(workers_.size())},
                     {"distribution", workload_.Options().distribution},
                     {"mops", Median(mops_)},
                     {"ops_per_cpu_s", speed},
                     {"ops_per_cpu_s_min", any ? *least : 0.0},
                     {"ops_per_cpu_s_max", any ? *most : 0.0},
                     {"cpu_ns_per_op", speed > 0 ? 1e9 / speed : 0.0},
                     {"times_mutex_lru", baseline > 0 ? speed / baseline : 0.0},
                     {"operations", count(operations_)},
                     {"hit_ratio", share(hits_, gets_)},
                     {"byte_hit_ratio", share(hit_bytes_, got_bytes_)},
                     {"entries", count(subject_->Entries())},
                     {"get_p50_ns", ns(0.5)},
                     {"get_p90_ns", ns(0.9)},
                     {"get_p99_ns", ns(0.99)},
                     {"get_p999_ns", ns(0.999)},
                     {"get_max_ns", latency_.Max()},
                     {"get_samples", count(latency_.Count())}});
  }

 private:
  static void Forget(CacheWorker& worker) {
    worker.operations.store(0, std::memory_order_relaxed);
    worker.gets = worker.hits = worker.failed = worker.wrong = 0;
    worker.got_bytes = worker.hit_bytes = 0;
    worker.latency.Reset();
  }
  std::uint64_t Done() const noexcept {
    std::uint64_t done = 0;
    for (const auto& worker : workers_) done += worker->operations.load(std::memory_order_relaxed);
    return done;
  }
  bool Enough() const noexcept { return options_.operations != 0 && Done() >= options_.operations; }
  void Count(double seconds, double cpu) {
    const auto done = static_cast<double>(Done());
    operations_ += Done();
    if (seconds > 0) mops_.push_back(done / seconds / 1e6);
    if (cpu > 0) per_cpu_second_.push_back(done / cpu);
    for (const auto& worker : workers_) {
      gets_ += worker->gets;
      hits_ += worker->hits;
      got_bytes_ += worker->got_bytes;
      hit_bytes_ += worker->hit_bytes;
      wrong_ += worker->wrong;
      failed_ += worker->failed;
      latency_.Merge(worker->latency);
    }
  }

  std::string name_;
  const CacheRunOptions& options_;
  const CacheWorkload& workload_;
  Duration clock_cost_;
  std::unique_ptr<CacheSubject> subject_;
  std::vector<std::unique_ptr<CacheWorker>> workers_;
  std::vector<double> mops_, per_cpu_second_;
  std::uint64_t operations_ = 0, gets_ = 0, hits_ = 0, got_bytes_ = 0, hit_bytes_ = 0;
  std::uint64_t wrong_ = 0, failed_ = 0;
  stats::Histogram latency_{stats::HistogramConfig{1, 10'000'000'000, 3}};
};

void Check(const CacheRunOptions& options) {
  if (options.subjects.empty() || options.threads.empty() || options.repeats == 0) {
    throw UsageError("at least one subject, one number of threads and one repeat");
  }
  for (const std::size_t threads : options.threads) {
    if (threads < 1 || threads > 1024) throw UsageError("from 1 to 1024 threads");
  }
  if (options.capacity == 0 && options.max_bytes == 0) {
    throw UsageError("a capacity in entries or in bytes is needed");
  }
}

using Points = std::vector<std::unique_ptr<Point>>;

void Report(const Points& points, std::size_t threads, double at_least, Findings& findings) {
  double baseline = 0;
  for (const auto& point : points) {
    if (point->Name() == kBaseline) baseline = point->PerCpuSecond();
  }
  for (const auto& point : points) {
    point->AddRow(baseline, findings);
    const std::string where = fmt::format("{} at {} threads", point->Name(), threads);
    findings.Never("wrong values of " + where, point->Wrong(), point->Operations());
    if (at_least > 0 && baseline > 0 && point->Name() != kBaseline) {
      findings.AtLeast(where + ", times mutex-lru", point->PerCpuSecond() / baseline, at_least);
    }
  }
}

}  // namespace

load::Result CacheRun(const CacheRunOptions& options, const Context& context) {
  Check(options);
  Findings findings("cachebench", "run", context.seed);
  context.Phase("keys and requests");
  const CacheWorkload workload(options.workload, context.seed);
  const std::size_t most = *std::max_element(options.threads.begin(), options.threads.end());
  std::vector<std::vector<CacheWorkload::Request>> requests;
  for (std::size_t i = 0; i < most; ++i) requests.push_back(workload.Requests(i));
  const Duration clock_cost = ClockCost();
  bool going = true;
  for (const std::size_t threads : options.threads) {
    if (!going) break;
    Crew crew(threads);
    Points points;
    for (const std::string& name : options.subjects) {
      points.push_back(std::make_unique<Point>(name, options, workload, clock_cost, requests,
                                               threads, context.seed));
    }
    for (auto& point : points) {
      context.Phase(fmt::format("{} threads, {}: warm-up", threads, point->Name()));
      going = going && point->Run(crew, options.warmup, false, context);
    }
    for (std::size_t i = 0; i < options.repeats && going; ++i) {
      for (auto& point : points) {
        context.Phase(fmt::format("{} threads, {}: {} of {}", threads, point->Name(), i + 1,
                                  options.repeats));
        going = going && point->Run(crew, options.length, true, context);
      }
    }
    Report(points, threads, options.at_least, findings);
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
