// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libperf/bench/findings.hpp"
#include "libperf/bench/pool_verbs.hpp"
#include "libperf/bench/stub_target.hpp"

namespace perf::bench {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100);
constexpr Duration kPatience = std::chrono::seconds(20);  // of each acquire

struct Counters {
  std::atomic<std::uint64_t> lent{0}, refused{0};
  std::atomic<bool> stop{false};
};

void Borrow(pool::BlockingPool& pool, Duration hold, Counters& counters) {
  while (!counters.stop) {
    auto lent = pool.Acquire(Deadline::After(Clock::now(), kPatience));
    ++(lent.loan ? counters.lent : counters.refused);
    if (lent.loan) std::this_thread::sleep_for(hold);
  }
}

/// Until so many more were lent; false when the deadline came first.
bool AwaitLoans(const Counters& counters, std::uint64_t more, Deadline deadline) {
  const std::uint64_t from = counters.lent;
  while (counters.lent < from + more) {
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace

load::Result PoolPause(const PauseOptions& options, const Context& context) {
  Findings findings("poolbench", "pause", context.seed);
  StubTarget target;
  pool::BlockingPool::Options settings;
  settings.name = "pause";
  settings.limits.min = settings.limits.max = options.pool;
  settings.seed = context.seed;
  pool::BlockingPool pool(settings, target.Dialler());
  Counters counters;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads.emplace_back([&] { Borrow(pool, options.hold, counters); });
  }
  const Deadline warm = Deadline::After(Clock::now(), kPatience);
  const bool began = AwaitLoans(counters, 2 * options.threads, warm);

  context.Phase("pausing under load");
  const TimePoint asked = Clock::now();
  const bool paused = pool.Pause(Deadline::After(asked, options.drain));
  const TimePoint quiet = Clock::now();
  const pool::Counts counts = pool.Core().Now();
  const std::uint64_t lent_before = counters.lent;
  std::this_thread::sleep_for(kLook);
  const std::uint64_t lent_meanwhile = counters.lent - lent_before;
  const TimePoint resumed = Clock::now();
  pool.Resume();
  const bool went_on =
      AwaitLoans(counters, 2 * options.threads, Deadline::After(resumed, kPatience));
  const double again_ms = ToMs(Clock::now() - resumed);
  counters.stop = true;
  threads.clear();

  Json row = Json::MakeObject();
  row["threads"] = std::uint64_t{options.threads};
  row["pool"] = std::uint64_t{options.pool};
  row["hold_ms"] = ToMs(options.hold);
  row["pause_ms"] = ToMs(quiet - asked);
  row["in_use"] = std::uint64_t{counts.in_use};
  row["waiting"] = std::uint64_t{counts.waiting};
  row["lent_while_paused"] = lent_meanwhile;
  row["resume_ms"] = again_ms;
  row["lent"] = counters.lent.load();
  row["refused"] = counters.refused.load();
  findings.AddRow(std::move(row));
  findings.AtLeast("loans before the pause", began ? 1 : 0, 1);
  findings.AtMost("pause", paused ? ToMs(quiet - asked) : 2 * ToMs(options.drain),
                  ToMs(options.drain), "ms");
  findings.Never("connections in use when pause returned", counts.in_use);
  findings.Never("loans while paused", lent_meanwhile);
  findings.AtLeast("loans after resume", went_on ? 1 : 0, 1);
  findings.Never("acquires refused", counters.refused);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
