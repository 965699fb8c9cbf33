// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/config/reader.hpp"
#include "libperf/monitor/alerts/annotation.hpp"
#include "libperf/monitor/alerts/engine.hpp"
#include "libperf/monitor/alerts/label_name.hpp"
#include "libperf/monitor/alerts/rule.hpp"

namespace perf::monitor::alerts {
namespace {

using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 5> kUnits{"none", "ratio", "seconds", "bytes", "per_second"};
constexpr std::array<std::string_view, 3> kMissing{"unknown", "ok", "bad"};
constexpr std::array<std::string_view, 4> kComparisons{">", ">=", "<", "<="};
constexpr config::Range<Duration> kHold{Duration::zero(), std::chrono::hours(24 * 7)};

bool Upward(Comparison comparison) noexcept {
  return comparison == Comparison::kAbove || comparison == Comparison::kAtLeast;
}

Millis ToMillis(Duration length) { return std::chrono::duration_cast<Millis>(length); }

/// The place of byte `offset` of a scalar that stands on one line; otherwise the scalar's own.
config::Place Inside(const Node& scalar, std::size_t offset) {
  config::Place place = scalar.At();
  if (!place.source || place.line == 0) return place;
  const std::string_view line = place.source->Line(place.line);
  const std::string_view before = std::string_view(scalar.Text()).substr(0, offset);
  const auto column = static_cast<std::size_t>(place.column - 1);
  // Columns are characters: only where all before is ASCII is one a byte.
  if (column >= line.size()) return place;
  const std::size_t quote = line[column] == '"' || line[column] == '\'' ? 1 : 0;
  const auto ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!std::all_of(line.begin(), line.end(), ascii)) return place;
  if (!line.substr(column + quote).starts_with(before)) return place;
  place.column += static_cast<int>(quote + before.size());
  return place;
}

/// A tenth below what is too much. Of what is too little only a ratio has a default band, a tenth
/// of the way to 1: above 1 `up < 1` would never clear.
double DefaultClear(double enter, bool up, Unit unit) noexcept {
  if (up) return enter - 0.1 * std::abs(enter);
  return unit == Unit::kRatio && enter < 1 ? enter + 0.1 * (1 - enter) : enter;
}

/// Reads one item of `rules`.
class RuleParser {
 public:
  RuleParser(const Node& node, config::Diagnostics& diagnostics)
      : diagnostics_(diagnostics), reader_(node, diagnostics, "the rule") {}

  Rule Run() {
    Name();
    if (const Node* text = reader_.Require("expr")) {
      rule_.text = text->Text();
      rule_.expression = Parse(*text, *text, 0, rule_.text);
    }
    const auto unit = reader_.Enum("unit", kUnits);
    rule_.unit = static_cast<Unit>(unit.value_or(0));
    hold_ = ToMillis(reader_.Duration("for", kHold).value_or(Duration::zero()));
    rule_.keep_firing = ToMillis(reader_.Duration("keep_firing_for", kHold).value_or(Duration()));
    rule_.missing = static_cast<Missing>(reader_.Enum("missing", kMissing).value_or(0));
    if (const Node* where = reader_.Get("where")) rule_.where = ParseCondition(*where);
    for (const Level level : {Level::kInfo, Level::kWarning, Level::kCritical}) {
      if (const Node* node = reader_.Get(LabelValue(level))) ParseLevelRule(level, *node);
    }
    Levels();
    ReadLabels();
    ReadAnnotations();
    reader_.Finish();
    return std::move(rule_);
  }

 private:
  void Error(const Node& node, const std::string& message, std::string suggestion = {}) {
    diagnostics_.Error(node.At(), message, std::move(suggestion));
  }

  void Name() {
    const Node* node = reader_.Require("name");
    if (node == nullptr) return;
    rule_.name = node->Text();
    constexpr std::string_view kPrefix = "Perfkit";
    const std::string_view rest =
        std::string_view(rule_.name)
            .substr(rule_.name.starts_with(kPrefix) ? kPrefix.size() : rule_.name.size());
    const bool good = !rest.empty() && rest[0] >= 'A' && rest[0] <= 'Z' &&
                      rule_.name.size() <= 80 && IsLabelName(rest) &&
                      rest.find('_') == std::string_view::npos;
    if (!good) {
      Error(*node, fmt::format("'{}' is no rule's name: it begins with Perfkit and goes on in "
                               "CamelCase, as in PerfkitPoolSaturated",
                               Excerpt(rule_.name, 40)));
    } else if (rule_.name == kStaleAlert) {
      Error(*node, "PerfkitDataStale is raised by the engine itself");
    }
  }

  /// `text` begins at byte `offset` of the scalar `node`.
  ExpressionPtr Parse(const Node& node, const Node& at, std::size_t offset, std::string_view text) {
    if (!node.IsScalar()) {
      Error(at, "expected an expression");
      return nullptr;
    }
    try {
      return ParseExpression(text);
    } catch (const ExpressionError& error) {
      diagnostics_.Error(Inside(node, offset + error.Offset()), error.what(), error.Suggestion());
      return nullptr;
    }
  }

  /// "> 0.9" from byte `from` on; nothing (and an error) where it is none.
  std::optional<std::pair<Comparison, double>> Threshold(const Node& node, std::size_t from,
                                                         std::optional<Unit> unit) {
    const std::string_view text = std::string_view(node.Text()).substr(from);
    const std::size_t equals = text.size() > 1 && text[1] == '=' ? 2 : 1;
    for (std::size_t i = 0; i < kComparisons.size(); ++i) {
      if (text.substr(0, equals) != kComparisons[i]) continue;
      const auto value = Value(node, Trim(text.substr(equals)), unit);
      if (!value) return std::nullopt;
      return std::pair(static_cast<Comparison>(i), *value);
    }
    diagnostics_.Error(
        Inside(node, from),
        fmt::format("expected '>', '>=', '<' or '<=' and a number, found '{}'", Excerpt(text, 40)));
    return std::nullopt;
  }

  std::optional<double> Value(const Node& node, std::string_view text, std::optional<Unit> unit) {
    if (const auto number = ParseNumber(text)) return number;
    if (const auto share = ParseFraction(text); share && (!unit || *unit == Unit::kRatio)) {
      return share;
    }
    if (const auto time = ParseDuration(text); time && (!unit || *unit == Unit::kSeconds)) {
      return static_cast<double>(time->count()) / 1e9;
    }
    if (const auto bytes = ParseBytes(text); bytes && (!unit || *unit == Unit::kBytes)) {
      return static_cast<double>(*bytes);
    }
    if (const auto rate = ParseRate(text); rate && (!unit || *unit == Unit::kPerSecond)) {
      return rate;
    }
    const std::string_view name = unit ? kUnits[static_cast<std::size_t>(*unit)] : "none";
    Error(node,
          fmt::format("'{}' is no threshold of a rule with `unit: {}`", Excerpt(text, 40), name));
    return std::nullopt;
  }

  std::optional<Condition> ParseCondition(const Node& node) {
    const std::string& text = node.Text();
    const std::size_t sign = text.find_first_of("<>", EndOfBraces(text));
    if (!node.IsScalar() || sign == std::string::npos) {
      Error(node,
            "expected a condition such as 'increase(perfkit_cache_requests_total[5m]) > 100'");
      return std::nullopt;
    }
    Condition condition;
    condition.expression = Parse(node, node, 0, std::string_view(text).substr(0, sign));
    const auto threshold = Threshold(node, sign, std::nullopt);
    if (!condition.expression || !threshold) return std::nullopt;
    condition.comparison = threshold->first;
    condition.threshold = threshold->second;
    return condition;
  }

  /// Label values may hold comparisons.
  static std::size_t EndOfBraces(const std::string& text) {
    const std::size_t end = text.rfind('"');
    return end == std::string::npos ? 0 : end;
  }

  void ParseLevelRule(Level level, const Node& node) {
    LevelRule out;
    out.hold = hold_;
    const Node* enter = &node;
    const Node* clear = nullptr;
    if (node.IsMap()) {
      MapReader reader(node, diagnostics_, fmt::format("level '{}'", LabelValue(level)));
      enter = reader.Require("enter");
      clear = reader.Get("clear");
      if (const auto hold = reader.Duration("for", kHold)) out.hold = ToMillis(*hold);
      if (const Node* where = reader.Get("where")) out.where = ParseCondition(*where);
      reader.Finish();
    }
    if (enter == nullptr) return;
    const auto threshold = Threshold(*enter, 0, rule_.unit);
    if (!threshold) return;
    out.comparison = threshold->first;
    out.enter = threshold->second;
    const bool up = Upward(out.comparison);
    out.clear = DefaultClear(out.enter, up, rule_.unit);
    if (clear != nullptr) {
      if (const auto value = Value(*clear, clear->Text(), rule_.unit)) out.clear = *value;
    }
    if (up ? out.clear > out.enter : out.clear < out.enter) {
      Error(*clear, fmt::format("the alert would never clear: {} is on the wrong side of '{} {}'",
                                Show(out.clear, rule_.unit), alerts::Name(out.comparison),
                                Show(out.enter, rule_.unit)));
      return;
    }
    rule_.levels[static_cast<std::size_t>(level)] = out;
  }

  void Levels() {
    const LevelRule* lower = nullptr;
    for (std::size_t i = 1; i < rule_.levels.size(); ++i) {
      if (!rule_.levels[i]) continue;
      const LevelRule& higher = *rule_.levels[i];
      const Node& at = *reader_.Get(LabelValue(static_cast<Level>(i)));
      if (lower && Upward(lower->comparison) != Upward(higher.comparison)) {
        Error(at, "all levels of a rule look to the same side");
      } else if (lower && (Upward(higher.comparison) ? higher.enter < lower->enter
                                                     : higher.enter > lower->enter)) {
        Error(at, "a higher level is reached later than a lower one");
      }
      lower = &higher;
    }
    if (lower == nullptr && !reader_.Has("info") && !reader_.Has("warning") &&
        !reader_.Has("critical")) {
      Error(reader_.Self(),
            "the rule has no level: write info, warning or critical, as in "
            "warning: \"> 0.9\"");
    }
  }

  void ReadLabels() {
    for (const Node::Entry& entry : reader_.Entries("labels")) {
      const bool taken =
          entry.key == "alertname" || entry.key == "alertstate" || entry.key == "severity";
      if (!IsLabelName(entry.key) || entry.key.starts_with("__") || taken) {
        diagnostics_.Error(entry.key_at,
                           taken ? fmt::format("the label '{}' is set by the engine", entry.key)
                                 : fmt::format("'{}' is no label's name", Excerpt(entry.key, 40)));
        continue;
      }
      rule_.labels.emplace_back(entry.key, entry.value.Text());
    }
    std::sort(rule_.labels.begin(), rule_.labels.end());
  }

  void ReadAnnotations() {
    MapReader reader = reader_.Child("annotations");
    const auto read = [&](std::string_view key, std::string& text) {
      const Node* node = reader.Get(key);
      if (node == nullptr) return;
      text = node->Text();
      if (const auto wrong = CheckTemplate(text)) Error(*node, *wrong);
    };
    read("summary", rule_.annotations.summary);
    read("description", rule_.annotations.description);
    read("runbook_url", rule_.annotations.runbook_url);
    reader.Finish();
  }

  config::Diagnostics& diagnostics_;
  MapReader reader_;
  Rule rule_;
  Millis hold_{0};
};

std::vector<Matcher> Matchers(MapReader& reader, std::string_view key,
                              config::Diagnostics& diagnostics) {
  std::vector<Matcher> matchers;
  const std::vector<Node::Entry> entries = reader.Entries(key);
  for (const Node::Entry& entry : entries) {
    if (!IsLabelName(entry.key)) {
      diagnostics.Error(entry.key_at,
                        fmt::format("'{}' is no label's name", Excerpt(entry.key, 40)));
      continue;
    }
    matchers.push_back({entry.key, entry.value.Text(), true});
  }
  if (entries.empty()) reader.Error(key, "expected at least one label and its value");
  return matchers;
}

void ParseInhibition(const Node& node, config::Diagnostics& diagnostics, RuleSet& set) {
  const std::size_t before = diagnostics.Count();
  MapReader reader(node, diagnostics, "the inhibition");
  Inhibition inhibition;
  inhibition.source = Matchers(reader, "source", diagnostics);
  inhibition.target = Matchers(reader, "target", diagnostics);
  inhibition.equal = reader.Strings("equal");
  reader.Finish();
  if (diagnostics.Count() == before) set.inhibitions.push_back(std::move(inhibition));
}

}  // namespace

RuleSet ParseRules(const config::Document& document, config::Diagnostics& diagnostics,
                   std::vector<std::string_view> others) {
  RuleSet set;
  MapReader reader(document.root, diagnostics, "the rule file");
  std::set<std::string> names;
  std::vector<Node> items = reader.Items("rules");
  if (items.size() > kMostRules) {
    reader.Error("rules", fmt::format("at most {} rules are allowed", kMostRules));
    items.clear();
  }
  for (const Node& item : items) {
    const std::size_t before = diagnostics.Count();
    Rule rule = RuleParser(item, diagnostics).Run();
    if (!rule.name.empty() && !names.insert(rule.name).second) {
      diagnostics.Error(item.At(), fmt::format("there is another rule '{}'", rule.name));
    }
    if (diagnostics.Count() == before) set.rules.push_back(std::move(rule));
  }
  std::vector<Node> inhibitions = reader.Items("inhibit");
  if (inhibitions.size() > 100) {
    reader.Error("inhibit", "at most 100 inhibitions are allowed");
    inhibitions.clear();
  }
  for (const Node& item : inhibitions) ParseInhibition(item, diagnostics, set);
  for (const std::string_view key : others) reader.Has(key);
  reader.Finish();
  return set;
}

RuleSet LoadRules(const std::vector<std::string>& paths) {
  config::Diagnostics diagnostics;
  RuleSet all;
  std::set<std::string> names;
  for (const std::string& path : paths) {
    const config::Document document = config::LoadWithIncludes(path, diagnostics);
    RuleSet set = ParseRules(document, diagnostics);
    for (Rule& rule : set.rules) {
      if (!names.insert(rule.name).second) {
        diagnostics.Error(document.root.At(),
                          fmt::format("the rule '{}' is in another file, too", rule.name));
      }
      all.rules.push_back(std::move(rule));
    }
    std::move(set.inhibitions.begin(), set.inhibitions.end(), std::back_inserter(all.inhibitions));
  }
  diagnostics.ThrowIfAny();
  return all;
}

RuleSet ParseRulesText(std::string name, std::string text) {
  config::Diagnostics diagnostics;
  RuleSet set =
      ParseRules(config::LoadText(std::move(name), std::move(text), diagnostics), diagnostics);
  diagnostics.ThrowIfAny();
  return set;
}

}  // namespace perf::monitor::alerts
