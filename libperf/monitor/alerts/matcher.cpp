// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/matcher.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/monitor/alerts/label_name.hpp"

namespace perf::monitor::alerts {
namespace {

std::string Quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
  return text;
}

}  // namespace

bool IsLabelName(std::string_view text) noexcept {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

std::string_view ValueOf(const Labels& labels, std::string_view name) noexcept {
  for (const auto& [label, value] : labels) {
    if (label == name) return value;
  }
  return {};
}

bool Matches(const std::vector<Matcher>& matchers, const Labels& labels) noexcept {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& matcher) {
    return (ValueOf(labels, matcher.label) == matcher.value) == matcher.equal;
  });
}

Matcher ParseMatcher(std::string_view text) {
  const auto fail = [&] {
    throw ConfigError(fmt::format(
        "'{}' is no matcher: write a label, '=' or '!=', and its value, as in pool=pg-main",
        Excerpt(text, 60)));
  };
  Matcher matcher;
  const std::size_t sign = text.find('=');
  if (sign == std::string_view::npos || sign == 0) fail();
  matcher.equal = text[sign - 1] != '!';
  matcher.label = Trim(text.substr(0, matcher.equal ? sign : sign - 1));
  std::string_view value = Trim(text.substr(sign + 1));
  if (!IsLabelName(matcher.label)) fail();
  if (!value.empty() && value[0] == '"') {
    if (value.size() < 2 || value.back() != '"') fail();
    value = value.substr(1, value.size() - 2);
  } else if (!value.empty() && value[0] == '~') {
    throw ConfigError("regular expressions are not understood in matchers: use '=' or '!='");
  }
  if (value.size() > 1024) throw ConfigError("the value of a matcher has at most 1024 bytes");
  matcher.value = value;
  return matcher;
}

std::string ToText(const Matcher& matcher) {
  return matcher.label + (matcher.equal ? "=" : "!=") + Quoted(matcher.value);
}

std::string ToText(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += (text.empty() ? "{" : ", ") + name + "=" + Quoted(value);
  }
  if (!text.empty()) text += '}';
  return text;
}

}  // namespace perf::monitor::alerts
