// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/prometheus_rules.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "libperf/base/json.hpp"
#include "libperf/base/units.hpp"

namespace perf::monitor::alerts {
namespace {

/// A JSON string is a YAML one.
std::string Quoted(std::string_view text) { return Json(text).Dump(); }

std::string Side(const Expression& expression) {
  const std::string text = ToPromQl(expression);
  return expression.kind == Expression::Kind::kBinary ? "(" + text + ")" : text;
}

std::string Compared(const Expression& expression, Comparison comparison, double threshold) {
  return fmt::format("{} {} {}", Side(expression), Name(comparison), threshold);
}

std::string ConditionText(const Condition& condition) {
  return Compared(*condition.expression, condition.comparison, condition.threshold);
}

std::string ExpressionText(const Rule& rule, Level level, const LevelRule& terms, bool band) {
  std::string text = Compared(*rule.expression, terms.comparison, terms.enter);
  if (band && terms.clear != terms.enter) {
    std::string ignored = "alertname, alertstate, severity";
    for (const auto& [name, value] : rule.labels) ignored += ", " + name;
    text = fmt::format(
        "({}) or ({} and ignoring ({}) "
        "ALERTS{{alertname=\"{}\",severity=\"{}\",alertstate=\"firing\"}})",
        text, Compared(*rule.expression, terms.comparison, terms.clear), ignored, rule.name,
        LabelValue(level));
  }
  for (const auto* where : {&rule.where, &terms.where}) {
    if (*where) text = fmt::format("({}) and ({})", text, ConditionText(**where));
  }
  return text;
}

/// Prometheus formats by a filter what we format by the unit.
std::string Template(std::string text, Unit unit) {
  constexpr std::string_view kFilters[] = {" | humanize", " | humanizePercentage",
                                           " | humanizeDuration", " | humanize1024", " | humanize"};
  constexpr std::string_view kName = "$value";
  const std::string_view filter = kFilters[static_cast<std::size_t>(unit)];
  for (std::size_t at = text.find("{{"); at != std::string::npos; at = text.find("{{", at + 2)) {
    const std::size_t value = text.find_first_not_of(" \t", at + 2);
    if (value == std::string::npos || text.compare(value, kName.size(), kName) != 0) continue;
    text.insert(value + kName.size(), filter);
  }
  return text;
}

void AddLevel(const Rule& rule, Level level, const PrometheusOptions& options, std::string& out) {
  const LevelRule& terms = *rule.At(level);
  out += fmt::format("      - alert: {}\n        expr: {}\n", rule.name,
                     Quoted(ExpressionText(rule, level, terms, options.dead_band)));
  if (terms.hold > Millis(0)) out += fmt::format("        for: {}\n", FormatExact(terms.hold));
  if (rule.keep_firing > Millis(0)) {
    out += fmt::format("        keep_firing_for: {}\n", FormatExact(rule.keep_firing));
  }
  out += fmt::format("        labels:\n          severity: {}\n", LabelValue(level));
  for (const auto& [name, value] : rule.labels) {
    out += fmt::format("          {}: {}\n", name, Quoted(value));
  }
  const Annotations& notes = rule.annotations;
  if (notes.summary.empty() && notes.description.empty() && notes.runbook_url.empty()) return;
  out += "        annotations:\n";
  const auto note = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) {
      out += fmt::format("          {}: {}\n", key, Quoted(Template(text, rule.unit)));
    }
  };
  note("summary", notes.summary);
  note("description", notes.description);
  note("runbook_url", notes.runbook_url);
}

}  // namespace

std::string ToPrometheusRules(const RuleSet& rules, const PrometheusOptions& options) {
  std::string out =
      "# Made by perfctl. Prometheus resolves an alert whose series vanishes; perfkit keeps it.\n";
  if (!rules.inhibitions.empty()) {
    out += "# Inhibition is Alertmanager's (inhibit_rules) and is not part of this file.\n";
  }
  out += fmt::format("groups:\n  - name: {}\n    interval: {}\n    rules:\n", Quoted(options.group),
                     FormatExact(options.interval));
  if (rules.rules.empty()) out += "      []\n";
  for (const Rule& rule : rules.rules) {
    if (rule.missing == Missing::kBad) {
      out += fmt::format("      # {}: that missing data is bad is not said here.\n", rule.name);
    }
    for (const Level level : {Level::kInfo, Level::kWarning, Level::kCritical}) {
      if (rule.At(level)) AddLevel(rule, level, options, out);
    }
  }
  return out;
}

}  // namespace perf::monitor::alerts
