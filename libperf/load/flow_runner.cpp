// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/flow_runner.hpp"

#include <algorithm>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/inspect.hpp"

namespace perf::load {
namespace {

constexpr std::size_t kSampleBytes = 400;

std::size_t TargetOf(const Step& step) {
  if (const auto* http = std::get_if<HttpStep>(&step.action)) return http->target;
  if (const auto* sql = std::get_if<SqlStep>(&step.action)) return sql->target;
  return std::get<RedisStep>(step.action).target;
}

}  // namespace

FlowRunner::FlowRunner(const Scenario& scenario, backends::EventLoop& loop,
                       std::vector<std::unique_ptr<TargetRuntime>>& targets)
    : scenario_(scenario), loop_(loop), targets_(targets), waiting_(scenario.loads.size()) {
  for (const LoadSpec& load : scenario.loads) {
    seen_kinds_.emplace_back(Requests(scenario.flows[load.flow]).size());
  }
}

/// Not a coroutine of its own, which saves a frame per iteration.
Task<void> FlowRunner::Run(Iteration& it) {
  it.failed = it.stop = it.target_down = false;
  for (KeptReply& kept : it.kept_replies) kept.there = false;
  it.begun = it.intended;
  return RunSteps(scenario_.flows[scenario_.loads[it.load].flow].steps, it);
}

void FlowRunner::End(const Iteration& it) {
  if (!it.recorded) return;
  LoadRecord& record = interval_->loads[it.load];
  ++record.iterations;
  if (it.failed) ++record.failed_iterations;
  record.duration.Record(std::max<std::int64_t>((it.ready - it.begun).count() + 500, 0) / 1000);
}

Task<void> FlowRunner::RunSteps(const Steps& steps, Iteration& it) {
  for (const Step& step : steps) {
    if (const auto* cache = std::get_if<CacheStep>(&step.action)) {
      co_await RunCache(step, *cache, it);
    } else if (const auto* play = std::get_if<PlayStep>(&step.action)) {
      co_await RunPlay(step, *play, it);
    } else if (step.IsRequest()) {
      co_await RunRequest(step, it);
    } else {
      co_await RunNested(step, it);
    }
    if (it.stop) co_return;
  }
}

Task<void> FlowRunner::RunNested(const Step& step, Iteration& it) {
  if (const auto* sleep = std::get_if<SleepStep>(&step.action)) {
    co_await Sleep(*sleep, it);
  } else if (const auto* group = std::get_if<GroupStep>(&step.action)) {
    co_await RunSteps(group->steps, it);
  } else if (const auto* repeat = std::get_if<RepeatStep>(&step.action)) {
    for (std::uint64_t i = 0; i < repeat->times && !it.stop; ++i) {
      co_await RunSteps(repeat->steps, it);
    }
  } else if (const auto* choose = std::get_if<ChooseStep>(&step.action)) {
    const double drawn = it.random.Unit() * choose->cumulative.back();
    const auto found =
        std::upper_bound(choose->cumulative.begin(), choose->cumulative.end(), drawn);
    const auto index = static_cast<std::size_t>(found - choose->cumulative.begin());
    co_await RunSteps(choose->branches[std::min(index, choose->branches.size() - 1)], it);
  } else if (const auto* set = std::get_if<SetStep>(&step.action)) {
    for (const auto& [slot, value] : set->values) it.scope.values[slot] = value.Evaluate(it.scope);
  }
}

Task<void> FlowRunner::Sleep(const SleepStep& sleep, Iteration& it) {
  const Duration length(it.random.Int(sleep.least.count(), sleep.most.count()));
  const TimePoint until = Saturated(it.ready, length);
  co_await loop_.SleepUntil(until);
  // What follows should have begun at `until`; that the loop woke later is its lag.
  it.intended = until;
  it.ready = std::max(Clock::now(), until);
}

Task<void> FlowRunner::RunRequest(const Step& step, Iteration& it) {
  TargetRuntime& target = *targets_[TargetOf(step)];
  RequestOutcome outcome;
  outcome.intended = it.intended;
  outcome.began = it.ready;
  ++waiting_[it.load];
  backends::ConnectionPool::Acquired acquired = co_await target.Pool().Borrow(it.ready);
  --waiting_[it.load];
  outcome.acquired = acquired.at;
  backends::Failure failure = std::move(acquired.failure);
  if (failure) {
    outcome.timing.done = std::max(acquired.at, it.ready);
    it.target_down = failure.kind == ErrorKind::kConnect;
  } else {
    const Deadline deadline = Deadline::After(acquired.at, target.Spec().timeout);
    co_await Send(step, acquired.loan, it, deadline);
    acquired.loan.Return();
    Collect(step, it, outcome, failure);
  }
  Finish(step, it, outcome, failure);
}

/// Not a coroutine of its own: the client's is awaited directly, which saves a frame per request.
Task<void> FlowRunner::Send(const Step& step, backends::Loan& loan, Iteration& it,
                            Deadline deadline) {
  if (const auto* http = std::get_if<HttpStep>(&step.action)) {
    const backends::HttpRequest& request = Prepare(step, *http, it);
    return loan.As<backends::HttpConnection>().Exchange(request, it.http_reply, deadline);
  }
  if (const auto* sql = std::get_if<SqlStep>(&step.action)) {
    Prepare(*sql, it);
    return loan.As<backends::PostgresConnection>().Execute(sql->statement, it.sql_parameters,
                                                           it.sql_reply, deadline);
  }
  const backends::RedisCommand& command = Prepare(step, std::get<RedisStep>(step.action), it);
  return loan.As<backends::RedisConnection>().Execute(command, it.redis_reply, deadline);
}

/// What came back: when, and whether it is what the step expects.
void FlowRunner::Collect(const Step& step, Iteration& it, RequestOutcome& outcome,
                         backends::Failure& failure) {
  const auto take = [&](auto& reply) {
    outcome.timing = reply.timing;
    if (reply.failure) {
      failure = std::move(reply.failure);
    } else {
      failure = Inspect(step, reply, it.scope.values);
      if (it.source && !failure) it.source->loaded.bytes = SourceValue(reply);
    }
  };
  if (step.action.index() == 0) {
    take(it.http_reply);
    if (step.reply_slot && !failure) {
      KeepReply(step, it, it.http_reply.body, it.http_reply.body_bytes);
    }
  } else if (step.action.index() == 1) {
    take(it.sql_reply);
    outcome.timing.first_byte = {};  // known and told only for HTTP
    it.sql_reply.Clear();
  } else {
    take(it.redis_reply);
    outcome.timing.first_byte = {};
    outcome.count = std::get<RedisStep>(step.action).pipeline;
  }
}

void FlowRunner::Finish(const Step& step, Iteration& it, const RequestOutcome& outcome,
                        const backends::Failure& failure) {
  RequestOutcome ended = outcome;
  ended.error = failure.kind;
  LoadRecord& record = interval_->loads[it.load];
  if (it.recorded) {
    record.requests[step.request_id].Add(ended);
  } else {
    record.warmup_requests += ended.count;
  }
  if (it.source) it.source->failure = failure;
  if (failure) {
    it.failed = true;
    it.stop = !step.keep_going;
    NoteFailure(step, it, failure);
  }
  it.intended = it.ready = ended.timing.done;
}

void FlowRunner::NoteFailure(const Step& step, const Iteration& it,
                             const backends::Failure& failure) {
  unsigned& seen = seen_kinds_[it.load][step.request_id];
  const unsigned bit = 1u << static_cast<unsigned>(failure.kind);
  if ((seen & bit) != 0 || !it.recorded) return;
  seen |= bit;
  FailureSample sample;
  sample.load = it.load;
  sample.request = step.request_id;
  sample.kind = failure.kind;
  sample.text = Excerpt(MaskSecrets(failure.text), kSampleBytes);
  sample.at_s = ToMs(it.ready - start_) / 1000;
  interval_->samples.push_back(std::move(sample));
}

}  // namespace perf::load
