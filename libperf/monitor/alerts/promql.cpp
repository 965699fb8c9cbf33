// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "libperf/base/units.hpp"
#include "libperf/monitor/alerts/expression.hpp"
#include "libperf/monitor/alerts/expression_names.hpp"

namespace perf::monitor::alerts {
namespace {

std::string SelectorText(const Selector& selector, std::string_view suffix) {
  std::string text = selector.metric;
  text += suffix;
  std::string inner;
  for (const Matcher& matcher : selector.matchers) {
    inner += (inner.empty() ? "" : ",") + ToText(matcher);
  }
  return inner.empty() ? text : text + "{" + inner + "}";
}

/// `buckets`: inside of histogram_quantile, where Prometheus has one series for each bucket.
std::string Print(const Expression& expression, bool buckets) {
  switch (expression.kind) {
    case Expression::Kind::kNumber: return fmt::format("{}", expression.number);
    case Expression::Kind::kInstant: return SelectorText(expression.selector, "");
    case Expression::Kind::kWindow:
      return fmt::format("{}({}[{}])", NameOf(expression.window),
                         SelectorText(expression.selector, buckets ? "_bucket" : ""),
                         FormatExact(expression.length));
    case Expression::Kind::kQuantile:
      return fmt::format("histogram_quantile({}, {})", expression.number,
                         Print(*expression.left, true));
    case Expression::Kind::kAggregate: {
      std::string labels;
      for (const std::string& label : expression.labels) {
        labels += (labels.empty() ? "" : ", ") + label;
      }
      if (buckets && !expression.without) labels += labels.empty() ? "le" : ", le";
      const std::string grouping = expression.without ? fmt::format(" without ({})", labels)
                                   : labels.empty()   ? std::string()
                                                      : fmt::format(" by ({})", labels);
      return fmt::format("{}{} ({})", NameOf(expression.aggregation), grouping,
                         Print(*expression.left, buckets));
    }
    case Expression::Kind::kBinary: break;
  }
  const auto side = [](const Expression& operand) {
    const std::string text = Print(operand, false);
    return operand.kind == Expression::Kind::kBinary ? "(" + text + ")" : text;
  };
  return fmt::format("{} {} {}", side(*expression.left), expression.op, side(*expression.right));
}

}  // namespace

std::string ToPromQl(const Expression& expression) { return Print(expression, false); }

}  // namespace perf::monitor::alerts
