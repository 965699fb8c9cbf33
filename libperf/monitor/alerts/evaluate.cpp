// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/monitor/alerts/window.hpp"

namespace perf::monitor::alerts {
namespace {

using Kind = Expression::Kind;
using Aggregation = Expression::Aggregation;

Labels GroupOf(const Labels& labels, const Expression& aggregate) {
  Labels group;
  for (const auto& label : labels) {
    const bool named = std::find(aggregate.labels.begin(), aggregate.labels.end(), label.first) !=
                       aggregate.labels.end();
    // An empty value is no label, as in Prometheus.
    if (named != aggregate.without && !label.second.empty()) group.push_back(label);
  }
  return group;
}

double Operate(char op, double left, double right) noexcept {
  switch (op) {
    case '+': return left + right;
    case '-': return left - right;
    case '*': return left * right;
    default: return left / right;
  }
}

/// One evaluation: an expression gives values by labels, or one number.
class Evaluation {
 public:
  using Result = std::variant<double, Values>;
  Evaluation(const SeriesStore& store, WallTime now) : store_(store), now_(now) {}

  Result Of(const Expression& expression) const {
    switch (expression.kind) {
      case Kind::kNumber: return expression.number;
      case Kind::kInstant:
      case Kind::kWindow: return Samples(expression);
      case Kind::kQuantile: return Quantile(expression);
      case Kind::kAggregate: return Aggregate(expression);
      case Kind::kBinary: break;
    }
    return Binary(expression);
  }

 private:
  Values Samples(const Expression& expression) const {
    Values values;
    store_.Each(expression.selector, now_, false, [&](const SeriesStore::Series& series) {
      const std::optional<double> value =
          expression.kind == Kind::kInstant
              ? series.points.back().value
              : OverWindow(expression.window, series.points, expression.length, now_);
      if (value) values.emplace(series.labels, *value);
    });
    return values;
  }

  Values Quantile(const Expression& expression) const {
    const bool merges = expression.left->kind == Kind::kAggregate;
    const Expression& rate = merges ? *expression.left->left : *expression.left;
    struct Group {
      metrics::Buckets buckets;
      std::vector<double> rates;
    };
    std::map<Labels, Group> groups;
    store_.Each(rate.selector, now_, true, [&](const SeriesStore::Series& series) {
      std::vector<double> rates = BucketRates(rate.window, series.histogram, rate.length, now_);
      if (rates.empty()) return;
      const Labels labels = merges ? GroupOf(series.labels, *expression.left) : series.labels;
      const auto [group, fresh] = groups.try_emplace(labels, Group{series.buckets, rates});
      if (fresh) return;
      if (!(group->second.buckets == series.buckets)) {
        throw Error("histograms of '" + rate.selector.metric +
                    "' have different buckets and cannot be added up: group them by more labels");
      }
      for (std::size_t i = 0; i < rates.size(); ++i) group->second.rates[i] += rates[i];
    });
    Values values;
    for (const auto& [labels, group] : groups) {
      values.emplace(labels, InterpolatedQuantile(expression.number, group.buckets, group.rates));
    }
    return values;
  }

  Values Aggregate(const Expression& expression) const {
    const Values inner = std::get<Values>(Of(*expression.left));
    Values values;
    std::map<Labels, double> counts;
    for (const auto& [labels, value] : inner) {
      const Labels group = GroupOf(labels, expression);
      const auto [at, fresh] = values.try_emplace(group, value);
      counts[group] += 1;
      if (fresh) continue;
      double& all = at->second;
      switch (expression.aggregation) {
        case Aggregation::kSum:
        case Aggregation::kAvg: all += value; break;
        case Aggregation::kMin:
          if (value < all || std::isnan(all)) all = value;
          break;
        case Aggregation::kMax:
          if (value > all || std::isnan(all)) all = value;
          break;
      }
    }
    if (expression.aggregation == Aggregation::kAvg) {
      for (auto& [labels, value] : values) value /= counts[labels];
    }
    return values;
  }

  Result Binary(const Expression& expression) const {
    Result left = Of(*expression.left);
    const Result right = Of(*expression.right);
    const double* left_number = std::get_if<double>(&left);
    const double* right_number = std::get_if<double>(&right);
    if (left_number && right_number) return Operate(expression.op, *left_number, *right_number);
    Values values;
    if (left_number) {
      for (const auto& [labels, value] : std::get<Values>(right)) {
        values.emplace(labels, Operate(expression.op, *left_number, value));
      }
      return values;
    }
    for (const auto& [labels, value] : std::get<Values>(left)) {
      if (right_number) {
        values.emplace(labels, Operate(expression.op, value, *right_number));
        continue;
      }
      const Values& others = std::get<Values>(right);
      const auto other = others.find(labels);
      if (other != others.end()) {
        values.emplace(labels, Operate(expression.op, value, other->second));
      }
    }
    return values;
  }

  const SeriesStore& store_;
  WallTime now_;
};

}  // namespace

Values Evaluate(const Expression& expression, const SeriesStore& store, WallTime now) {
  auto result = Evaluation(store, now).Of(expression);
  // ParseExpression lets no expression pass that is a number only.
  return std::get<Values>(std::move(result));
}

}  // namespace perf::monitor::alerts
