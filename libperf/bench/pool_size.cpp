// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_size.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/size_rule.hpp"
#include "libperf/load/admin.hpp"
#include "libperf/load/assemble.hpp"
#include "libperf/load/runner.hpp"

namespace perf::bench {
namespace {

constexpr Duration kServersReady = std::chrono::seconds(30);

/// The scenario with its servers started, whose runs differ in nothing but one pool's size.
class Sweep {
 public:
  Sweep(load::Scenario scenario, const SizeOptions& options, const Context& context);
  /// All sizes in `rounds` rounds; `name` is told with each.
  std::vector<SizeTrial> Run(std::string_view name);
  void TearDown();
  const load::Scenario& Scenario() const { return scenario_; }
  const load::TargetSpec& Target() const { return scenario_.targets[target_]; }
  /// One run that the machine spoiled is outvoted by the other rounds; many are not.
  bool MostlyInvalid() const noexcept { return invalid_ * 4 > runs_; }
  std::uint64_t Failed() const noexcept { return failed_; }
  std::uint64_t Requests() const noexcept { return requests_; }
  const std::vector<std::pair<std::string, std::string>>& Reasons() const { return reasons_; }

 private:
  void StartServers();
  void RunOnce(SizeTrial& trial);

  const SizeOptions& options_;
  const Context& context_;
  load::Scenario scenario_;
  std::size_t target_ = 0;
  std::vector<std::size_t> sizes_;
  backends::PrivateServers servers_;
  std::vector<load::AdminStep> teardown_;
  Random random_;
  std::size_t runs_ = 0, invalid_ = 0;
  std::uint64_t failed_ = 0, requests_ = 0;
  std::vector<std::pair<std::string, std::string>> reasons_;
};

std::size_t FindTarget(const load::Scenario& scenario, const std::string& name) {
  if (name.empty() && scenario.targets.size() == 1) return 0;
  for (std::size_t i = 0; i < scenario.targets.size(); ++i) {
    if (scenario.targets[i].name == name) return i;
  }
  throw UsageError(name.empty() ? "the scenario has several targets: name one with --target"
                                : fmt::format("the scenario has no target '{}'", name));
}

std::vector<std::size_t> SizesUpTo(std::size_t most) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size < most; size = std::max(size + 1, size * 4 / 3)) {
    sizes.push_back(size);
  }
  sizes.push_back(most);
  return sizes;
}

Sweep::Sweep(load::Scenario scenario, const SizeOptions& options, const Context& context)
    : options_(options),
      context_(context),
      scenario_(std::move(scenario)),
      target_(FindTarget(scenario_, options.target)),
      sizes_(options.sizes.empty() ? SizesUpTo(Target().pool.max) : options.sizes),
      random_(context.seed) {
  std::sort(sizes_.begin(), sizes_.end());
  sizes_.erase(std::unique(sizes_.begin(), sizes_.end()), sizes_.end());
  teardown_ = std::exchange(scenario_.teardown, {});
  // Thresholds are about a service, not about one of many sizes.
  scenario_.thresholds.clear();
  StartServers();
}

void Sweep::StartServers() {
  std::vector<backends::PrivateSpec> specs;
  for (const load::TargetSpec& target : scenario_.targets) {
    if (!target.is_private) continue;
    backends::PrivateSpec spec;
    spec.name = target.name;
    spec.kind = target.kind == load::TargetKind::kPostgres ? backends::PrivateSpec::Kind::kPostgres
                : target.kind == load::TargetKind::kRedis  ? backends::PrivateSpec::Kind::kRedis
                                                           : backends::PrivateSpec::Kind::kSpeech;
    spec.speech.first_byte = backends::DelayModel::Parse(target.speech_first_byte);
    spec.speech.pace = target.speech_pace;
    spec.speech.seed = scenario_.seed;
    specs.push_back(std::move(spec));
  }
  if (specs.empty()) return;
  context_.Phase(fmt::format("starting {} private server(s)", specs.size()));
  servers_ = backends::PrivateServers::Start(specs, Deadline::After(Clock::now(), kServersReady));
  // Once for all runs: a database that was just made answers differently.
  for (load::TargetSpec& target : scenario_.targets) {
    if (!target.is_private) continue;
    target.url = servers_.Url(target.name);
    target.is_private = false;
  }
}

void Sweep::RunOnce(SizeTrial& trial) {
  load::PoolSpec& pool = scenario_.targets[target_].pool;
  pool.max = trial.size;
  pool.min = trial.size;
  load::RunOptions run;
  run.threads = options_.threads;
  run.tool = "poolbench size";
  run.stop = context_.stop;
  const load::Result result = load::Run(scenario_, run);
  scenario_.setup.clear();  // done by the first
  if (result.verdict == load::Verdict::kInterrupted) return;
  const auto elapsed =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(result.duration_s));
  const double seconds = std::max(ToMs(load::SpanOf(scenario_, elapsed).Length()) / 1000, 1e-9);
  const load::RequestCounts& requests = result.total.requests;
  trial.throughput.push_back(static_cast<double>(requests.total - requests.failed) / seconds);
  trial.p99_ms.push_back(result.total.latency.p99);
  trial.mean_service_ms = result.total.service_time.mean;
  requests_ += requests.total;
  failed_ += requests.failed;
  ++runs_;
  if (result.Valid()) return;
  ++invalid_;
  if (reasons_.empty()) reasons_ = result.invalid_reasons;
}

std::vector<SizeTrial> Sweep::Run(std::string_view name) {
  std::vector<SizeTrial> trials;
  for (const std::size_t size : sizes_) trials.push_back({size, {}, {}, 0});
  std::vector<std::size_t> order(trials.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t round = 0; round < options_.rounds && !context_.Stopped(); ++round) {
    context_.Phase(fmt::format("{} sweep, round {} of {}: sizes {} to {}", name, round + 1,
                               options_.rounds, sizes_.front(), sizes_.back()));
    // Each round in another order: what changes with time must not look like a matter of size.
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1],
                order[static_cast<std::size_t>(random_.Int(0, static_cast<std::int64_t>(i) - 1))]);
    }
    for (const std::size_t i : order) {
      if (!context_.Stopped()) RunOnce(trials[i]);
    }
  }
  std::erase_if(trials, [](const SizeTrial& trial) { return trial.throughput.empty(); });
  return trials;
}

void Sweep::TearDown() {
  if (teardown_.empty()) return;
  std::vector<std::string> urls;
  for (const load::TargetSpec& target : scenario_.targets) urls.push_back(target.url);
  load::RunAdmin(scenario_, teardown_, urls,
                 Deadline::After(Clock::now(), std::chrono::minutes(1)));
}

/// The variables by which services that follow the contract take a pool's sizes.
std::string Variables(load::TargetKind kind, std::size_t min, std::size_t max) {
  switch (kind) {
    case load::TargetKind::kPostgres:
      return fmt::format("DB_POOL_MIN_SIZE={} DB_POOL_MAX_SIZE={}", min, max);
    case load::TargetKind::kRedis: return fmt::format("REDIS_POOL_MAX_CONNECTIONS={}", max);
    case load::TargetKind::kHttp: return fmt::format("HTTP_POOL_MAX_CONNECTIONS={}", max);
  }
  return {};
}

/// Two sweeps of the same sizes: one recommends, the other one judges.
struct Sweeps {
  std::vector<SizeTrial> first, second;
  SizeAdvice advice, judge;

  const SizeTrial& Chosen() const { return second[advice.recommended]; }
  /// Sizes clearly below the recommended one that do as well.
  std::uint64_t Smaller() const {
    const double most = kClearlySmaller * static_cast<double>(Chosen().size);
    return static_cast<std::uint64_t>(
        std::count_if(second.begin(), second.end(), [&](const SizeTrial& trial) {
          return static_cast<double>(trial.size) <= most && judge.DoesAsWell(trial);
        }));
  }
  bool Confirmed() const { return judge.DoesAsWell(Chosen()) && Smaller() == 0; }
  /// Why nothing can be recommended; empty where something can.
  std::string Unsteady() const {
    for (const std::size_t best : {advice.best, judge.best}) {
      if (!Drift(first[best], second[best]).TooMuch()) continue;
      return fmt::format(
          "size {} differs from itself by too much to recommend anything: {:.4g} per second at a "
          "p99 of {:.4g} ms in the first sweep, {:.4g} and {:.4g} ms in the second one",
          first[best].size, first[best].Throughput(), first[best].P99(), second[best].Throughput(),
          second[best].P99());
    }
    return {};
  }
};

Json Share(double part, double whole) { return whole > 0 ? Json(part / whole) : Json(); }

void AddRows(const Sweeps& sweeps, bool steady, load::TargetKind kind, Findings& findings) {
  const SizeTrial& best = sweeps.second[sweeps.judge.best];
  for (std::size_t i = 0; i < sweeps.second.size(); ++i) {
    const SizeTrial& trial = sweeps.second[i];
    const bool chosen = steady && i == sweeps.advice.recommended;
    Json row = Json::MakeObject();
    row["size"] = std::uint64_t{trial.size};
    row["throughput_per_s"] = trial.Throughput();
    row["of_best"] = Share(trial.Throughput(), best.Throughput());
    row["p99_ms"] = trial.P99();
    row["p99_of_best"] = Share(trial.P99(), best.P99());
    row["service_ms"] = trial.mean_service_ms;
    row["as_good"] = sweeps.judge.DoesAsWell(trial);
    row["best"] = i == sweeps.judge.best;
    row["recommended_max"] = chosen;
    row["recommended_min"] = chosen ? Json(std::uint64_t{sweeps.advice.min}) : Json();
    row["rounds"] = std::uint64_t{trial.throughput.size()};
    row["first_throughput_per_s"] = sweeps.first[i].Throughput();
    row["first_p99_ms"] = sweeps.first[i].P99();
    if (chosen && sweeps.Confirmed()) row["set"] = Variables(kind, sweeps.advice.min, trial.size);
    findings.AddRow(std::move(row));
  }
}

void Judge(const Sweeps& sweeps, Findings& findings) {
  const SizeTrial& chosen = sweeps.Chosen();
  const SizeAdvice& judge = sweeps.judge;
  const std::uint64_t samples = chosen.throughput.size();
  findings.AtLeast(fmt::format("size {}: throughput per second (97 % of the best, less its spread "
                               "of {:.1f} %)",
                               chosen.size, 100 * judge.throughput_spread),
                   chosen.Throughput(), judge.throughput_least, "", samples);
  findings.AtMost(fmt::format("size {}: p99 (110 % of the best's, and its spread of {:.1f} %)",
                              chosen.size, 100 * judge.p99_spread),
                  chosen.P99(), judge.p99_most, "ms", samples);
  findings.Never(fmt::format("sizes up to 75 % of {} that do as well", chosen.size),
                 sweeps.Smaller(), sweeps.second.size());
}

}  // namespace

load::Result PoolSize(load::Scenario scenario, const SizeOptions& options, const Context& context) {
  Findings findings("poolbench", "size", context.seed);
  Sweep sweep(std::move(scenario), options, context);
  Sweeps sweeps;
  sweeps.first = sweep.Run("first");
  sweeps.second = sweep.Run("second");
  sweep.TearDown();
  std::string unsteady;
  // Both are whole where nobody interrupted them.
  if (!sweeps.second.empty() && sweeps.second.size() == sweeps.first.size()) {
    sweeps.advice = Advise(sweeps.first);
    sweeps.judge = Advise(sweeps.second);
    unsteady = sweeps.Unsteady();
    AddRows(sweeps, unsteady.empty(), sweep.Target().kind, findings);
    if (unsteady.empty()) Judge(sweeps, findings);
  }
  findings.Never("failed requests", sweep.Failed(), sweep.Requests());
  // What was interrupted shows too little to be judged.
  if (!context.Stopped() && sweep.MostlyInvalid()) {
    for (const auto& [code, text] : sweep.Reasons()) findings.Invalidate(code, text);
  }
  if (!context.Stopped() && !unsteady.empty()) findings.Invalidate("unsteady", unsteady);
  load::Result result = findings.Finish(context.Stopped());
  result.scenario_name = sweep.Scenario().name;
  result.scenario_hash = sweep.Scenario().hash;
  result.scenario_source = sweep.Scenario().source;
  return result;
}

std::string SizeLines(const load::Result& result) {
  if (!result.bench) return {};
  for (const Json& row : result.bench->rows) {
    const Json* set = row.Find("set");
    if (set == nullptr) continue;
    std::string lines = set->ToText() + "\n";
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    return lines;
  }
  return {};
}

}  // namespace perf::bench
