// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/watch/exposition_line.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/monitor/watch/exposition_text.hpp"

namespace perf::monitor {
namespace {

bool Letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool Digit(char c) noexcept { return c >= '0' && c <= '9'; }

void SkipBlanks(std::string_view& text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

/// The name at the start; empty where there is none.
std::string_view TakeName(std::string_view& text, bool colons) noexcept {
  std::size_t size = 0;
  while (size < text.size() &&
         (Letter(text[size]) || (size > 0 && Digit(text[size])) || (colons && text[size] == ':'))) {
    ++size;
  }
  const std::string_view name = text.substr(0, size);
  text.remove_prefix(size);
  return name;
}

/// The quoted text at the start, without its quotes and still escaped.
std::optional<std::string_view> TakeQuoted(std::string_view& text) noexcept {
  if (text.empty() || text.front() != '"') return std::nullopt;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      const std::string_view inside = text.substr(1, at - 1);
      text.remove_prefix(at + 1);
      return inside;
    }
  }
  return std::nullopt;
}

const char* TakeLabels(std::string_view& text, const ExpositionLimits& limits,
                       metrics::Labels& labels) {
  std::size_t bytes = 0;
  text.remove_prefix(1);  // the brace
  while (true) {
    SkipBlanks(text);
    if (!text.empty() && text.front() == '}') {
      text.remove_prefix(1);
      return nullptr;
    }
    const std::string_view name = TakeName(text, false);
    if (name.empty()) return "a label's name is expected";
    SkipBlanks(text);
    if (text.empty() || text.front() != '=') return "'=' is expected after a label's name";
    text.remove_prefix(1);
    SkipBlanks(text);
    const std::optional<std::string_view> value = TakeQuoted(text);
    if (!value) return "a label's value in quotes is expected";
    bytes += name.size() + value->size();
    if (labels.size() >= limits.labels || bytes > limits.label_bytes) return "too many labels";
    labels.emplace_back(name, UnescapeText(*value));
    SkipBlanks(text);
    if (!text.empty() && text.front() == ',') {
      text.remove_prefix(1);
    } else if (text.empty() || text.front() != '}') {
      return "',' or '}' is expected after a label";
    }
  }
}

std::string_view TakeWord(std::string_view& text) noexcept {
  SkipBlanks(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

/// "# {labels} value [timestamp]" after an OpenMetrics sample.
const char* CheckExemplar(std::string_view text, const ExpositionLimits& limits) {
  text.remove_prefix(1);
  SkipBlanks(text);
  if (text.empty() || text.front() != '{') return "an exemplar begins with its labels";
  metrics::Labels labels;
  if (const char* const wrong = TakeLabels(text, limits, labels)) return wrong;
  if (!ReadGoNumber(TakeWord(text))) return "an exemplar's value is no number";
  const std::string_view stamp = TakeWord(text);
  if (!stamp.empty() && !ReadGoNumber(stamp)) return "an exemplar's time is no number";
  SkipBlanks(text);
  return text.empty() ? nullptr : "something follows the exemplar";
}

}  // namespace

std::optional<double> ReadGoNumber(std::string_view text) noexcept {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || !(Digit(text.front()) || text.front() == '.' || Letter(text.front()))) {
    return std::nullopt;
  }
  double value = 0;
  if (EqualsIgnoreCase(text, "inf") || EqualsIgnoreCase(text, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (EqualsIgnoreCase(text, "nan")) {
    return std::numeric_limits<double>::quiet_NaN();
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) {
      // Too great or too small: from_chars says no more, the exponent does.
      const std::size_t at = text.find_first_of("eE");
      const bool small =
          at != std::string_view::npos && at + 1 < text.size() && text[at + 1] == '-';
      value = small || at == std::string_view::npos ? 0 : std::numeric_limits<double>::infinity();
    } else if (error != std::errc{}) {
      return std::nullopt;
    }
  }
  return negative ? -value : value;
}

bool IsMetricName(std::string_view name) noexcept {
  std::string_view rest = name;
  return !TakeName(rest, true).empty() && rest.empty();
}

std::string UnescapeText(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      plain += text[at];
      continue;
    }
    const char next = text[++at];
    if (next == 'n') {
      plain += '\n';
    } else {
      if (next != '\\' && next != '"') plain += '\\';  // not an escape: both characters stand
      plain += next;
    }
  }
  return plain;
}

const char* ReadSampleLine(std::string_view line, bool open_metrics, const ExpositionLimits& limits,
                           ExpositionSample& sample) {
  sample.labels.clear();
  sample.name = TakeName(line, true);
  if (sample.name.empty()) return "a metric's name is expected";
  SkipBlanks(line);
  if (!line.empty() && line.front() == '{') {
    if (const char* const wrong = TakeLabels(line, limits, sample.labels)) return wrong;
  }
  const std::optional<double> value = ReadGoNumber(TakeWord(line));
  if (!value) return "the value is no number";
  sample.value = *value;
  SkipBlanks(line);
  if (!line.empty() && line.front() != '#') {
    if (!ReadGoNumber(TakeWord(line))) return "the time stamp is no number";
    SkipBlanks(line);
  }
  if (line.empty()) return nullptr;
  if (!open_metrics || line.front() != '#') return "something follows the value";
  return CheckExemplar(line, limits);
}

}  // namespace perf::monitor
