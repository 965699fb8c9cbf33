// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"
#include "libperf/load/cache_set.hpp"
#include "libperf/load/iteration.hpp"
#include "libperf/load/loop_gate.hpp"
#include "libperf/load/loop_wait.hpp"
#include "libperf/load/player.hpp"
#include "libperf/load/recorder.hpp"
#include "libperf/load/scenario.hpp"
#include "libperf/load/target.hpp"

namespace perf::load {

/// Runs the steps of flows on one loop and records each request.
/// A failed request ends its iteration, unless the step says otherwise: later steps would work
/// on values that it did not capture.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: borrows scenario, loop and targets.
class PERF_EXPORT FlowRunner {
 public:
  FlowRunner(const Scenario& scenario, backends::EventLoop& loop,
             std::vector<std::unique_ptr<TargetRuntime>>& targets);

  /// Where requests are recorded until the next call; never null while something runs.
  void RecordInto(Interval* interval) noexcept { interval_ = interval; }
  /// What cache steps use; before the first of them.
  void UseCaches(CacheSet* caches, LoopGate* gate) noexcept {
    caches_ = caches;
    gate_ = gate;
  }
  /// What play steps use; before the first of them.
  void UsePlayer(Player* player) noexcept { player_ = player; }
  void SetStart(TimePoint start) noexcept { start_ = start; }
  /// Runs the flow of `iteration`, from its `intended` on; to be followed by End.
  Task<void> Run(Iteration& iteration);
  /// Records the whole of an iteration that has been run.
  void End(const Iteration& iteration);
  /// Iterations of that load that wait for a connection now.
  std::size_t Waiting(std::size_t load) const noexcept { return waiting_[load]; }

 private:
  using LookUpWait = std::shared_ptr<LoopWait<cache::Answer>>;
  using WriteWait = std::shared_ptr<LoopWait<cache::Written>>;
  struct SourceJob;

  Task<void> RunSteps(const Steps& steps, Iteration& it);
  Task<void> RunRequest(const Step& step, Iteration& it);
  Task<void> RunCache(const Step& step, const CacheStep& cache, Iteration& it);
  std::optional<cache::Answer> StartLookUp(const CacheStep& cache, Iteration& it, Deadline deadline,
                                           const LookUpWait& wait);
  void StartWrite(const CacheStep& cache, Iteration& it, Deadline deadline, const WriteWait& wait);
  backends::Failure Note(const CacheStep& cache, Iteration& it,
                         const std::optional<cache::Answer>& answer);
  cache::AsyncLoader LoaderFor(const CacheStep& cache, const Iteration& it);
  Task<void> RunSource(std::shared_ptr<const SourceJob> job, cache::LoadDone done, TimePoint asked);
  Task<void> RunPlay(const Step& step, const PlayStep& play, Iteration& it);
  backends::Failure MatterOf(const PlayStep& play, const Iteration& it,
                             Voice::Matter& matter) const;
  static void KeepReply(const Step& step, Iteration& it, std::string& body, std::uint64_t bytes);
  Task<void> RunNested(const Step& step, Iteration& it);
  Task<void> Sleep(const SleepStep& sleep, Iteration& it);
  Task<void> Send(const Step& step, backends::Loan& loan, Iteration& it, Deadline deadline);
  void Collect(const Step& step, Iteration& it, RequestOutcome& outcome,
               backends::Failure& failure);
  const backends::HttpRequest& Prepare(const Step& step, const HttpStep& http, Iteration& it);
  void Prepare(const SqlStep& sql, Iteration& it);
  const backends::RedisCommand& Prepare(const Step& step, const RedisStep& redis, Iteration& it);
  void Finish(const Step& step, Iteration& it, const RequestOutcome& outcome,
              const backends::Failure& failure);
  void NoteFailure(const Step& step, const Iteration& it, const backends::Failure& failure);

  const Scenario& scenario_;
  backends::EventLoop& loop_;
  std::vector<std::unique_ptr<TargetRuntime>>& targets_;
  CacheSet* caches_ = nullptr;
  LoopGate* gate_ = nullptr;
  Player* player_ = nullptr;
  std::vector<std::unique_ptr<Iteration>> spare_;  // of sources
  unsigned hits_in_turn_ = 0;
  Interval* interval_ = nullptr;
  TimePoint start_{};
  std::vector<std::size_t> waiting_;               // by load
  std::vector<std::vector<unsigned>> seen_kinds_;  // by load and request: bits of ErrorKind
};

}  // namespace perf::load
