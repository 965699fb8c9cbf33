// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/monitor/alerts/expression.hpp"
#include "libperf/monitor/level.hpp"

namespace perf::monitor::alerts {

enum class Comparison : std::uint8_t { kAbove, kAtLeast, kBelow, kAtMost };  // > >= < <=

/// ">", ">=", "<" or "<=".
PERF_EXPORT std::string_view Name(Comparison comparison) noexcept;
PERF_EXPORT bool Holds(Comparison comparison, double value, double threshold) noexcept;

/// How numbers of a rule are written in its file and shown to people.
enum class Unit : std::uint8_t { kNone, kRatio, kSeconds, kBytes, kPerSecond };
PERF_EXPORT std::string Show(double value, Unit unit);

/// `expression op number`: where it does not hold, nothing is wrong.
struct Condition {
  ExpressionPtr expression;
  Comparison comparison = Comparison::kAbove;
  double threshold = 0;
};

/// When a rule reaches one level. Bad is `value comparison enter`; once the level fires, it lasts
/// while `value comparison clear`. Without a `clear` in the file it is a tenth below an upper
/// bound; below a lower bound of a ratio a tenth of the way to 1; of other lower bounds, the bound
/// itself.
struct LevelRule {
  Comparison comparison = Comparison::kAbove;
  double enter = 0;
  double clear = 0;
  Millis hold{0};  // `for`
  std::optional<Condition> where;
};

/// What a series without a known value counts as.
enum class Missing : std::uint8_t { kUnknown, kOk, kBad };

/// Text with {{ $labels.NAME }} and {{ $value }}, as Prometheus has them.
struct Annotations {
  std::string summary;
  std::string description;
  std::string runbook_url;
};

/// One rule: an expression and when which of its series are an alert of which level.
struct Rule {
  std::string name;  // Perfkit…, CamelCase
  std::string text;  // of the expression, as written
  ExpressionPtr expression;
  Unit unit = Unit::kNone;
  std::array<std::optional<LevelRule>, 4> levels;  // by Level; none for kOk
  std::optional<Condition> where;                  // of all levels
  Millis keep_firing{0};
  Missing missing = Missing::kUnknown;
  Labels labels;  // added to those of the series; sorted
  Annotations annotations;

  const std::optional<LevelRule>& At(Level level) const {
    return levels[static_cast<std::size_t>(level)];
  }
};

/// While an alert that `source` matches is firing, those that `target` matches are not notified of,
/// where all labels of `equal` are there in both and the same. Besides labels, `alertname` and
/// `severity` (lower case) can be matched. No alert hides itself.
struct Inhibition {
  std::vector<Matcher> source;
  std::vector<Matcher> target;
  std::vector<std::string> equal;
};

struct RuleSet {
  std::vector<Rule> rules;
  std::vector<Inhibition> inhibitions;
};

inline constexpr std::size_t kMostRules = 1'000;

/// Reads `rules:` and `inhibit:` of a document; other keys are errors unless in `others`. All
/// problems go to `diagnostics`, and a rule with one is left out.
PERF_EXPORT RuleSet ParseRules(const config::Document& document, config::Diagnostics& diagnostics,
                               std::vector<std::string_view> others = {});
/// Reads files (or text) as one set. Throws: PlacedError with every problem and its place.
PERF_EXPORT RuleSet LoadRules(const std::vector<std::string>& paths);
PERF_EXPORT RuleSet ParseRulesText(std::string name, std::string text);

struct DefaultLimits {
  double memory_bytes = 512.0 * 1024 * 1024;  // PERF_MEMORY_THRESHOLD_MB
  double cpu_ratio = 0.8;                     // PERF_CPU_THRESHOLD
};
/// The rules that apply where no file names others, as YAML: also what `perfctl alerts export`
/// gives to begin one's own from.
PERF_EXPORT std::string DefaultRulesText(const DefaultLimits& limits = {});
PERF_EXPORT RuleSet DefaultRules(const DefaultLimits& limits = {});

}  // namespace perf::monitor::alerts
