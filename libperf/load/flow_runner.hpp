// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"
#include "libperf/load/iteration.hpp"
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
  void SetStart(TimePoint start) noexcept { start_ = start; }
  /// From `iteration.intended` to the end of its flow, recorded.
  Task<void> Run(Iteration& iteration);
  /// Iterations of that load that wait for a connection now.
  std::size_t Waiting(std::size_t load) const noexcept { return waiting_[load]; }

 private:
  Task<void> RunSteps(const Steps& steps, Iteration& it);
  Task<void> RunRequest(const Step& step, Iteration& it);
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
  Interval* interval_ = nullptr;
  TimePoint start_{};
  std::vector<std::size_t> waiting_;               // by load
  std::vector<std::vector<unsigned>> seen_kinds_;  // by load and request: bits of ErrorKind
};

}  // namespace perf::load
