// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/scenario.hpp"

namespace perf::load {

namespace {

void Collect(const Steps& steps, std::vector<const Step*>& requests) {
  for (const Step& step : steps) {
    if (step.IsRequest()) {
      requests.push_back(&step);
      const auto* cache = std::get_if<CacheStep>(&step.action);
      if (cache && cache->from) requests.push_back(cache->from.get());
    } else if (const auto* group = std::get_if<GroupStep>(&step.action)) {
      Collect(group->steps, requests);
    } else if (const auto* repeat = std::get_if<RepeatStep>(&step.action)) {
      Collect(repeat->steps, requests);
    } else if (const auto* choose = std::get_if<ChooseStep>(&step.action)) {
      for (const Steps& branch : choose->branches) Collect(branch, requests);
    }
  }
}

}  // namespace

std::vector<const Step*> Requests(const FlowSpec& flow) {
  std::vector<const Step*> requests;
  Collect(flow.steps, requests);
  return requests;
}

std::optional<Duration> Scenario::PlannedStart(std::size_t load) const {
  // A chain cannot be longer than there are loads; the parser refuses circles, a hand-made
  // scenario may have one.
  Duration start{};
  std::size_t at = load;
  for (std::size_t links = 0; links <= loads.size(); ++links) {
    start += loads[at].start;
    if (!loads[at].after) return start;
    at = *loads[at].after;
    if (loads[at].kind == LoadSpec::Kind::kIterations) return std::nullopt;
    start += loads[at].length;
  }
  return std::nullopt;
}

std::optional<Duration> Scenario::PlannedEnd(std::size_t load) const {
  const std::optional<Duration> start = PlannedStart(load);
  if (!start || loads[load].kind == LoadSpec::Kind::kIterations) return std::nullopt;
  return *start + loads[load].length;
}

}  // namespace perf::load
