// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/status.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace perf::report {
namespace {

constexpr std::array<std::string_view, 5> kStates{"ok", "INFO", "WARNING", "UNKNOWN", "CRITICAL"};

}  // namespace

std::string_view Name(StatusState state) noexcept {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<StatusState> ParseStatusState(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (text == kStates[i]) return static_cast<StatusState>(i);
  }
  return std::nullopt;
}

StatusState StateOf(monitor::Level level) noexcept {
  switch (level) {
    case monitor::Level::kOk: return StatusState::kOk;
    case monitor::Level::kInfo: return StatusState::kInfo;
    case monitor::Level::kWarning: return StatusState::kWarning;
    case monitor::Level::kCritical: break;
  }
  return StatusState::kCritical;
}

int PluginCode(StatusState state) noexcept {
  switch (state) {
    case StatusState::kOk:
    case StatusState::kInfo: return 0;
    case StatusState::kWarning: return 1;
    case StatusState::kCritical: return 2;
    case StatusState::kUnknown: break;
  }
  return 3;
}

bool StatusAgent::Stale() const noexcept {
  // Steps of a second or less: a machine that is busy is not yet one that is not watched.
  return sampled_age_s && *sampled_age_s > std::max(3 * sampled_every_s, 5.0);
}

StatusState StatusAgent::State() const noexcept {
  return !error.empty() || !sampled_age_s || Stale() ? StatusState::kUnknown : StatusState::kOk;
}

const StatusAgent* StatusDocument::FindAgent(std::string_view name) const noexcept {
  const auto found = std::find_if(agents.begin(), agents.end(),
                                  [name](const StatusAgent& agent) { return agent.name == name; });
  return found == agents.end() ? nullptr : &*found;
}

StatusState StatusDocument::StateOfRow(const StatusRow& row) const noexcept {
  const StatusAgent* const agent = row.agent.empty() ? nullptr : FindAgent(row.agent);
  return agent != nullptr && agent->State() == StatusState::kUnknown ? StatusState::kUnknown
                                                                     : row.state;
}

StatusState StatusDocument::Overall() const noexcept {
  if (agents.empty() && rows.empty()) return StatusState::kUnknown;
  StatusState worst = StatusState::kOk;
  for (const StatusAgent& agent : agents) worst = std::max(worst, agent.State());
  for (const StatusRow& row : rows) worst = std::max(worst, StateOfRow(row));
  for (const StatusAlert& alert : alerts) {
    const StatusAgent* const agent = FindAgent(alert.agent);
    if (alert.state != "firing" || (agent != nullptr && agent->State() != StatusState::kOk)) {
      continue;
    }
    worst = std::max(worst, StateOf(alert.level));
  }
  return worst;
}

}  // namespace perf::report
