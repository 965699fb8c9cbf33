// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::config {
namespace {

constexpr int kMaxVariableChain = 8;

std::string PrintDuration(perf::Duration value) { return FormatExact(value); }
std::string PrintInteger(std::int64_t value) { return fmt::format("{}", value); }
std::string PrintNumber(double value) { return fmt::format("{:.12g}", value); }
std::string PrintRate(double value) { return fmt::format("{:.12g}/s", value); }
std::string PrintBytes(std::uint64_t value) {
  for (const auto& [shift, unit] :
       {std::pair{30, "GiB"}, std::pair{20, "MiB"}, std::pair{10, "KiB"}}) {
    const std::uint64_t size = std::uint64_t{1} << shift;
    if (value >= size && value % size == 0) return fmt::format("{}{}", value / size, unit);
  }
  return fmt::format("{}", value);
}

template <typename T>
std::string Between(Range<T> range, Range<T> any, std::string (*print)(T)) {
  if (range.min == any.min && range.max == any.max) return {};
  if (range.min == any.min && any.min != T{}) return ", at most " + print(range.max);
  if (range.max == any.max) return ", at least " + print(range.min);
  return fmt::format(", between {} and {}", print(range.min), print(range.max));
}

std::string_view KindName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNull: return "nothing";
    case NodeKind::kScalar: return "a single value";
    case NodeKind::kSequence: return "a list";
    case NodeKind::kMap: break;
  }
  return "a map";
}

// What stands there instead, unless it may be a secret.
std::string Found(const Node& node) {
  if (!node.IsScalar()) return fmt::format(", found {}", KindName(node.Kind()));
  if (node.Tainted()) return ", the value from the environment or file is none";
  return fmt::format(", found '{}'", Excerpt(node.Text(), 60));
}

}  // namespace

// The scalar itself or, for exactly ${vars.NAME}, the variable; null when that is reported.
const Node* ScalarReader::Scalar(const Node& node, std::string_view rule) const {
  const Node* at = &node;
  for (int link = 0; vars_ != nullptr && at->IsScalar() && link < kMaxVariableChain; ++link) {
    const std::string_view text = at->Text();
    if (!text.starts_with("${vars.") || text.find('}') != text.size() - 1) break;
    const std::string_view name = text.substr(7, text.size() - 8);
    const Node* variable = vars_->Find(name);
    if (variable == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& entry : vars_->Entries()) names.emplace_back(entry.key);
      diagnostics_->ErrorWithSuggestion(
          at->At(), fmt::format("there is no variable '{}'", Excerpt(name, 60)), name, names);
      return nullptr;
    }
    at = variable;
  }
  if (at->Unresolved()) return nullptr;
  if (at->IsScalar()) return at;
  diagnostics_->Error(at->At(), fmt::format("expected {}{}", rule, Found(*at)));
  return nullptr;
}

template <typename T>
std::optional<T> ScalarReader::Check(const Node& node, const Rule<T>& rule) const {
  const std::string what = rule.what + Between(rule.range, rule.any, rule.print);
  const Node* scalar = Scalar(node, what);
  if (scalar == nullptr) return std::nullopt;
  const std::optional<T> value = rule.parse(scalar->Text());
  if (value && *value >= rule.range.min && *value <= rule.range.max) return value;
  diagnostics_->Error(scalar->At(), fmt::format("expected {}{}", what, Found(*scalar)));
  return std::nullopt;
}

std::optional<perf::Duration> ScalarReader::Duration(const Node& node,
                                                     Range<perf::Duration> range) const {
  return Check<perf::Duration>(
      node, {"a duration such as 250ms", range, kAnyDuration, ParseDuration, PrintDuration});
}

std::optional<std::int64_t> ScalarReader::Integer(const Node& node,
                                                  Range<std::int64_t> range) const {
  return Check<std::int64_t>(node,
                             {"a whole number", range, kAnyInteger, ParseInteger, PrintInteger});
}

std::optional<double> ScalarReader::Number(const Node& node, Range<double> range) const {
  return Check<double>(node, {"a number", range, kAnyNumber, ParseNumber, PrintNumber});
}

std::optional<double> ScalarReader::Fraction(const Node& node, Range<double> range) const {
  return Check<double>(
      node, {"a fraction such as 1% or 0.01", range, kUnitFraction, ParseFraction, PrintNumber});
}

std::optional<double> ScalarReader::Rate(const Node& node, Range<double> range) const {
  return Check<double>(node, {"a rate such as 200/s", range, kAnyRate, ParseRate, PrintRate});
}

std::optional<std::uint64_t> ScalarReader::Bytes(const Node& node,
                                                 Range<std::uint64_t> range) const {
  return Check<std::uint64_t>(node,
                              {"a size such as 50MiB", range, kAnyBytes, ParseBytes, PrintBytes});
}

std::optional<bool> ScalarReader::Bool(const Node& node) const {
  const Node* scalar = Scalar(node, "true or false");
  if (scalar == nullptr) return std::nullopt;
  // A value from the environment can only be written in quotes within a flow map.
  const bool text = scalar->Quoted() && !scalar->Tainted();
  if (!text && scalar->Text() == "true") return true;
  if (!text && scalar->Text() == "false") return false;
  diagnostics_->Error(scalar->At(), fmt::format("expected true or false{}{}", Found(*scalar),
                                                text ? " in quotes" : ""));
  return std::nullopt;
}

std::optional<std::string> ScalarReader::String(const Node& node) const {
  if (node.IsScalar()) return node.Text();
  diagnostics_->Error(node.At(), fmt::format("expected text{}", Found(node)));
  return std::nullopt;
}

std::optional<std::size_t> ScalarReader::Enum(const Node& node,
                                              std::span<const std::string_view> names) const {
  const std::string rule = fmt::format("one of {}", fmt::join(names, ", "));
  const Node* scalar = Scalar(node, rule);
  if (scalar == nullptr) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), scalar->Text());
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  const std::string message = fmt::format("expected {}{}", rule, Found(*scalar));
  diagnostics_->ErrorWithSuggestion(scalar->At(), message, scalar->Tainted() ? "" : scalar->Text(),
                                    names);
  return std::nullopt;
}

MapReader::MapReader(Node node, Diagnostics& diagnostics, std::string what, const Node* vars)
    : node_(std::move(node)), scalars_(diagnostics, vars), what_(std::move(what)) {
  if (!node_.IsMap() && !node_.IsNull()) {
    diagnostics.Error(node_.At(), fmt::format("{} must be a map{}", what_, Found(node_)));
  }
}

const Node* MapReader::Get(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  return node_.Find(key);
}

const Node* MapReader::Require(std::string_view key) {
  const Node* value = Get(key);
  if (value == nullptr && (node_.IsMap() || node_.IsNull())) {
    Error(key, fmt::format("{} has no '{}'", what_, key));
  }
  return value;
}

template <typename T, typename Read>
std::optional<T> MapReader::Typed(std::string_view key, Read read) {
  const Node* value = Get(key);
  return value == nullptr ? std::optional<T>() : read(*value);
}

std::optional<perf::Duration> MapReader::Duration(std::string_view key,
                                                  Range<perf::Duration> range) {
  return Typed<perf::Duration>(key, [&](const Node& n) { return scalars_.Duration(n, range); });
}
std::optional<std::int64_t> MapReader::Integer(std::string_view key, Range<std::int64_t> range) {
  return Typed<std::int64_t>(key, [&](const Node& n) { return scalars_.Integer(n, range); });
}
std::optional<double> MapReader::Number(std::string_view key, Range<double> range) {
  return Typed<double>(key, [&](const Node& n) { return scalars_.Number(n, range); });
}
std::optional<double> MapReader::Fraction(std::string_view key, Range<double> range) {
  return Typed<double>(key, [&](const Node& n) { return scalars_.Fraction(n, range); });
}
std::optional<double> MapReader::Rate(std::string_view key, Range<double> range) {
  return Typed<double>(key, [&](const Node& n) { return scalars_.Rate(n, range); });
}
std::optional<std::uint64_t> MapReader::Bytes(std::string_view key, Range<std::uint64_t> range) {
  return Typed<std::uint64_t>(key, [&](const Node& n) { return scalars_.Bytes(n, range); });
}
std::optional<bool> MapReader::Bool(std::string_view key) {
  return Typed<bool>(key, [&](const Node& n) { return scalars_.Bool(n); });
}
std::optional<std::string> MapReader::String(std::string_view key) {
  return Typed<std::string>(key, [&](const Node& n) { return scalars_.String(n); });
}
std::optional<std::size_t> MapReader::Enum(std::string_view key,
                                           std::span<const std::string_view> names) {
  return Typed<std::size_t>(key, [&](const Node& n) { return scalars_.Enum(n, names); });
}

MapReader MapReader::Child(std::string_view key) {
  const Node* value = Get(key);
  // An absent map has the place of its parent, for what Require() reports.
  return MapReader(value ? *value : Node::MakeNull(node_.At()), scalars_.Errors(),
                   fmt::format("{}.{}", what_, key), scalars_.Vars());
}

std::vector<Node> MapReader::Items(std::string_view key) {
  const Node* value = Get(key);
  if (value == nullptr || value->IsNull()) return {};
  if (value->IsSequence()) return value->Items();
  scalars_.Errors().Error(value->At(), fmt::format("expected a list{}", Found(*value)));
  return {};
}

std::vector<std::string> MapReader::Strings(std::string_view key) {
  std::vector<std::string> texts;
  for (const Node& item : Items(key)) {
    if (auto text = scalars_.String(item)) texts.push_back(std::move(*text));
  }
  return texts;
}

std::vector<Node::Entry> MapReader::Entries(std::string_view key) {
  const Node* value = Get(key);
  if (value == nullptr || value->IsNull()) return {};
  if (value->IsMap()) return value->Entries();
  scalars_.Errors().Error(value->At(), fmt::format("expected a map{}", Found(*value)));
  return {};
}

void MapReader::Error(std::string_view key, std::string message) {
  const Node* value = node_.Find(key);
  scalars_.Errors().Error(value ? value->At() : node_.At(), std::move(message));
}

void MapReader::Finish() {
  const std::vector<std::string_view> known(asked_.begin(), asked_.end());
  for (const auto& entry : node_.Entries()) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    scalars_.Errors().ErrorWithSuggestion(
        entry.key_at, fmt::format("unknown key '{}' in {}", Excerpt(entry.key, 60), what_),
        entry.key, known);
  }
}

}  // namespace perf::config
