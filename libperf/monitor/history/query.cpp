// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/query.hpp"

#include <charconv>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::monitor {

Aggregate ParseAggregate(std::string_view text) {
  using Kind = Aggregate::Kind;
  if (text == "avg") return {Kind::kAvg, 0};
  if (text == "min") return {Kind::kMin, 0};
  if (text == "max") return {Kind::kMax, 0};
  if (text == "rate") return {Kind::kRate, 0};
  if (text == "sum") return {Kind::kSum, 0};
  if (text.starts_with('p')) {
    double percent = -1;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), percent);
    if (error == std::errc{} && end == text.data() + text.size() && percent >= 0 &&
        percent <= 100) {
      return {Kind::kQuantile, percent / 100};
    }
  }
  throw ConfigError(
      fmt::format("history: aggregate '{}' is not known: avg, min, max, rate, sum, or "
                  "a percentile from p0 to p100",
                  Excerpt(text, 40)));
}

std::string Name(const Aggregate& aggregate) {
  using Kind = Aggregate::Kind;
  switch (aggregate.kind) {
    case Kind::kAvg: return "avg";
    case Kind::kMin: return "min";
    case Kind::kMax: return "max";
    case Kind::kRate: return "rate";
    case Kind::kSum: return "sum";
    case Kind::kQuantile: break;
  }
  return fmt::format("p{:.10g}", aggregate.quantile * 100);
}

Json ToJson(const HistoryQuery& query, const HistoryAnswer& answer) {
  Json json = Json::MakeObject();
  json["metric"] = query.metric;
  json["agg"] = Name(query.aggregate);
  json["type"] = metrics::Name(answer.type);
  json["unit"] = answer.unit;
  json["tier"] = answer.tier;
  json["step_s"] = static_cast<std::int64_t>(answer.step.count());
  json["from"] = ToSeconds(answer.from);
  json["to"] = ToSeconds(answer.to);
  json["left_off"] = static_cast<std::uint64_t>(answer.left_off);
  Json series = Json::MakeArray();
  for (const HistoryLine& line : answer.lines) {
    Json one = Json::MakeObject();
    Json labels = Json::MakeObject();
    for (const auto& [name, value] : line.labels) labels[name] = value;
    one["labels"] = std::move(labels);
    Json points = Json::MakeArray();
    points.AsArray().reserve(line.points.size());
    for (const HistoryPoint& point : line.points) {
      points.Append(Json::Array{Json(ToSeconds(point.start)), Json(point.value)});
    }
    one["points"] = std::move(points);
    series.Append(std::move(one));
  }
  json["series"] = std::move(series);
  return json;
}

}  // namespace perf::monitor
