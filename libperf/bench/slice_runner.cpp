// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/slice_runner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libperf/base/cpu_time.hpp"

namespace perf::bench {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(10);
constexpr Duration kEnding = std::chrono::seconds(5);

}  // namespace

std::uint64_t SpendRounds(Duration length) {
  if (length <= Duration::zero()) return 0;
  constexpr std::uint64_t kRounds = 200'000;
  // The best of several: whatever disturbs makes it longer.
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < 7; ++i) {
    const Duration before = ThreadCpu();
    Spend(kRounds);
    best = std::min(best, ToMs(ThreadCpu() - before) / 1000);
  }
  const double rounds = ToMs(length) / 1000 / std::max(best / kRounds, 1e-12);
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::llround(rounds)));
}

SliceRunner::SliceRunner(std::size_t threads, Duration stuck_after, const Context& context)
    : stuck_after_(stuck_after), context_(context), crew_(threads) {
  for (std::size_t i = 0; i < threads; ++i) workers_.push_back(std::make_unique<Worker>());
}

std::uint64_t SliceRunner::Operations() const noexcept {
  std::uint64_t total = 0;
  for (const auto& worker : workers_) total += worker->operations.load(std::memory_order_relaxed);
  return total;
}

std::size_t SliceRunner::Watch(Subject& subject, Slice& slice, const Wanted& wanted,
                               TimePoint end) {
  std::uint64_t seen = std::numeric_limits<std::uint64_t>::max();
  Duration still{};
  for (TimePoint last = Clock::now();;) {
    const Duration wait = slice.stop ? kLook : std::clamp(end - last, Duration::zero(), kLook);
    if (crew_.Await(Deadline::After(last, wait))) return 0;
    const TimePoint now = Clock::now();
    const std::uint64_t total = Operations();
    const bool enough = wanted.operations > 0 && total >= wanted.operations;
    if (now >= end || enough || context_.Stopped()) slice.stop = true;
    // A look that came late says that the machine stood still, not that the pool did.
    still = total == seen ? still + std::min(now - last, 2 * kLook) : Duration::zero();
    seen = total;
    last = now;
    if (still >= stuck_after_ && subject.Free() > 0) return crew_.Busy();
  }
}

bool SliceRunner::Run(Subject& subject, const Wanted& wanted, Tally* tally) {
  for (auto& worker : workers_) {
    worker->operations = 0;
    worker->failed = 0;
    worker->waits.Reset();
  }
  Slice slice;
  slice.hold_rounds = wanted.hold_rounds;
  const TimePoint start = Clock::now();
  // Later than the watch needs to see that somebody is stuck.
  slice.deadline = Deadline::After(start, wanted.length + 3 * stuck_after_);
  const Duration cpu_before = ProcessCpu();
  crew_.Start([&](std::size_t i) { subject.Work(slice, *workers_[i]); });
  const std::size_t lost = Watch(subject, slice, wanted, start + wanted.length);
  slice.stop = true;
  // Whoever is stuck comes back when its acquire runs out of time.
  while (!crew_.Await(Deadline::After(Clock::now(), kEnding))) {
  }
  const double cpu = ToMs(ProcessCpu() - cpu_before) / 1000;
  if (tally != nullptr) Count(*tally, cpu, ToMs(Clock::now() - start) / 1000, lost);
  return lost == 0;
}

void SliceRunner::Count(Tally& tally, double cpu_s, double elapsed_s, std::size_t lost) {
  tally.by_thread.resize(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    tally.by_thread[i] += workers_[i]->operations;
    tally.failed += workers_[i]->failed;
    tally.waits.Merge(workers_[i]->waits);
  }
  tally.rounds.push_back({Operations(), cpu_s});
  tally.operations += tally.rounds.back().operations;
  tally.elapsed_s += elapsed_s;
  tally.lost += lost;
}

}  // namespace perf::bench
