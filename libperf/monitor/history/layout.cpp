// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/layout.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "libperf/base/error.hpp"

namespace perf::monitor {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kLongestStep = 24 * kHour;

TierPlan FirstTier(const char* name, std::chrono::seconds step, const HistoryOptions& options) {
  if (step.count() < 1 || step.count() > kLongestStep) {
    throw ConfigError(
        fmt::format("the history's {} of {} s is not within 1 s and a day", name, step.count()));
  }
  TierPlan plan;
  plan.step = step.count();
  plan.keep = options.keep_first.count();
  if (plan.step >= 60) plan.keep = std::max(plan.keep, options.keep_minutes.count());
  if (plan.step >= 900) plan.keep = std::max(plan.keep, options.keep_quarters.count());
  // Chunks of a few hundred cells: larger ones would cost memory when they are packed.
  plan.span = plan.step < 10 ? kHour / 6 : plan.step < 900 ? kHour : kLongestSpan;
  return plan;
}

}  // namespace

Layout::Layout(const HistoryOptions& options) {
  tiers[kSystemTier] = FirstTier("system step", options.system_step, options);
  tiers[kAppTier] = FirstTier("application step", options.app_step, options);
  tiers[kMinutes] = {60, options.keep_minutes.count(), kHour};
  tiers[kQuarters] = {900, options.keep_quarters.count(), kLongestSpan};
  for (std::size_t tier = 0; tier < kTiers; ++tier) {
    if (tiers[tier].keep < tiers[tier].step) {
      throw ConfigError(
          fmt::format("the history's tier {} would be kept for {} s, less than its "
                      "step of {} s",
                      kTierNames[tier], tiers[tier].keep, tiers[tier].step));
    }
  }
}

std::vector<Tier> Layout::Of(Tier first) const {
  std::vector<Tier> of{first};
  for (const Tier tier : {kMinutes, kQuarters}) {
    if (tiers[tier].step > tiers[first].step) of.push_back(tier);
  }
  return of;
}

std::string DefaultHistoryPath() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/perfkit/history.db";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') {
    return std::string(home) + "/.local/state/perfkit/history.db";
  }
  throw Error("no place for the history: set XDG_STATE_HOME or HOME, or name a path");
}

}  // namespace perf::monitor
