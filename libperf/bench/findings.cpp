// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/findings.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "libperf/base/utc.hpp"
#include "libperf/load/environment_info.hpp"

namespace perf::bench {
namespace {

load::ThresholdResult Check(const std::string& what, const char* relation, double observed,
                            double limit, const std::string& unit, std::uint64_t samples) {
  load::ThresholdResult check;
  check.expr = fmt::format("{} {} {:g}{}", what, relation, limit, unit == "fraction" ? "" : unit);
  check.observed = observed;
  check.limit = limit;
  check.unit = unit;
  check.samples = samples;
  return check;
}

}  // namespace

Findings::Findings(std::string program, std::string verb, std::uint64_t seed)
    : program_(std::move(program)),
      verb_(std::move(verb)),
      seed_(seed),
      started_at_(UtcNow()),
      start_(Clock::now()) {}

void Findings::AddRow(std::initializer_list<std::pair<const char*, Json>> fields) {
  Json::Object row;
  for (const auto& [name, value] : fields) row.emplace_back(name, value);
  AddRow(Json(std::move(row)));
}

void Findings::AtLeast(const std::string& what, double observed, double limit,
                       const std::string& unit, std::uint64_t samples) {
  load::ThresholdResult check = Check(what, ">=", observed, limit, unit, samples);
  // Without samples nothing was shown; NaN compares false, too.
  check.ok = samples > 0 && observed >= limit;
  check.less_is_better = false;
  checks_.push_back(std::move(check));
}

void Findings::AtMost(const std::string& what, double observed, double limit,
                      const std::string& unit, std::uint64_t samples) {
  load::ThresholdResult check = Check(what, "<=", observed, limit, unit, samples);
  check.ok = samples > 0 && observed <= limit;
  checks_.push_back(std::move(check));
}

void Findings::Never(const std::string& what, std::uint64_t observed, std::uint64_t samples) {
  AtMost(what, static_cast<double>(observed), 0, "", samples);
}

bool Findings::Ok() const noexcept {
  return std::all_of(checks_.begin(), checks_.end(),
                     [](const load::ThresholdResult& check) { return check.ok; });
}

load::Result Findings::FinishOver(load::Result run, bool interrupted) {
  run.tool = program_ + " " + verb_;
  run.bench = load::BenchResult{verb_, std::move(rows_)};
  for (load::ThresholdResult& check : checks_) run.thresholds.push_back(std::move(check));
  checks_.clear();
  for (auto& reason : reasons_) run.invalid_reasons.push_back(std::move(reason));
  reasons_.clear();
  if (audio_) run.audio = audio_;
  run.verdict = interrupted           ? load::Verdict::kInterrupted
                : !run.Valid()        ? load::Verdict::kInvalid
                : !run.ThresholdsOk() ? load::Verdict::kFail
                                      : load::Verdict::kPass;
  return run;
}

load::Result Findings::Finish(bool interrupted) {
  load::Result result;
  result.scenario_name = verb_;
  result.seed = seed_;
  result.started_at = started_at_;
  result.duration_s = ToMs(Clock::now() - start_) / 1000;
  result.environment = load::EnvironmentInfo();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  result.generator.rss_max_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return FinishOver(std::move(result), interrupted);
}

}  // namespace perf::bench
