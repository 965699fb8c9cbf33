// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/runner.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/private_servers.hpp"
#include "libperf/backends/private_topology.hpp"
#include "libperf/base/cpu_time.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/url.hpp"
#include "libperf/base/utc.hpp"
#include "libperf/load/admin.hpp"
#include "libperf/load/assemble.hpp"
#include "libperf/load/engine.hpp"
#include "libperf/load/environment_info.hpp"
#include "libperf/load/fault_runner.hpp"
#include "libperf/load/judge.hpp"
#include "libperf/stats/series.hpp"

namespace perf::load {
namespace {

constexpr Duration kProbe = std::chrono::milliseconds(2500);  // the contract says: within 3 s
constexpr Duration kServersReady = std::chrono::seconds(30);
constexpr Duration kAdmin = std::chrono::minutes(10);
constexpr Duration kPoll = std::chrono::milliseconds(100);
// Between the last preparation and the first arrival: threads start, pools prefill.
constexpr Duration kRunUp = std::chrono::milliseconds(100);
constexpr Duration kEarlyDrain = std::chrono::seconds(1);

/// One run from its private servers to its result; the steps in the order of the methods.
class Session {
 public:
  Session(const Scenario& scenario, const RunOptions& options)
      : scenario_(scenario),
        options_(options),
        judge_(scenario),
        totals_(Interval::For(scenario)) {}

  void StartServers();
  void Prepare();
  void Load();
  Result Finish();
  bool StopAsked() const { return options_.stop != nullptr && options_.stop->load(); }

 private:
  void Phase(const std::string& text) const {
    if (options_.on_phase) options_.on_phase(text);
  }
  void ProbeTargets();
  void MakeCaches();
  void OnSecond(const Interval& second);
  void EndEarly();
  void Teardown();
  Generator Measure() const;
  void RethrowFailure();

  const Scenario& scenario_;
  const RunOptions& options_;
  Judge judge_;
  Interval totals_;
  backends::PrivateServers servers_;
  std::vector<std::string> urls_;
  std::unique_ptr<FaultRunner> faults_;  // none where the scenario has none
  std::unique_ptr<RunShared> shared_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::exception_ptr> failures_;
  stats::TimeSeries<SeriesPoint> series_;
  std::string started_at_;
  Duration elapsed_{};
  Duration process_cpu_{};
  bool interrupted_ = false;
  bool aborted_ = false;
};

void Session::StartServers() {
  std::vector<backends::PrivateSpec> specs;
  for (const TargetSpec& target : scenario_.targets) {
    if (!target.is_private) continue;
    backends::PrivateSpec spec;
    spec.name = target.name;
    spec.kind = target.kind == TargetKind::kPostgres ? backends::PrivateSpec::Kind::kPostgres
                : target.kind == TargetKind::kRedis  ? backends::PrivateSpec::Kind::kRedis
                                                     : backends::PrivateSpec::Kind::kSpeech;
    spec.speech.first_byte = backends::DelayModel::Parse(target.speech_first_byte);
    spec.speech.pace = target.speech_pace;
    spec.speech.seed = scenario_.seed;
    spec.topology = target.topology;
    specs.push_back(std::move(spec));
  }
  if (!specs.empty()) {
    Phase(fmt::format("starting {} private server(s)", specs.size()));
    servers_ = backends::PrivateServers::Start(specs, Deadline::After(Clock::now(), kServersReady));
  }
  for (const TargetSpec& target : scenario_.targets) {
    urls_.push_back(target.is_private ? backends::ResolveTopologyUrl(servers_, target.name)
                                      : target.url);
  }
  if (!scenario_.faults.empty()) {
    faults_ = std::make_unique<FaultRunner>(scenario_, urls_, servers_);
  }
}

void Session::Prepare() {
  std::size_t loops = std::max<std::size_t>(1, options_.threads);
  for (const TargetSpec& target : scenario_.targets) {
    // A connection stays on the loop that dialled it, so no loop may be left without one.
    if (target.pool.max < loops) {
      Log(LogLevel::kWarn, "target {} has only {} connections: using that many threads",
          target.name, target.pool.max);
      loops = target.pool.max;
    }
  }
  shared_ = std::make_unique<RunShared>(scenario_, loops);
  if (faults_) shared_->via_ports = faults_->ViaPorts();
  for (std::size_t i = 0; i < loops; ++i) {
    engines_.push_back(std::make_unique<Engine>(*shared_, urls_, i));
  }
  Phase("looking at the targets");
  ProbeTargets();
  if (!scenario_.setup.empty() && !StopAsked()) {
    Phase("setting up");
    RunAdmin(scenario_, scenario_.setup, urls_, Deadline::After(Clock::now(), kAdmin));
  }
  if (!scenario_.caches.empty()) MakeCaches();
  if (scenario_.plays) shared_->audio = std::make_unique<AudioSet>(scenario_.audio, loops);
}

void Session::MakeCaches() {
  shared_->caches = std::make_unique<CacheSet>(scenario_, urls_, shared_->via_ports);
  const auto missing = shared_->caches->WaitReady(Deadline::After(Clock::now(), kProbe));
  if (missing.empty()) return;
  throw UnreachableError(
      fmt::format("the second tier of cache {} does not come up: Redis 6 or later "
                  "with CLIENT TRACKING is needed",
                  fmt::join(missing, ", ")));
}

void Session::ProbeTargets() {
  const std::vector<backends::Failure> failures =
      engines_.front()->Probe(Deadline::After(Clock::now(), kProbe));
  std::string text;
  for (std::size_t i = 0; i < failures.size(); ++i) {
    if (!failures[i]) continue;
    if (!text.empty()) text += '\n';
    const std::string behind = faults_ ? faults_->WhyUnreachable(i) : "";
    std::string why = MaskSecrets(behind.empty() ? failures[i].text : behind);
    // libpq lays its messages out for a terminal.
    std::replace_if(why.begin(), why.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    text += fmt::format("target {} ({}) is unreachable: {}", scenario_.targets[i].name,
                        MaskSecrets(urls_[i]), why);
  }
  if (!text.empty()) throw UnreachableError(text);
}

void Session::Load() {
  started_at_ = UtcNow();
  shared_->start = Clock::now() + kRunUp;
  shared_->on_load_ended = [this](std::size_t ended) {
    for (std::size_t i = 0; i < scenario_.loads.size(); ++i) {
      if (scenario_.loads[i].after != ended || scenario_.PlannedStart(i)) continue;
      for (auto& engine : engines_) engine->StartLoad(i, Clock::now() + scenario_.loads[i].start);
    }
  };
  if (StopAsked()) {
    interrupted_ = true;
    return;
  }
  Phase("");
  if (faults_) faults_->Start(shared_->start);
  const Duration cpu_before = ProcessCpu();
  failures_.resize(engines_.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < engines_.size(); ++i) {
      threads.emplace_back([this, i] {
        try {
          engines_[i]->Run();
        } catch (...) {
          failures_[i] = std::current_exception();
          for (auto& engine : engines_) engine->EndEarly(Duration::zero());
          shared_->collector.LoopFinished(i);
        }
      });
    }
    while (!shared_->collector.Exhausted()) {
      auto second = shared_->collector.Take(Deadline::After(Clock::now(), kPoll));
      if (second) {
        OnSecond(*second);
        shared_->collector.GiveBack(std::move(second));
      }
      if (StopAsked() && !interrupted_) {
        interrupted_ = true;
        EndEarly();
      }
    }
  }
  elapsed_ = std::max(Clock::now() - shared_->start, Duration::zero());
  process_cpu_ = ProcessCpu() - cpu_before;
  if (faults_) faults_->Stop();
  if (shared_->audio) shared_->audio->Stop();
  RethrowFailure();
}

void Session::RethrowFailure() {
  for (const std::exception_ptr& failure : failures_) {
    if (failure) std::rethrow_exception(failure);
  }
}

void Session::EndEarly() {
  for (auto& engine : engines_) engine->EndEarly(kEarlyDrain);
}

void Session::OnSecond(const Interval& second) {
  totals_.Merge(second);
  if (shared_->audio) shared_->audio->Collect();
  const Duration elapsed = std::chrono::seconds(second.second + 1);
  Progress progress;
  progress.second = PointOf(scenario_, second);
  series_.Add(progress.second);
  if (!aborted_ && !interrupted_) {
    if (const auto expr = judge_.OnSecond(second, totals_, elapsed)) {
      Log(LogLevel::kWarn, "aborting the run: threshold '{}' failed", *expr);
      aborted_ = true;
      EndEarly();
    }
  }
  if (!options_.on_progress) return;
  // The last second of a run is seldom a whole one.
  progress.elapsed_s = ToMs(std::min(elapsed, Clock::now() - shared_->start)) / 1000;
  for (std::size_t i = 0; i < scenario_.loads.size(); ++i) {
    const auto end = scenario_.PlannedEnd(i);
    if (!end) {
      progress.planned_s = 0;
      break;
    }
    progress.planned_s = std::max(progress.planned_s, ToMs(*end) / 1000);
  }
  for (const LoadRecord& load : totals_.loads) {
    progress.total_dropped += load.dropped;
    for (const RequestRecord& request : load.requests) {
      progress.total_requests += request.total;
      progress.total_failed += request.Failed();
    }
  }
  options_.on_progress(progress);
}

void Session::Teardown() {
  if (scenario_.teardown.empty()) return;
  try {
    RunAdmin(scenario_, scenario_.teardown, urls_, Deadline::After(Clock::now(), kAdmin));
  } catch (const ConfigError& error) {
    // The load was run and judged: that stands, whatever is left behind.
    Log(LogLevel::kError, "{}", error.what());
  }
}

Generator Session::Measure() const {
  Generator generator;
  generator.threads = static_cast<int>(engines_.size());
  Duration cpu{};
  for (const auto& engine : engines_) {
    cpu += engine->CpuUsed();
    generator.stalled_ms = std::max(generator.stalled_ms, ToMs(engine->Stalls().Stalled()));
    generator.longest_stall_ms =
        std::max(generator.longest_stall_ms, ToMs(engine->Stalls().Longest()));
  }
  std::uint64_t requests = 0;
  for (const LoadRecord& load : totals_.loads) {
    requests += load.warmup_requests;
    for (const RequestRecord& request : load.requests) requests += request.total;
  }
  if (requests > 0) {
    generator.cpu_us_per_op = ToMs(process_cpu_) * 1000 / static_cast<double>(requests);
  }
  if (elapsed_ > Duration::zero() && !engines_.empty()) {
    generator.cpu_percent =
        100 * ToMs(cpu) / (ToMs(elapsed_) * static_cast<double>(engines_.size()));
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  generator.rss_max_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return generator;
}

Result Session::Finish() {
  Teardown();
  Result result;
  result.tool = options_.tool;
  result.scenario_name = scenario_.name;
  result.scenario_hash = scenario_.hash;
  result.scenario_source = scenario_.source;
  result.seed = scenario_.seed;
  result.started_at = started_at_;
  result.environment = EnvironmentInfo();
  result.duration_s = ToMs(elapsed_) / 1000;
  const MeasuredSpan span = SpanOf(scenario_, elapsed_);
  AssembleSections(scenario_, totals_, span, result);
  AssemblePools(scenario_, engines_, result);
  if (shared_->caches) AssembleCaches(scenario_, totals_, *shared_->caches, result);
  if (shared_->audio) AssembleAudio(totals_, *shared_->audio, result);
  if (faults_) result.faults = faults_->Results();
  result.generator = Measure();
  result.series = series_.Points();
  result.series_step_s = ToMs(series_.Step()) / 1000;
  result.thresholds = judge_.Results(totals_, span.Length());
  std::uint64_t intended = 0;
  std::uint64_t arrivals = 0;
  for (const LoadRecord& load : totals_.loads) {
    intended += load.intended;
    arrivals += load.arrivals;
  }
  result.invalid_reasons = InvalidReasons(result, intended, arrivals);
  result.verdict = interrupted_             ? Verdict::kInterrupted
                   : !result.Valid()        ? Verdict::kInvalid
                   : !result.ThresholdsOk() ? Verdict::kFail
                                            : Verdict::kPass;
  return result;
}

}  // namespace

Result Run(const Scenario& scenario, const RunOptions& options) {
  Session session(scenario, options);
  session.StartServers();
  session.Prepare();
  session.Load();
  return session.Finish();
}

}  // namespace perf::load
