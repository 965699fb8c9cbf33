// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <source_location>
#include <string>
#include <vector>

#include "libperf/bench/findings.hpp"
#include "libperf/bench/pool_verbs.hpp"
#include "libperf/bench/stub_target.hpp"

namespace perf::bench {
namespace {

/// What the pool reported, and a way to wait for it.
class Reports {
 public:
  void Add(const pool::Holder& holder) {
    {
      const std::lock_guard lock(mutex_);
      holders_.push_back(holder);
    }
    changed_.notify_all();
  }
  bool Await(std::size_t count, Deadline deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline.At(), [&] { return holders_.size() >= count; });
  }
  std::vector<pool::Holder> All() {
    const std::lock_guard lock(mutex_);
    return holders_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<pool::Holder> holders_;
};

std::string_view FileName(const char* path) {
  const std::string_view text = path;
  return text.substr(text.find_last_of('/') + 1);
}

}  // namespace

load::Result PoolLeak(const LeakOptions& options, const Context& context) {
  Findings findings("poolbench", "leak", context.seed);
  Reports reports;
  StubTarget target;
  pool::BlockingPool::Options settings;
  settings.name = "leak";
  settings.limits.max = 4;
  settings.limits.leak_after = options.threshold;
  settings.seed = context.seed;
  settings.on_leak = [&](const pool::Holder& holder) { reports.Add(holder); };
  pool::BlockingPool pool(settings, target.Dialler());

  context.Phase("one borrower holds its connection for too long");
  const TimePoint start = Clock::now();
  const Deadline deadline = Deadline::After(start, std::chrono::seconds(5));
  const std::source_location where = std::source_location::current();
  auto held = pool.Acquire(deadline, where);
  pool.Acquire(deadline).loan.Return();  // a borrower as it should be
  const bool reported = reports.Await(1, Deadline::After(start, options.hold + options.patience));
  // Long enough to be reported a second time, were it not for the first.
  if (reported) {
    reports.Await(2, Deadline::After(start, std::max(options.hold, 3 * options.threshold)));
  }
  held.loan.Return();

  std::uint64_t right = 0;
  for (const pool::Holder& leak : reports.All()) {
    Json row = Json::MakeObject();
    row["file"] = FileName(leak.where.file_name());
    row["line"] = std::uint64_t{leak.where.line()};
    row["function"] = std::string(leak.where.function_name());
    row["age_ms"] = ToMs(leak.age);
    right += leak.where.line() == where.line() && leak.age >= options.threshold &&
             std::string_view(leak.where.file_name()) == where.file_name();
    findings.AddRow(std::move(row));
  }
  const std::uint64_t counted = pool.Core().Totals().leaks_detected;
  const bool leaks = options.hold > options.threshold;
  findings.AtLeast("leaks reported with file and line of their borrower",
                   static_cast<double>(right), leaks ? 1 : 0);
  findings.AtMost("leaks reported", static_cast<double>(reports.All().size()), leaks ? 1 : 0);
  findings.AtMost("pool_leaks_detected_total", static_cast<double>(counted), reported ? 1 : 0);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
