// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/monitor/alerts/engine_parts.hpp"

namespace perf::monitor::alerts {
namespace {

EngineOptions Checked(EngineOptions options) {
  if (options.interval < Millis(100) || options.interval > std::chrono::minutes(15)) {
    throw ConfigError("alerts are evaluated every 100 ms to 15 min");
  }
  if (options.keep_resolved < Millis(0) || options.forget < Millis(0)) {
    throw ConfigError("alerts cannot be kept for a negative time");
  }
  return options;
}

Rule StaleRule() {
  Rule rule;
  rule.name = kStaleAlert;
  rule.text = "series of the rule without a known value";
  rule.missing = Missing::kOk;
  LevelRule level;
  level.comparison = Comparison::kAtLeast;
  level.enter = level.clear = 1;
  rule.levels[static_cast<std::size_t>(Level::kWarning)] = level;
  rule.annotations.summary = "No data for {{ $value }} series of {{ $labels.rule }}";
  rule.annotations.description =
      "What the rule {{ $labels.rule }} looks at has given no value for three intervals; its "
      "alerts "
      "stay as they are.";
  return rule;
}

int Rank(AlertState state) noexcept {
  return state == AlertState::kFiring ? 0 : state == AlertState::kPending ? 1 : 2;
}

}  // namespace

Engine::Parts::Parts(RuleSet the_rules, EngineOptions the_options)
    : options(Checked(the_options)),
      rules(std::move(the_rules)),
      store({options.interval, options.max_series, options.max_bytes}),
      tracked(rules.rules.size()),
      stale_rule(StaleRule()) {
  store.Keep(rules);
}

Engine::Engine(RuleSet rules, EngineOptions options)
    : parts_(std::make_unique<Parts>(std::move(rules), options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::Observe(WallTime now, const metrics::MetricsSnapshot& snapshot) {
  parts_->store.Observe(now, snapshot);
}

void Engine::Reload(RuleSet rules) {
  Parts& parts = *parts_;
  std::map<std::string, TrackedByLabels> old;
  for (std::size_t i = 0; i < parts.rules.rules.size(); ++i) {
    const Rule& rule = parts.rules.rules[i];
    const bool stays = std::any_of(rules.rules.begin(), rules.rules.end(),
                                   [&](const Rule& other) { return other.name == rule.name; });
    if (!stays) {
      for (auto& [series, alert] : parts.tracked[i]) parts.Leave(rule, alert);
      const auto stale = parts.stale.find(Labels{{"rule", rule.name}});
      if (stale != parts.stale.end()) {
        ++parts.alerts;  // Leave counts one out; stale ones are not counted
        parts.Leave(parts.stale_rule, stale->second);
        parts.stale.erase(stale);
      }
      continue;
    }
    old.emplace(rule.name, std::move(parts.tracked[i]));
  }
  parts.rules = std::move(rules);
  parts.tracked.assign(parts.rules.rules.size(), {});
  for (std::size_t i = 0; i < parts.rules.rules.size(); ++i) {
    const Rule& rule = parts.rules.rules[i];
    const auto found = old.find(rule.name);
    if (found == old.end()) continue;
    parts.tracked[i] = std::move(found->second);
    for (auto& [series, alert] : parts.tracked[i]) alert.labels = AlertLabels(series, rule);
  }
  parts.store.Keep(parts.rules);
  parts.rejudge = true;
}

void Engine::Retire(const std::vector<Matcher>& matchers) {
  Parts& parts = *parts_;
  parts.store.Retire(matchers);
  for (std::size_t i = 0; i < parts.rules.rules.size(); ++i) {
    TrackedByLabels& tracked = parts.tracked[i];
    for (auto at = tracked.begin(); at != tracked.end();) {
      const bool gone = Matches(matchers, at->first);
      if (gone) parts.Leave(parts.rules.rules[i], at->second);
      at = gone ? tracked.erase(at) : std::next(at);
    }
  }
}

std::vector<Alert> Engine::Alerts() const {
  std::vector<Alert> alerts = parts_->departed;
  alerts.insert(alerts.end(), parts_->leaving.begin(), parts_->leaving.end());
  std::as_const(*parts_).Each([&](const Rule& rule, const Tracked& alert) {
    if (alert.state != AlertState::kInactive) alerts.push_back(alerts::Show(rule, alert));
  });
  std::sort(alerts.begin(), alerts.end(), [](const Alert& a, const Alert& b) {
    const auto key = [](const Alert& alert) {
      return std::tuple(Rank(alert.state), -static_cast<int>(std::max(alert.level, alert.pending)));
    };
    return key(a) != key(b) ? key(a) < key(b)
                            : std::tie(a.name, a.labels) < std::tie(b.name, b.labels);
  });
  return alerts;
}

Level Engine::Worst() const {
  Level worst = Level::kOk;
  std::as_const(*parts_).Each([&](const Rule&, const Tracked& alert) {
    const bool hidden = !alert.silenced_by.empty() || !alert.inhibited_by.empty();
    if (alert.state == AlertState::kFiring && !hidden) worst = std::max(worst, alert.level);
  });
  return worst;
}

WallTime Engine::EvaluatedAt() const noexcept { return parts_->evaluated_at; }
const RuleSet& Engine::Rules() const noexcept { return parts_->rules; }
const EngineOptions& Engine::Options() const noexcept { return parts_->options; }

EngineCounts Engine::Counts() const {
  EngineCounts counts = parts_->counts;
  counts.series = parts_->store.Size();
  counts.bytes = parts_->store.Bytes();
  counts.refused_series = parts_->store.Refused();
  return counts;
}

Silences& Engine::Quiet() noexcept { return parts_->silences; }
const Silences& Engine::Quiet() const noexcept { return parts_->silences; }

void Engine::AddMetrics(metrics::Collection& collection) const {
  using metrics::FamilySpec;
  using metrics::Type;
  std::map<Labels, double> shown;
  std::as_const(*parts_).Each([&](const Rule& rule, const Tracked& alert) {
    if (alert.state != AlertState::kPending && alert.state != AlertState::kFiring) return;
    shown[{{"alertname", rule.name},
           {"severity", std::string(LabelValue(alert.Shown()))},
           {"alertstate", std::string(alerts::Name(alert.state))}}] += 1;
  });
  const FamilySpec alerts{"perfkit_alerts", "Alerts that are pending or firing.", Type::kGauge, "",
                          false};
  for (const auto& [labels, count] : shown) collection.Value(alerts, labels, count);
  const FamilySpec transitions{"perfkit_alert_transitions_total",
                               "Changes of state or level of alerts, by new state.", Type::kCounter,
                               "", false};
  for (const AlertState to :
       {AlertState::kInactive, AlertState::kPending, AlertState::kFiring, AlertState::kResolved}) {
    collection.Value(transitions, {{"state", std::string(alerts::Name(to))}},
                     static_cast<double>(parts_->transitions[static_cast<std::size_t>(to)]));
  }
  const EngineCounts counts = Counts();
  const auto add = [&](const char* name, const char* help, Type type, const char* unit,
                       double value) {
    collection.Value(FamilySpec{name, help, type, unit, false}, {}, value);
  };
  add("perfkit_alert_evaluations_total", "Evaluations of all rules.", Type::kCounter, "",
      static_cast<double>(counts.evaluations));
  add("perfkit_alert_evaluation_failures_total", "Rules that could not be evaluated.",
      Type::kCounter, "", static_cast<double>(counts.failures));
  add("perfkit_alert_refused_samples_total", "Samples for rules that found no room in memory.",
      Type::kCounter, "", static_cast<double>(counts.refused_series));
  add("perfkit_alert_series", "Series that rules look at.", Type::kGauge, "",
      static_cast<double>(counts.series));
  add("perfkit_alert_samples_bytes", "Samples kept for rules.", Type::kGauge, "bytes",
      static_cast<double>(counts.bytes));
}

}  // namespace perf::monitor::alerts
