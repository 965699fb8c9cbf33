// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/monitor/alerts/engine_parts.hpp"

namespace perf::monitor::alerts {
namespace {

std::optional<bool> Ask(const std::optional<Condition>& condition,
                        const std::optional<Values>& values, const Labels& series) {
  if (!condition || !values) return std::nullopt;
  const auto found = values->find(series);
  if (found == values->end() || std::isnan(found->second)) return std::nullopt;
  return Holds(condition->comparison, found->second, condition->threshold);
}

}  // namespace

Labels AlertLabels(const Labels& series, const Rule& rule) {
  Labels labels = rule.labels;
  for (const auto& label : series) {
    const bool own = std::any_of(rule.labels.begin(), rule.labels.end(),
                                 [&](const auto& other) { return other.first == label.first; });
    if (!own) labels.push_back(label);
  }
  std::sort(labels.begin(), labels.end());
  return labels;
}

Labels MatchLabels(const std::string& name, Level level, const Labels& labels) {
  Labels all = labels;
  all.emplace_back("alertname", name);
  all.emplace_back("severity", LabelValue(level));
  return all;
}

Engine::Parts::Round Engine::Parts::Measure(const Rule& rule, WallTime now) {
  Round round;
  try {
    round.values = alerts::Evaluate(*rule.expression, store, now);
    if (rule.where) round.where = alerts::Evaluate(*rule.where->expression, store, now);
    for (std::size_t i = 0; i < rule.levels.size(); ++i) {
      if (!rule.levels[i] || !rule.levels[i]->where) continue;
      round.level_where[i] = alerts::Evaluate(*rule.levels[i]->where->expression, store, now);
    }
  } catch (const Error& error) {
    ++counts.failures;
    Log(LogLevel::kWarn, "alert rule {}: {}", rule.name, error.what());
    return {};  // nothing is known
  }
  return round;
}

void Engine::Parts::Move(const Rule& rule, const Reading& reading, WallTime now, Tracked& alert,
                         std::vector<Change>& changes) {
  const AlertState from = alert.state;
  const Level from_level = alert.Shown();
  Step(rule, reading, now, elapsed, rejudge, alert);
  if (!Settle(now, options.keep_resolved, alert)) return;
  CountTransition(alert.state);
  changes.push_back({{now, rule.name, alert.labels, from, alert.state, from_level, alert.Shown(),
                      alert.value, false},
                     &alert});
}

void Engine::Parts::Judge(std::size_t index, WallTime now, std::vector<Change>& changes) {
  const Rule& rule = rules.rules[index];
  TrackedByLabels& known = tracked[index];
  const Round round = Measure(rule, now);
  for (const auto& [series, value] : round.values) {
    // What was never known cannot be missed.
    if (std::isnan(value) || known.contains(series)) continue;
    if (alerts >= options.max_alerts) {
      ++counts.refused_alerts;
      continue;
    }
    Tracked fresh;
    fresh.labels = AlertLabels(series, rule);
    known.emplace(series, std::move(fresh));
    ++alerts;
  }
  for (auto at = known.begin(); at != known.end();) {
    auto& [series, alert] = *at;
    Reading reading;
    if (const auto found = round.values.find(series); found != round.values.end()) {
      reading.value = found->second;
    }
    reading.where = Ask(rule.where, round.where, series);
    for (std::size_t i = 0; i < rule.levels.size(); ++i) {
      if (!rule.levels[i]) continue;
      reading.level_where[i] = Ask(rule.levels[i]->where, round.level_where[i], series);
    }
    Move(rule, reading, now, alert, changes);
    const bool forgotten =
        !reading.value && alert.state == AlertState::kInactive &&
        (rule.missing != Missing::kUnknown || now - alert.known_at > options.forget);
    if (forgotten) {
      at = known.erase(at);
      --alerts;
    } else {
      ++at;
    }
  }
}

void Engine::Parts::JudgeStale(std::size_t index, WallTime now, std::vector<Change>& changes) {
  const Rule& rule = rules.rules[index];
  const auto missing =
      std::count_if(tracked[index].begin(), tracked[index].end(), [&](const auto& entry) {
        return entry.second.unknown && now - entry.second.known_at >= 3 * options.interval;
      });
  const Labels series{{"rule", rule.name}};
  auto at = stale.find(series);
  if (at == stale.end()) {
    if (missing == 0) return;
    at = stale.emplace(series, Tracked{}).first;
    at->second.labels = series;
  }
  Reading reading;
  reading.value = static_cast<double>(missing);
  Move(stale_rule, reading, now, at->second, changes);
}

void Engine::Parts::Leave(const Rule& rule, Tracked& alert) {
  --alerts;
  Alert shown = alerts::Show(rule, alert);
  if (alert.state == AlertState::kFiring) leaving.push_back(std::move(shown));
  if (alert.state == AlertState::kResolved) departed.push_back(std::move(shown));
}

void Engine::Parts::Depart(WallTime now, std::vector<Change>& changes) {
  for (Alert& alert : leaving) {
    alert.state = AlertState::kResolved;
    alert.resolved_at = now;
    alert.changed_at = now;
    CountTransition(alert.state);
    changes.push_back({{now, alert.name, alert.labels, AlertState::kFiring, AlertState::kResolved,
                        alert.level, alert.level, alert.value, alert.Hidden()},
                       nullptr});
    departed.push_back(std::move(alert));
  }
  leaving.clear();
  std::erase_if(departed, [&](const Alert& alert) {
    return now - alert.resolved_at > options.keep_resolved;
  });
  if (departed.size() > options.max_alerts) {
    departed.erase(departed.begin(),
                   departed.end() - static_cast<std::ptrdiff_t>(options.max_alerts));
  }
}

void Engine::Parts::Hide(WallTime now) {
  struct Firing {
    const Rule* rule;
    Tracked* alert;
    Labels labels;
  };
  std::vector<Firing> firing;
  Each([&](const Rule& rule, Tracked& alert) {
    if (alert.state == AlertState::kInactive) return;
    alert.ClearHidden();
    Labels labels = MatchLabels(rule.name, alert.Shown(), alert.labels);
    if (const Silence* silence = silences.Find(labels, now)) alert.silenced_by = silence->id;
    if (alert.state == AlertState::kFiring) firing.push_back({&rule, &alert, std::move(labels)});
  });
  for (const Inhibition& inhibition : rules.inhibitions) {
    std::vector<const Firing*> sources;
    for (const Firing& one : firing) {
      if (Matches(inhibition.source, one.labels)) sources.push_back(&one);
    }
    if (sources.empty()) continue;
    for (const Firing& target : firing) {
      if (!target.alert->inhibited_by.empty() || !Matches(inhibition.target, target.labels)) {
        continue;
      }
      for (const Firing* source : sources) {
        const bool same = std::all_of(
            inhibition.equal.begin(), inhibition.equal.end(), [&](const std::string& label) {
              const std::string_view value = ValueOf(source->labels, label);
              return !value.empty() && value == ValueOf(target.labels, label);
            });
        if (!same || source->alert == target.alert) continue;
        target.alert->inhibited_by = source->rule->name;
        break;
      }
    }
  }
}

std::vector<Transition> Engine::Evaluate(WallTime now) {
  Parts& parts = *parts_;
  if (now <= parts.evaluated_at) return {};
  parts.elapsed = parts.last == WallTime{} || now < parts.last ? Millis(0) : now - parts.last;
  std::vector<Parts::Change> changes;
  for (std::size_t i = 0; i < parts.rules.rules.size(); ++i) {
    parts.Judge(i, now, changes);
    if (parts.rules.rules[i].missing == Missing::kUnknown) parts.JudgeStale(i, now, changes);
  }
  parts.Depart(now, changes);
  parts.rejudge = false;
  parts.silences.Prune(now);
  parts.Hide(now);
  std::vector<Transition> transitions;
  for (Parts::Change& change : changes) {
    if (change.alert != nullptr) {
      change.transition.hidden =
          !change.alert->silenced_by.empty() || !change.alert->inhibited_by.empty();
    }
    transitions.push_back(std::move(change.transition));
  }
  std::erase_if(parts.stale,
                [](const auto& entry) { return entry.second.state == AlertState::kInactive; });
  ++parts.counts.evaluations;
  parts.counts.transitions += transitions.size();
  parts.evaluated_at = parts.last = now;
  return transitions;
}

}  // namespace perf::monitor::alerts
