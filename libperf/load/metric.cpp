// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/metric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::load {
namespace {

using Named = std::pair<std::string_view, MetricRef::Name>;
constexpr std::array kMetrics{
    Named{"latency", MetricRef::Name::kLatency},
    Named{"wait", MetricRef::Name::kWait},
    Named{"service_time", MetricRef::Name::kServiceTime},
    Named{"schedule_lag", MetricRef::Name::kScheduleLag},
    Named{"first_byte", MetricRef::Name::kFirstByte},
    Named{"requests", MetricRef::Name::kRequests},
    Named{"errors", MetricRef::Name::kErrors},
    Named{"dropped", MetricRef::Name::kDropped},
    Named{"iterations", MetricRef::Name::kIterations},
    Named{"rate", MetricRef::Name::kRate},
};

void CollectNames(const Steps& steps, std::vector<std::string>& names) {
  for (const Step& step : steps) {
    if (step.IsRequest()) {
      if (names.size() <= step.request_id) names.resize(step.request_id + 1);
      names[step.request_id] = step.name;
    } else if (const auto* group = std::get_if<GroupStep>(&step.action)) {
      CollectNames(group->steps, names);
    } else if (const auto* repeat = std::get_if<RepeatStep>(&step.action)) {
      CollectNames(repeat->steps, names);
    } else if (const auto* choose = std::get_if<ChooseStep>(&step.action)) {
      for (const Steps& branch : choose->branches) CollectNames(branch, names);
    }
  }
}

/// Takes the metric's name off the end of the path's parts.
void TakeMetric(std::vector<std::string_view>& parts, MetricRef& metric, std::string_view path) {
  if (parts.size() >= 2 && parts[parts.size() - 2] == "errors") {
    for (int kind = 1; kind < kErrorKinds; ++kind) {
      if (Name(static_cast<ErrorKind>(kind)) == parts.back()) {
        metric.error = static_cast<ErrorKind>(kind);
        parts.pop_back();
        break;
      }
    }
  }
  const std::string_view word = parts.back();
  const auto found = std::find_if(kMetrics.begin(), kMetrics.end(),
                                  [&](const Named& named) { return named.first == word; });
  if (found == kMetrics.end()) {
    std::vector<std::string_view> known;
    for (const Named& named : kMetrics) known.push_back(named.first);
    const std::string_view near = Suggest(word, known);
    throw ConfigError(
        fmt::format("unknown metric '{}' in '{}'{}", word, path,
                    near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near)));
  }
  metric.name = found->second;
  parts.pop_back();
}

void TakeScope(const Scenario& scenario, std::vector<std::string_view>& parts, MetricRef& metric) {
  if (!parts.empty()) {
    for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
      if (scenario.loads[i].name == parts.front()) metric.loads.push_back(i);
    }
    for (std::size_t i = 0; metric.loads.empty() && i < scenario.flows.size(); ++i) {
      if (scenario.flows[i].name != parts.front()) continue;
      for (std::size_t k = 0; k < scenario.loads.size(); ++k) {
        if (scenario.loads[k].flow == i) metric.loads.push_back(k);
      }
    }
  }
  if (!metric.loads.empty()) {
    parts.erase(parts.begin());
    return;
  }
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) metric.loads.push_back(i);
  metric.whole_run = parts.empty();
}

const stats::Histogram& Pick(const Clocks& clocks, MetricRef::Name name) {
  switch (name) {
    case MetricRef::Name::kWait: return clocks.wait;
    case MetricRef::Name::kServiceTime: return clocks.service_time;
    case MetricRef::Name::kScheduleLag: return clocks.schedule_lag;
    default: return clocks.latency;
  }
}

/// Calls `fn(request)` for each request record that the metric covers.
template <typename Fn>
void ForEachRequest(const Scenario& scenario, const MetricRef& metric, const Interval& recorded,
                    Fn fn) {
  for (const std::size_t load : metric.loads) {
    const std::vector<std::string> names = RequestNames(scenario.flows[scenario.loads[load].flow]);
    const auto& requests = recorded.loads[load].requests;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!metric.step || names[i] == *metric.step) fn(requests[i]);
    }
  }
}

Observation ObserveTrend(const Scenario& scenario, const MetricRef& metric,
                         const Condition& condition, const Interval& recorded) {
  stats::Histogram merged;
  if (metric.whole_run || metric.step || metric.name == MetricRef::Name::kFirstByte) {
    ForEachRequest(scenario, metric, recorded, [&](const RequestRecord& request) {
      merged.Merge(metric.name == MetricRef::Name::kFirstByte ? request.first_byte
                                                              : Pick(request.clocks, metric.name));
    });
  } else {
    for (const std::size_t load : metric.loads) {
      merged.Merge(Pick(recorded.loads[load].iteration, metric.name));
    }
  }
  Observation seen;
  seen.samples = merged.Count();
  if (condition.aggregation == Aggregation::kCount) seen.value = static_cast<double>(seen.samples);
  if (seen.samples == 0) return seen;
  const auto ms = [](double micros) { return micros / 1000; };
  const auto quantile = [&](double q) {
    return ms(static_cast<double>(merged.ValueAtQuantile(q)));
  };
  switch (condition.aggregation) {
    case Aggregation::kAvg: seen.value = ms(merged.Mean()); break;
    case Aggregation::kMin: seen.value = ms(static_cast<double>(merged.Min())); break;
    case Aggregation::kMax: seen.value = ms(static_cast<double>(merged.Max())); break;
    case Aggregation::kMed: seen.value = quantile(0.5); break;
    case Aggregation::kPercentile: seen.value = quantile(condition.percentile / 100); break;
    default: break;
  }
  return seen;
}

}  // namespace

MetricType MetricRef::Type() const noexcept {
  switch (name) {
    case Name::kRequests:
    case Name::kDropped:
    case Name::kIterations: return MetricType::kCounter;
    case Name::kErrors: return MetricType::kRate;
    case Name::kRate: return MetricType::kGauge;
    default: return MetricType::kTrend;
  }
}

MetricRef MetricRef::Resolve(const Scenario& scenario, std::string_view path) {
  std::vector<std::string_view> parts = Split(path, '.');
  MetricRef metric;
  TakeMetric(parts, metric, path);
  TakeScope(scenario, parts, metric);
  if (parts.empty()) return metric;
  std::string step(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) step += "." + std::string(parts[i]);
  std::set<std::string> known;
  for (const std::size_t load : metric.loads) {
    for (std::string& name : RequestNames(scenario.flows[scenario.loads[load].flow])) {
      known.insert(std::move(name));
    }
  }
  if (known.count(step) == 0) {
    for (const LoadSpec& load : scenario.loads) known.insert(load.name);
    for (const FlowSpec& flow : scenario.flows) known.insert(flow.name);
    const std::vector<std::string_view> words(known.begin(), known.end());
    const std::string_view near = Suggest(step, words);
    throw ConfigError(
        fmt::format("'{}' in '{}' is neither a load, nor a flow, nor a step{}", step, path,
                    near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near)));
  }
  metric.step = std::move(step);
  return metric;
}

std::vector<std::string> RequestNames(const FlowSpec& flow) {
  std::vector<std::string> names;
  CollectNames(flow.steps, names);
  return names;
}

Observation Observe(const Scenario& scenario, const MetricRef& metric, const Condition& condition,
                    const Interval& recorded, Duration length) {
  if (metric.Type() == MetricType::kTrend)
    return ObserveTrend(scenario, metric, condition, recorded);
  std::uint64_t counted = 0;
  std::uint64_t total = 0;
  if (metric.name == MetricRef::Name::kRequests || metric.name == MetricRef::Name::kErrors) {
    ForEachRequest(scenario, metric, recorded, [&](const RequestRecord& request) {
      total += request.total;
      counted +=
          metric.error ? request.errors[static_cast<std::size_t>(*metric.error)] : request.Failed();
    });
  }
  for (const std::size_t load : metric.loads) {
    const LoadRecord& record = recorded.loads[load];
    if (metric.name == MetricRef::Name::kDropped) counted += record.dropped;
    if (metric.name == MetricRef::Name::kIterations) counted += record.iterations;
    if (metric.name == MetricRef::Name::kRate) counted += record.arrivals;
  }
  const double seconds = std::max(ToMs(length) / 1000, 1e-9);
  Observation seen;
  if (metric.name == MetricRef::Name::kErrors) {
    seen.samples = total;
    if (condition.aggregation == Aggregation::kCount) {
      seen.value = static_cast<double>(counted);
    } else if (total > 0) {
      seen.value = static_cast<double>(counted) / static_cast<double>(total);
    }
    return seen;
  }
  if (metric.name == MetricRef::Name::kRequests) counted = total;
  // A counter that counted nothing is known to be 0: that is a sample.
  seen.samples = std::max<std::uint64_t>(counted, 1);
  const bool per_second =
      condition.aggregation == Aggregation::kRate || metric.name == MetricRef::Name::kRate;
  seen.value = per_second ? static_cast<double>(counted) / seconds : static_cast<double>(counted);
  return seen;
}

}  // namespace perf::load
