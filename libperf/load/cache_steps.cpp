// SPDX-License-Identifier: Apache-2.0
// The part of FlowRunner that uses caches. Nothing here blocks the loop: what memory does not
// answer comes back through the loop's gate.
#include <fmt/format.h>

#include <algorithm>
#include <coroutine>
#include <exception>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/load/flow_runner.hpp"
#include "libperf/load/inspect.hpp"

namespace perf::load {
namespace {

using cache::Answer;
using cache::AnswerFrom;
using cache::AnswerStatus;

// The cache keeps to its deadline itself; this is for a loop that is being ended.
constexpr Duration kGrace = std::chrono::milliseconds(500);
constexpr std::size_t kExcerpt = 400;

// So many answers from memory in a row, then others on the loop have their turn: nothing of such a
// flow ever waits.
constexpr unsigned kHitsInTurn = 32;

/// Goes on in the loop's next turn.
struct NextTurn {
  backends::EventLoop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { loop.Schedule(handle); }
  void await_resume() const noexcept {}
};

/// Carries a source's failure through the cache to all who waited for the load.
class SourceError final : public Error {
 public:
  explicit SourceError(const backends::Failure& failure)
      : Error(failure.text), kind_(failure.kind) {}
  ErrorKind Kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

backends::Failure FailureOf(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const SourceError& failed) {
    return {failed.Kind(), std::string("source: ") + failed.what()};
  } catch (const std::exception& failed) {
    return {ErrorKind::kProtocol, "source: " + Excerpt(failed.what(), kExcerpt)};
  }
  return {ErrorKind::kProtocol, "the source was not read"};
}

backends::Failure TimedOut(const CacheSpec& spec) {
  return {ErrorKind::kTimeout,
          fmt::format("no answer of cache {} within {}", spec.name, FormatExact(spec.timeout))};
}

/// The options of one call; nothing where they are the cache's own.
std::optional<cache::EntryOptions> OptionsOf(const CacheStep& step, const Scope& scope,
                                             const cache::Cache& cache) {
  if (step.tags.empty() && !step.ttl) return std::nullopt;
  cache::EntryOptions options = cache.Defaults();
  if (step.ttl) options.ttl = *step.ttl;
  for (const Template& tag : step.tags) tag.Append(scope, options.tags.emplace_back());
  return options;
}

}  // namespace

/// What a load needs, whenever and however often it takes place: the iteration may be long over
/// when a stale value is renewed.
struct FlowRunner::SourceJob {
  const Step* step = nullptr;
  std::size_t cache = 0;
  std::size_t load = 0;
  bool recorded = true;
  Random random{0};
  Scope scope;
};

Task<void> FlowRunner::RunCache(const Step& step, const CacheStep& cache, Iteration& it) {
  const CacheSpec& spec = scenario_.caches[cache.cache];
  RequestOutcome outcome;
  outcome.intended = it.intended;
  outcome.began = outcome.acquired = outcome.timing.sent = it.ready;
  const Deadline deadline = Deadline::After(it.ready, spec.timeout);
  const Deadline end = Deadline::After(deadline.At(), kGrace);
  backends::Failure failure;
  cache.key.Render(it.scope, it.cache_key);
  if (cache.LooksUp()) {
    const auto wait = std::make_shared<LoopWait<Answer>>(loop_, end);
    std::optional<Answer> answer = StartLookUp(cache, it, deadline, wait);
    if (answer) {
      ++hits_in_turn_;
    } else {
      answer = co_await wait->Answer();
    }
    outcome.timing.done = Clock::now();
    failure = Note(cache, it, answer);
    if (!failure) failure = Inspect(step, *answer, outcome.timing, it.scope.values);
    if (step.reply_slot && !failure && answer->Found()) {
      std::string bytes(answer->value.Bytes());
      KeepReply(step, it, bytes, bytes.size());
    }
  } else {
    const auto wait = std::make_shared<LoopWait<cache::Written>>(loop_, end);
    StartWrite(cache, it, deadline, wait);
    const std::optional<cache::Written> written = co_await wait->Answer();
    outcome.timing.done = Clock::now();
    if (!written) {
      failure = TimedOut(spec);
    } else if (step.expect.time && outcome.timing.done - outcome.timing.sent > *step.expect.time) {
      failure = {ErrorKind::kCheck,
                 fmt::format("done after {}, expected within {}",
                             FormatDuration(outcome.timing.done - outcome.timing.sent),
                             FormatExact(*step.expect.time))};
    }
  }
  it.target_down |= failure.kind == ErrorKind::kConnect;
  Finish(step, it, outcome, failure);
  if (hits_in_turn_ < kHitsInTurn) co_return;
  hits_in_turn_ = 0;
  NextTurn turn{loop_};
  co_await turn;
  it.ready = Clock::now();  // what follows is late by our own doing
}

std::optional<Answer> FlowRunner::StartLookUp(const CacheStep& step, Iteration& it,
                                              Deadline deadline, const LookUpWait& wait) {
  cache::Cache& cache = caches_->At(step.cache);
  auto done = [wait](Answer answer) { wait->Give(std::move(answer)); };
  if (step.kind == CacheStep::Kind::kGet) {
    return cache.GetAsync(it.cache_key, deadline, gate_, std::move(done));
  }
  const auto options = OptionsOf(step, it.scope, cache);
  return cache.GetOrSetAsync(it.cache_key, LoaderFor(step, it), deadline, gate_, std::move(done),
                             options ? &*options : nullptr);
}

void FlowRunner::StartWrite(const CacheStep& step, Iteration& it, Deadline deadline,
                            const WriteWait& wait) {
  cache::Cache& cache = caches_->At(step.cache);
  CacheRecord unrecorded;
  CacheRecord& record = it.recorded ? interval_->caches[step.cache] : unrecorded;
  auto done = [wait](cache::Written written) { wait->Give(written); };
  switch (step.kind) {
    case CacheStep::Kind::kSet: {
      std::string value;
      if (step.value) step.value->Render(it.scope, value);
      if (step.json) step.json->Render(it.scope, value);
      const auto options = OptionsOf(step, it.scope, cache);
      ++record.sets;
      cache.SetAsync(it.cache_key, std::move(value), deadline, gate_, std::move(done),
                     options ? &*options : nullptr);
      break;
    }
    case CacheStep::Kind::kRemove:
      ++record.removes;
      cache.RemoveAsync(it.cache_key, deadline, gate_, std::move(done));
      break;
    default:
      ++record.invalidations;
      cache.InvalidateTagAsync(it.cache_key, deadline, gate_, std::move(done));
      break;
  }
}

/// Counts what came back; a failure where it is no answer.
backends::Failure FlowRunner::Note(const CacheStep& step, Iteration& it,
                                   const std::optional<Answer>& answer) {
  CacheRecord unrecorded;
  CacheRecord& record = it.recorded ? interval_->caches[step.cache] : unrecorded;
  if (!answer || answer->status == AnswerStatus::kTimeout) {
    ++record.errors;
    return TimedOut(scenario_.caches[step.cache]);
  }
  if (answer->status == AnswerStatus::kError) {
    ++record.errors;
    return FailureOf(answer->error);
  }
  ++record.lookups;
  record.l1_hits += answer->from == AnswerFrom::kMemory;
  record.l2_hits += answer->from == AnswerFrom::kTier;
  record.stale += answer->stale;
  record.negative += answer->status == AnswerStatus::kNegative;
  record.coalesced += answer->coalesced;
  return {};
}

cache::AsyncLoader FlowRunner::LoaderFor(const CacheStep& step, const Iteration& it) {
  auto job = std::make_shared<SourceJob>();
  job->step = step.from.get();
  job->cache = step.cache;
  job->load = it.load;
  job->recorded = it.recorded;
  job->random = it.random.Fork(step.from->request_id);
  job->scope = it.scope;
  // The cache calls it through the gate: on this loop, and never when this has gone.
  return [this, job = std::shared_ptr<const SourceJob>(std::move(job))](cache::LoadDone done) {
    loop_.Spawn(RunSource(job, std::move(done), Clock::now()));
  };
}

Task<void> FlowRunner::RunSource(std::shared_ptr<const SourceJob> job, cache::LoadDone done,
                                 TimePoint asked) {
  std::unique_ptr<Iteration> it;
  if (spare_.empty()) {
    it = std::make_unique<Iteration>(0);
  } else {
    it = std::move(spare_.back());
    spare_.pop_back();
  }
  SourceReply reply;
  it->source = &reply;
  it->prepared = nullptr;  // its values are another iteration's
  it->load = job->load;
  it->recorded = job->recorded;
  it->failed = it->stop = it->target_down = false;
  it->scope = job->scope;
  it->random = job->random;
  it->scope.random = &it->random;
  it->intended = asked;
  it->ready = std::max(Clock::now(), asked);
  if (it->recorded) ++interval_->caches[job->cache].loads;
  co_await RunRequest(*job->step, *it);
  it->source = nullptr;
  spare_.push_back(std::move(it));
  if (reply.failure) {
    done.Fail(std::make_exception_ptr(SourceError(reply.failure)));
  } else {
    done.Give(std::move(reply.loaded));
  }
}

}  // namespace perf::load
