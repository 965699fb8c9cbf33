// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "libperf/base/text.hpp"
#include "libperf/load/metric_path.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

constexpr std::size_t kEnoughErrors = 1'000;

bool IsLetter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsName(std::string_view name, bool dash) noexcept {
  if (name.empty() || name.size() > 64 || !IsLetter(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return IsLetter(c) || (c >= '0' && c <= '9') || (dash && c == '-');
  });
}

std::size_t CodePoints(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// The byte at which the `column`-th character of a line begins.
std::size_t ByteOfColumn(std::string_view line, int column) noexcept {
  std::size_t byte = 0;
  for (int at = 1; at < column && byte < line.size(); ++at) {
    ++byte;
    while (byte < line.size() && (line[byte] & 0xC0) == 0x80) ++byte;
  }
  return byte;
}

/// The first word of the expression at or after `offset`.
std::string_view ExpressionWord(std::string_view text, std::size_t offset) noexcept {
  std::size_t begin = std::min(offset, text.size());
  if (text.substr(begin).starts_with("${")) begin += 2;
  while (begin < text.size() && text[begin] == ' ') ++begin;
  std::size_t end = begin;
  while (end < text.size() && (IsLetter(text[end]) || (text[end] >= '0' && text[end] <= '9')))
    ++end;
  return text.substr(begin, end - begin);
}

/// Whether every ${…} of a text is a constant of the scenario.
bool HasOnlyConstants(std::string_view text) noexcept {
  for (std::size_t at = 0; (at = text.find("${", at)) != std::string_view::npos; at += 2) {
    if (at > 0 && text[at - 1] == '$') continue;
    if (ExpressionWord(text, at) != "vars") return false;
  }
  return true;
}

/// Whether any scalar is no good template; all that are not are reported.
bool HasBadScalar(const ParseContext& context, const config::Node& node, const Symbols& symbols) {
  if (node.IsScalar()) return !CompileText(context, node, symbols);
  bool bad = false;
  for (const config::Node& item : node.Items()) bad = HasBadScalar(context, item, symbols) || bad;
  for (const auto& entry : node.Entries()) {
    bad = HasBadScalar(context, entry.value, symbols) || bad;
  }
  return bad;
}

bool CheckConstant(const ParseContext& context, const config::Node& node, std::string_view what,
                   std::string_view why) {
  bool good = true;
  if (node.IsScalar() && !HasOnlyConstants(node.TemplateText())) {
    context.Error(node, fmt::format("in {} only ${{vars.NAME}} may stand: {}", what, why));
    return false;
  }
  for (const config::Node& item : node.Items()) {
    good = CheckConstant(context, item, what, why) && good;
  }
  for (const auto& entry : node.Entries()) {
    good = CheckConstant(context, entry.value, what, why) && good;
  }
  return good;
}

}  // namespace

bool CheckName(const ParseContext& context, const config::Place& at, std::string_view what,
               std::string_view name) {
  if (!IsName(name, true)) {
    context.diagnostics.Error(
        at, fmt::format("'{}' cannot name a {}: expected a letter, then letters, digits, '_' and "
                        "'-', at most 64",
                        Excerpt(name, 64), what));
    return false;
  }
  if (!IsMetricName(name)) return true;
  context.diagnostics.Error(
      at, fmt::format("'{}' cannot name a {}: it is the name of a metric", name, what));
  return false;
}

bool CheckVariableName(const ParseContext& context, const config::Place& at, std::string_view what,
                       std::string_view name) {
  if (!IsName(name, false)) {
    context.diagnostics.Error(
        at, fmt::format("'{}' cannot name a {}: expected a letter, then letters, digits and '_', "
                        "at most 64",
                        Excerpt(name, 64), what));
    return false;
  }
  if (!Symbols::IsReserved(name)) return true;
  context.diagnostics.Error(
      at,
      fmt::format("'{}' cannot name a {}: ${{{}…}} has a meaning of its own", name, what, name));
  return false;
}

std::vector<config::Node> BoundedItems(const ParseContext& context, config::MapReader& root,
                                       std::string_view key, std::size_t most) {
  std::vector<config::Node> items = root.Items(key);
  if (items.size() <= most) return items;
  context.Error(items[most], fmt::format("`{}` has at most {} items", key, most));
  return {};
}

std::vector<config::Node::Entry> BoundedEntries(const ParseContext& context,
                                                config::MapReader& root, std::string_view key) {
  std::vector<config::Node::Entry> entries = root.Entries(key);
  if (entries.size() <= kMaxNamed) return entries;
  context.diagnostics.Error(entries[kMaxNamed].key_at,
                            fmt::format("`{}` has at most {} entries", key, kMaxNamed));
  return {};
}

config::Place Within(const config::Node& scalar, std::size_t offset) {
  config::Place place = scalar.At();
  if (!place.source || place.line == 0) return place;
  const std::string_view line = place.source->Line(place.line);
  std::string_view rest = line.substr(std::min(line.size(), ByteOfColumn(line, place.column)));
  const std::size_t quote = rest.starts_with('"') || rest.starts_with('\'') ? 1 : 0;
  rest.remove_prefix(quote);
  const std::string_view before = std::string_view(scalar.Text()).substr(0, offset);
  // Escapes, folded lines and resolved values do not read like the file.
  if (!rest.starts_with(before)) return place;
  place.column += static_cast<int>(quote + CodePoints(before));
  return place;
}

void ReportTemplate(const ParseContext& context, const config::Node& node,
                    const TemplateError& error, std::size_t prefix) {
  const std::size_t offset = error.Offset() > prefix ? error.Offset() - prefix : 0;
  const std::string_view text = node.TemplateText();
  std::string_view word = ExpressionWord(text, offset);
  if (offset >= 2 && text.substr(offset - 2).starts_with("${")) {
    word = ExpressionWord(text, offset - 2);
  }
  const config::Place place = node.Tainted() ? node.At() : Within(node, offset);
  if (context.later_names && context.later_names->contains(std::string(word))) {
    context.diagnostics.Error(
        place, fmt::format("'{}' is not known here: a name can be used from the step after the one "
                           "that captures or sets it",
                           word));
    return;
  }
  context.diagnostics.Error(place, error.what(), error.Suggestion());
}

std::optional<Template> CompileText(const ParseContext& context, const config::Node& node,
                                    const Symbols& symbols, std::string_view prefix) {
  if (!node.IsScalar()) {
    context.Error(node, "expected a text");
    return std::nullopt;
  }
  // Enough is wrong: each further suggestion would be searched for in vain.
  if (context.diagnostics.Count() > kEnoughErrors) return std::nullopt;
  try {
    if (prefix.empty()) return Template::Compile(node.TemplateText(), symbols);
    return Template::Compile(std::string(prefix) + node.TemplateText(), symbols);
  } catch (const TemplateError& error) {
    ReportTemplate(context, node, error, prefix.size());
    return std::nullopt;
  }
}

std::optional<std::string> ConstantText(const ParseContext& context, const config::Node& node,
                                        std::string_view what, std::string_view why) {
  if (node.IsScalar() && !CheckConstant(context, node, what, why)) return std::nullopt;
  const std::optional<Template> compiled = CompileText(context, node, context.constants);
  if (!compiled) return std::nullopt;
  std::string text;
  compiled->Render(Scope{}, text);
  return text;
}

std::optional<JsonTemplate> CompileJson(const ParseContext& context, const config::Node& node,
                                        const Symbols& symbols, std::string_view constant) {
  if (!constant.empty() &&
      !CheckConstant(context, node, constant, "it is the same for every request")) {
    return std::nullopt;
  }
  // Each scalar on its own first, for the place of a mistake.
  if (HasBadScalar(context, node, symbols)) return std::nullopt;
  try {
    return JsonTemplate::Compile(config::ToJson(node, true), symbols);
  } catch (const TemplateError& error) {
    context.Error(node, error.what(), error.Suggestion());
    return std::nullopt;
  }
}

bool IsHeaderName(std::string_view name) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";  // RFC 9110, token
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c != '_' && IsLetter(c)) || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

void CheckHeaderName(const ParseContext& context, const config::Place& at, std::string_view name) {
  if (!IsHeaderName(name)) {
    context.diagnostics.Error(at, "expected the name of a header");
  } else if (EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "connection") ||
             EqualsIgnoreCase(name, "transfer-encoding")) {
    context.diagnostics.Error(at, fmt::format("'{}' is set by the client itself", name));
  }
}

bool BreaksHeader(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace perf::load
