// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/annotation.hpp"

#include <fmt/format.h>

#include "libperf/base/text.hpp"
#include "libperf/monitor/alerts/label_name.hpp"

namespace perf::monitor::alerts {
namespace {

constexpr std::string_view kLabel = "$labels.";

/// Calls text(piece) and action(inside of braces) in turn; false where a brace stays open.
template <typename Text, typename Action>
bool Walk(std::string_view whole, const Text& text, const Action& action) {
  for (;;) {
    const std::size_t open = whole.find("{{");
    text(whole.substr(0, open));
    if (open == std::string_view::npos) return true;
    const std::size_t close = whole.find("}}", open);
    if (close == std::string_view::npos) return false;
    action(Trim(whole.substr(open + 2, close - open - 2)));
    whole.remove_prefix(close + 2);
  }
}

bool IsLabel(std::string_view action) noexcept {
  return action.starts_with(kLabel) && IsLabelName(action.substr(kLabel.size()));
}

}  // namespace

std::optional<std::string> CheckTemplate(std::string_view text) {
  std::optional<std::string> wrong;
  const bool closed = Walk(
      text, [](std::string_view) {},
      [&](std::string_view action) {
        if (action == "$value" || IsLabel(action)) return;
        wrong = fmt::format(
            "'{{{{ {} }}}}' is not understood: there are {{{{ $labels.NAME }}}} and "
            "{{{{ $value }}}}",
            Excerpt(action, 40));
      });
  if (!closed) return "'{{' without its '}}'";
  return wrong;
}

std::string Expand(std::string_view text, const Labels& labels, std::string_view value) {
  std::string out;
  Walk(
      text, [&](std::string_view piece) { out += piece; },
      [&](std::string_view action) {
        out += IsLabel(action) ? ValueOf(labels, action.substr(kLabel.size())) : value;
      });
  return out;
}

}  // namespace perf::monitor::alerts
