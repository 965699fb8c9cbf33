// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/pacer.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <cerrno>
#include <ctime>
#include <limits>

#include "libperf/base/cpu_time.hpp"

namespace perf::audio {
namespace {

void SleepUntil(TimePoint at) noexcept {
  const auto since = at.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const timespec until{static_cast<time_t>(seconds.count()),
                       static_cast<long>((since - seconds).count())};
  // The time is absolute: after a signal the same sleep goes on.
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

/// One thread's beats, from wake to end.
class Watch {
 public:
  Watch(CoreThreads& threads, int core) noexcept : seat_(threads, core) { Forget(); }

  void Forget() noexcept {
    seat_.OthersCpu();
    meter_.Forget(delay_.Read());
    from_ = Clock::now();
    cpu_from_ = ThreadCpu();
  }
  void Wake() noexcept {
    woke_ = Clock::now();
    cpu_woke_ = ThreadCpu();
  }
  void End() noexcept {
    const Duration wall = Clock::now() - woke_;
    meter_.Add({wall, ThreadCpu() - cpu_woke_, delay_.Read(), seat_.OthersCpu()});
  }
  void Fill(PacerReport& report, int core) const noexcept {
    report.starved = meter_.Total();
    report.longest_starved = meter_.Longest();
    report.cpu = ThreadCpu() - cpu_from_;
    report.length = Clock::now() - from_;
    report.core = seat_.Pinned() ? core : -1;
    report.run_delay_known = delay_.Known();
  }

 private:
  CoreThreads::Seat seat_;
  RunDelay delay_;
  StarvationMeter meter_;
  TimePoint from_, woke_;
  Duration cpu_from_{}, cpu_woke_{};
};

}  // namespace

Pacer::Pacer(const PacerOptions& options, CoreThreads& threads)
    : wheel_(Clock::now(), options.tick),
      thread_([this, options, &threads] { Run(options, threads); }) {}

Pacer::~Pacer() { Stop(); }

void Pacer::Add(std::span<Paced* const> streams, Duration period) {
  wheel_.Add(streams, period);
  Nudge();
}

void Pacer::Remove(std::span<Paced* const> streams) {
  const std::uint64_t pass = wheel_.Remove(streams);
  Nudge();
  wheel_.AwaitPass(pass);
}

void Pacer::Forget() {
  const std::uint64_t wanted = asked_to_forget_.fetch_add(1) + 1;
  Nudge();
  for (std::uint64_t seen = forgot_.load(); seen < wanted; seen = forgot_.load()) {
    forgot_.wait(seen);
  }
}

void Pacer::Stop() {
  stopping_.store(true);
  Nudge();
  if (thread_.joinable()) thread_.join();
}

void Pacer::Nudge() noexcept {
  nudges_.fetch_add(1);
  nudges_.notify_all();
}

void Pacer::Run(const PacerOptions& options, CoreThreads& threads) {
  ::pthread_setname_np(::pthread_self(), options.name.substr(0, 15).c_str());
  ::prctl(PR_SET_TIMERSLACK, 1);  // else the kernel may let it sleep for 50 µs more
  Watch watch(threads, options.core);
  for (;;) {
    // Read before the pass, so that whoever nudges afterwards is heard, and whoever did before sees
    // this pass.
    const std::uint32_t nudges = nudges_.load();
    if (stopping_.load()) break;
    if (const std::uint64_t asked = asked_to_forget_.load(); asked != forgot_.load()) {
      report_.tally.Forget();
      watch.Forget();
      forgot_.store(asked);
      forgot_.notify_all();
    }
    SleepUntil(wheel_.NextDue());
    watch.Wake();
    for (TimePoint now = Clock::now(); wheel_.NextDue() <= now && !stopping_.load();
         now = Clock::now()) {
      wheel_.RunTick(Clock::now, report_.tally);
    }
    watch.End();
    if (wheel_.Size() > 0) continue;
    nudges_.wait(nudges);
    wheel_.SkipTo(Clock::now());
  }
  watch.Fill(report_, options.core);
  // Whoever waits for a pass, or to have it forget, has nothing to wait for any more.
  wheel_.End();
  forgot_.store(std::numeric_limits<std::uint64_t>::max());
  forgot_.notify_all();
}

void RunVirtually(PaceWheel& wheel, PaceTally& tally, TimePoint end) noexcept {
  while (wheel.NextDue() < end) {
    const TimePoint due = wheel.NextDue();
    wheel.RunTick([due] { return due; }, tally);
  }
}

std::vector<int> UsableCores() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof(usable), &usable) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(static_cast<std::size_t>(core), &usable)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

}  // namespace perf::audio
