// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/engine.hpp"

#include <algorithm>
#include <utility>

#include "libperf/base/cpu_time.hpp"
#include "libperf/base/log.hpp"

namespace perf::load {
namespace {

constexpr Duration kUnwind = std::chrono::seconds(5);  // for what CancelAll leaves to end

// An arrival that a loop gets to later than this after the load's end was not part of its rate.
constexpr Duration kLateGrace = std::chrono::milliseconds(50);

Task<void> ProbeOne(TargetRuntime& target, Deadline deadline, backends::Failure& result,
                    std::size_t& left, backends::EventLoop& loop) {
  result = co_await target.Probe(deadline);
  if (--left == 0) loop.Stop();
}

LoopGate& AddGate(RunShared& shared, backends::EventLoop& loop) {
  shared.gates.push_back(std::make_unique<LoopGate>(loop));
  return *shared.gates.back();
}

}  // namespace

RunShared::RunShared(const Scenario& the_scenario, std::size_t loop_count)
    : scenario(the_scenario),
      loops(loop_count),
      collector(the_scenario, loop_count),
      started(the_scenario.loads.size()),
      running(the_scenario.loads.size()) {
  for (auto& count : running) count = static_cast<std::int64_t>(loop_count);
}

Engine::Engine(RunShared& shared, const std::vector<std::string>& urls, std::size_t index)
    : shared_(shared),
      scenario_(shared.scenario),
      index_(index),
      gate_(AddGate(shared, loop_)),
      flows_(scenario_, loop_, targets_),
      stalls_(loop_),
      loads_(scenario_.loads.size()),
      interval_(shared.collector.Fresh()) {
  for (std::size_t i = 0; i < scenario_.targets.size(); ++i) {
    const std::uint16_t via = i < shared.via_ports.size() ? shared.via_ports[i] : 0;
    targets_.push_back(std::make_unique<TargetRuntime>(loop_, scenario_.targets[i], urls[i], index,
                                                       shared.loops,
                                                       scenario_.seed + 31 * i + index, via));
  }
}

Engine::~Engine() {
  gate_.Close();
  for (auto& target : targets_) target->Pool().CloseIdle();
}

std::vector<backends::Failure> Engine::Probe(Deadline deadline) {
  std::vector<backends::Failure> results(targets_.size());
  std::size_t left = targets_.size();
  if (left == 0) return results;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    loop_.Spawn(ProbeOne(*targets_[i], deadline, results[i], left, loop_));
  }
  loop_.Run();
  return results;
}

void Engine::Run() {
  const Duration cpu_before = ThreadCpu();
  flows_.RecordInto(interval_.get());
  flows_.SetStart(shared_.start);
  flows_.UseCaches(shared_.caches.get(), &gate_);
  if (shared_.audio) {
    player_ = std::make_unique<Player>(loop_, *shared_.audio, index_);
    player_->RecordInto(interval_.get());
    flows_.UsePlayer(player_.get());
  }
  for (auto& target : targets_) target->Pool().Prefill();
  BeginPlannedLoads();
  loop_.Spawn(stalls_.Watch(shared_.start));
  loop_.Spawn(Tick());
  loop_.Run();
  if (!loop_.Drain(Deadline::After(Clock::now(), kUnwind))) {
    Log(LogLevel::kWarn, "{} tasks of loop {} did not end in time", loop_.Live(), index_);
  }
  gate_.Close();
  DeliverInterval(
      std::max<std::int64_t>(0, (Clock::now() - shared_.start) / std::chrono::seconds(1)));
  cpu_used_ = ThreadCpu() - cpu_before;
  shared_.collector.LoopFinished(index_);
}

void Engine::BeginPlannedLoads() {
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    const std::optional<Duration> at = scenario_.PlannedStart(i);
    if (at) Begin(i, shared_.start + *at);
  }
  loop_.SetPacer(shared_.start, [this](TimePoint now) { return OnWake(now); });
}

void Engine::Begin(std::size_t load, TimePoint at) {
  const LoadSpec& spec = scenario_.loads[load];
  LoadState& state = loads_[load];
  state.begun = true;
  state.start = at;
  if (spec.length > Duration::zero()) state.end = Saturated(at, spec.length);
  if (spec.kind == LoadSpec::Kind::kRate) state.end = Saturated(at, spec.arrivals.length);
  PlanDrain();
  if (spec.kind == LoadSpec::Kind::kRate) {
    state.arrivals.emplace(spec.arrivals, static_cast<std::int64_t>(shared_.loops),
                           static_cast<std::int64_t>(index_));
    state.next = state.arrivals->Next();
    loop_.WakePacerAt(at);
    return;
  }
  for (std::size_t user = index_; user < spec.users; user += shared_.loops) ++state.users;
  if (state.users == 0) return Stopped(load);
  for (std::size_t user = index_; user < spec.users; user += shared_.loops) {
    loop_.Spawn(RunUser(load, static_cast<std::int64_t>(user)));
  }
}

void Engine::StartLoad(std::size_t load, TimePoint at) {
  loop_.Post([this, load, at] {
    if (ending_ || loads_[load].begun) return;
    Begin(load, at);
  });
}

TimePoint Engine::OnWake(TimePoint now) {
  TimePoint next = TimePoint::max();
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    LoadState& state = loads_[i];
    if (!state.arrivals || state.stopped) continue;
    while (state.next && state.start + state.next->at <= now) {
      const Arrivals::Arrival arrival = *state.next;
      state.next = state.arrivals->Next();
      StartArrival(i, arrival);
    }
    if (state.next) {
      next = std::min(next, state.start + state.next->at);
    } else if (state.end <= now) {
      Stopped(i);
    } else {
      next = std::min(next, state.end);
    }
  }
  return next;
}

void Engine::StartArrival(std::size_t load, const Arrivals::Arrival& arrival) {
  const LoadSpec& spec = scenario_.loads[load];
  LoadState& state = loads_[load];
  const bool recorded = arrival.at >= spec.warmup;
  LoadRecord& record = interval_->loads[load];
  const TimePoint now = Clock::now();
  if (recorded) ++record.intended;
  if (recorded && now <= state.end + kLateGrace) ++record.arrivals;
  const std::int64_t seq = shared_.seq.fetch_add(1, std::memory_order_relaxed);
  if (flows_.Waiting(load) * shared_.loops >= spec.max_waiting) {
    if (recorded) ++record.dropped;
    return;
  }
  Iteration& it = TakeIteration(load, arrival.index, arrival.index);
  it.recorded = recorded;
  it.scope.seq = seq;
  it.intended = state.start + arrival.at;
  it.ready = now;
  DrawRows(it);
  ++state.active;
  ++active_;
  loop_.Spawn(RunArrival(it));
}

Task<void> Engine::RunArrival(Iteration& it) {
  co_await flows_.Run(it);
  flows_.End(it);
  const std::size_t load = it.load;
  GiveIteration(it);
  --loads_[load].active;
  --active_;
  CheckEnded(load);
}

bool Engine::MayStart(std::size_t load, TimePoint now) {
  const LoadSpec& spec = scenario_.loads[load];
  if (ending_ || loop_.Cancelled() || now >= loads_[load].end) return false;
  if (spec.kind != LoadSpec::Kind::kIterations) return true;
  const auto wanted = static_cast<std::int64_t>(spec.iterations);
  return shared_.started[load].fetch_add(1, std::memory_order_relaxed) < wanted;
}

Task<void> Engine::RunUser(std::size_t load, std::int64_t user) {
  const LoadSpec& spec = scenario_.loads[load];
  LoadState& state = loads_[load];
  co_await loop_.SleepUntil(state.start);
  Iteration& it = TakeIteration(load, user, user);
  it.intended = it.ready = std::max(Clock::now(), state.start);
  for (std::int64_t count = 0; MayStart(load, it.ready); ++count) {
    it.recorded = it.ready - state.start >= spec.warmup;
    it.scope.iteration = count;
    // What the iteration before captured is not known in this one.
    std::fill(it.scope.values.begin(), it.scope.values.end(), Json());
    it.scope.seq = shared_.seq.fetch_add(1, std::memory_order_relaxed);
    DrawRows(it);
    const TimePoint started = it.ready;
    ++state.active;
    ++active_;
    co_await flows_.Run(it);
    flows_.End(it);
    --state.active;
    --active_;
    if (const auto next = PauseEnd(spec, it, started)) {
      co_await loop_.SleepUntil(*next);
      it.intended = *next;
      it.ready = std::max(Clock::now(), *next);
    }
  }
  GiveIteration(it);
  if (--state.users == 0) Stopped(load);
  CheckAllEnded();
}

/// When the user goes on; at once in the common case of a load without pauses.
std::optional<TimePoint> Engine::PauseEnd(const LoadSpec& spec, const Iteration& it,
                                          TimePoint started) {
  TimePoint next = Saturated(it.ready, spec.think);
  next = std::max(next, Saturated(started, spec.pacing));
  // Whoever found the target down comes back when the pool dials again: hammering a closed
  // port measures nothing.
  if (it.target_down) return std::max(next, it.ready + std::chrono::milliseconds(50));
  if (next == it.ready && it.ready != started && !it.failed) return std::nullopt;
  return next;
}

/// Once every load has begun and has an end, the end of the drain is known too. A load of
/// iterations without a bound ends by itself: each of its requests has a deadline.
void Engine::PlanDrain() {
  TimePoint last{};
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    if (!loads_[i].begun || loads_[i].end == TimePoint::max()) return;
    last = std::max(last, Saturated(loads_[i].end, scenario_.loads[i].drain));
  }
  if (std::exchange(drain_planned_, true)) return;
  loop_.Spawn(CancelAt(last));
}

void Engine::Stopped(std::size_t load) {
  if (loads_[load].stopped) return;
  loads_[load].stopped = true;
  CheckEnded(load);
}

void Engine::CheckEnded(std::size_t load) {
  LoadState& state = loads_[load];
  if (state.stopped && state.active == 0 && state.users == 0 && !state.ended) {
    state.ended = true;
    if (shared_.running[load].fetch_sub(1) == 1 && shared_.on_load_ended) {
      shared_.on_load_ended(load);
    }
  }
  CheckAllEnded();
}

void Engine::CheckAllEnded() {
  if (all_ended_) return;
  const bool ended =
      std::all_of(loads_.begin(), loads_.end(), [](const LoadState& s) { return s.ended; });
  if (!ended && !(ending_ && active_ == 0)) return;
  all_ended_ = true;
  // Not from inside of the task that ended last: it still has to unwind.
  loop_.Post([this] {
    loop_.CancelAll();
    loop_.Stop();
  });
}

void Engine::EndEarly(Duration drain) {
  loop_.Post([this, drain] {
    if (ending_) return;
    ending_ = true;
    for (LoadState& state : loads_) state.next.reset();
    for (std::size_t i = 0; i < loads_.size(); ++i) {
      if (loads_[i].arrivals) Stopped(i);
    }
    loop_.Spawn(CancelAt(Saturated(Clock::now(), drain)));
    CheckAllEnded();
  });
}

Task<void> Engine::CancelAt(TimePoint at) {
  co_await loop_.SleepUntil(at);
  if (!loop_.Cancelled()) loop_.CancelAll();
}

Task<void> Engine::Tick() {
  for (std::int64_t second = 1;; ++second) {
    co_await loop_.SleepUntil(shared_.start + std::chrono::seconds(second));
    if (loop_.Cancelled()) co_return;
    for (auto& target : targets_) target->Pool().Reap(Clock::now());
    DeliverInterval(second - 1);
  }
}

void Engine::DeliverInterval(std::int64_t second) {
  interval_->second = second;
  interval_->active = active_;
  for (std::size_t i = 0; i < loads_.size(); ++i) interval_->waiting += flows_.Waiting(i);
  std::unique_ptr<Interval> fresh = shared_.collector.Fresh();
  std::swap(interval_, fresh);
  flows_.RecordInto(interval_.get());
  if (player_) player_->RecordInto(interval_.get());
  shared_.collector.Deliver(std::move(fresh), index_);
}

Iteration& Engine::TakeIteration(std::size_t load, std::int64_t user, std::int64_t index) {
  if (unused_.empty()) {
    iterations_.push_back(std::make_unique<Iteration>(0));
    unused_.push_back(iterations_.back().get());
  }
  Iteration& it = *unused_.back();
  unused_.pop_back();
  // By load and index alone: the same seed gives the same values however many loops there are.
  it.random =
      Random(scenario_.seed).Fork((std::uint64_t{load} << 48) ^ static_cast<std::uint64_t>(index));
  it.load = load;
  it.scope.random = &it.random;
  it.scope.user_id = user;
  it.scope.iteration = 0;
  it.scope.values.assign(scenario_.symbols.Slots(), Json());
  it.scope.rows.assign(scenario_.data.size(), nullptr);
  return it;
}

void Engine::DrawRows(Iteration& it) {
  for (std::size_t i = 0; i < scenario_.data.size(); ++i) {
    it.scope.rows[i] = scenario_.data[i].Draw(it.random, it.scope.seq, it.scope.user_id);
  }
}

}  // namespace perf::load
