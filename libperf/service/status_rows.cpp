// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/status_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace perf::service {
namespace {

using namespace std::chrono_literals;
using report::StatusReading;
using report::StatusRow;
using report::StatusState;
using report::StatusUnit;

constexpr Duration kLately = 15s;
constexpr Duration kStep = 15s;
constexpr std::size_t kPoints = 60;
constexpr std::size_t kMostRows = 1000;
constexpr double kNearlyAll = 0.9;

double Number(const Json& json, std::string_view pointer) {
  const Json* value = json.AtPointer(pointer);
  return value != nullptr && value->IsNumber() ? value->AsDouble() : 0;
}

std::string Text(const Json& json, std::string_view pointer) {
  const Json* value = json.AtPointer(pointer);
  return value != nullptr ? value->ToText() : std::string();
}

StatusReading Reading(std::string name, double value, StatusUnit unit = StatusUnit::kNone) {
  StatusReading reading;
  reading.name = std::move(name);
  reading.value = value;
  reading.unit = unit;
  return reading;
}

StatusReading Words(std::string name, std::string text) {
  StatusReading reading;
  reading.name = std::move(name);
  reading.text = std::move(text);
  return reading;
}

}  // namespace

std::vector<StatusRow> StatusRows::Make(const Json& pools, const Json& caches, const Json& audio,
                                        TimePoint now) {
  std::vector<StatusRow> rows;
  const auto each = [&](const Json& json, std::string_view member, auto make) {
    const Json* named = json.Find(member);
    if (named == nullptr) return;
    for (const auto& [name, value] : named->AsObject()) {
      if (rows.size() < kMostRows) rows.push_back((this->*make)(name, value, now));
    }
  };
  each(pools, "pools", &StatusRows::PoolRow);
  each(caches, "caches", &StatusRows::CacheRow);
  if (const Json* list = audio.Find("optimizers")) {
    const auto& all = list->AsArray();
    for (std::size_t i = 0; i < all.size() && rows.size() < kMostRows; ++i) {
      const std::string name = all.size() == 1 ? "streams" : fmt::format("streams-{}", i + 1);
      rows.push_back(AudioRow(name, all[i], now));
    }
  }
  return rows;
}

StatusRow StatusRows::PoolRow(const std::string& name, const Json& pool, TimePoint now) {
  StatusRow row;
  row.area = "pools";
  row.name = name;
  const double used = Number(pool, "/in_use"), most = Number(pool, "/max"),
               waiting = Number(pool, "/waiting");
  StatusReading in_use = Reading("used", used);
  in_use.limit = most;
  row.readings = {in_use, Reading("waiting", waiting)};
  row.spark_metric = "used";
  row.spark = Line("pool " + name, used, now);
  const std::string breaker = Text(pool, "/breaker/state");
  if (breaker != "closed" && breaker != "disabled") {
    row.readings.push_back(Words("breaker", breaker));
  }
  const std::string error = Text(pool, "/health/error");
  if (Text(pool, "/health/status") == "down") {
    row.state = StatusState::kCritical;
    row.readings.insert(row.readings.begin(), Words("down", error.empty() ? "no answer" : error));
  } else if (breaker == "open" || breaker == "forced_open") {
    row.state = StatusState::kCritical;
  } else if (most > 0 && used >= most && waiting > 0) {
    row.state = StatusState::kCritical;
  } else if ((most > 0 && used >= kNearlyAll * most) || breaker == "half_open") {
    row.state = StatusState::kWarning;
  }
  if (Text(pool, "/health/status") == "up") {
    row.readings.push_back(
        Reading("answers in", Number(pool, "/health/latency_ms") / 1e3, StatusUnit::kSeconds));
  }
  return row;
}

StatusRow StatusRows::CacheRow(const std::string& name, const Json& cache, TimePoint now) {
  StatusRow row;
  row.area = "caches";
  row.name = name;
  const double memory_hits = Number(cache, "/l1/hits") + Number(cache, "/l1/stale");
  const double hits = memory_hits + Number(cache, "/l2/hits") + Number(cache, "/l2/stale");
  const double lookups = memory_hits + Number(cache, "/l1/misses");
  const auto grown = Lately("cache " + name, {hits, lookups}, now);
  StatusReading ratio;
  ratio.name = "hit";
  ratio.unit = StatusUnit::kRatio;
  if (grown[1] > 0) ratio.value = std::min(1.0, grown[0] / grown[1]);
  if (grown[1] >= kFewLookups && *ratio.value < kHitRatioWanted) {
    row.state = StatusState::kWarning;
    ratio.want = kHitRatioWanted;
  }
  StatusReading bytes = Reading("", Number(cache, "/bytes"), StatusUnit::kBytes);
  if (const double most = Number(cache, "/max_bytes"); most > 0) bytes.limit = most;
  row.readings = {ratio, bytes, Reading("entries", Number(cache, "/entries"))};
  if (const Json* tier = cache.Find("l2"); tier != nullptr && !tier->IsNull()) {
    const bool reachable = Text(*tier, "/reachable") == "true";
    row.readings.push_back(Words("l2", reachable ? "up" : "down"));
    if (!reachable) row.state = StatusState::kWarning;
  }
  row.spark_metric = "hit";
  row.spark = Line("cache " + name, ratio.value.value_or(0), now);
  return row;
}

StatusRow StatusRows::AudioRow(const std::string& name, const Json& optimizer, TimePoint now) {
  StatusRow row;
  row.area = "audio";
  row.name = name;
  const auto grown = Lately("audio " + name,
                            {Number(optimizer, "/underruns"), Number(optimizer, "/overruns"),
                             Number(optimizer, "/refused"), Number(optimizer, "/spill_failures")},
                            now);
  StatusReading bytes = Reading("", Number(optimizer, "/used_bytes"), StatusUnit::kBytes);
  bytes.limit = Number(optimizer, "/budget_bytes");
  row.readings = {Reading("streams", Number(optimizer, "/streams")), bytes};
  const char* names[] = {"underruns", "overruns", "refused", "spill failures"};
  for (std::size_t i = 0; i < grown.size(); ++i) {
    if (grown[i] <= 0) continue;
    row.state = StatusState::kWarning;
    row.readings.insert(row.readings.begin(), Reading(names[i], grown[i]));
  }
  row.spark_metric = "streams";
  row.spark = Line("audio " + name, Number(optimizer, "/streams"), now);
  return row;
}

std::vector<double> StatusRows::Lately(const std::string& name, std::vector<double> totals,
                                       TimePoint now) {
  auto& samples = growths_[name].samples;
  const bool shrunk =
      !samples.empty() && !std::equal(totals.begin(), totals.end(), samples.back().second.begin(),
                                      [](double a, double b) { return a >= b; });
  if (shrunk) samples.clear();
  samples.emplace_back(now, std::move(totals));
  // One that is older stays, so that the whole stretch is covered.
  while (samples.size() > 2 && now - samples[1].first >= kLately) samples.pop_front();
  std::vector<double> grown = samples.back().second;
  for (std::size_t i = 0; i < grown.size(); ++i) grown[i] -= samples.front().second[i];
  return grown;
}

std::vector<double> StatusRows::Line(const std::string& name, double value, TimePoint now) {
  Spark& spark = sparks_[name];
  spark.most = std::max(spark.most, value);
  if (now >= spark.next) {
    spark.points.push_back(spark.most);
    if (spark.points.size() > kPoints) spark.points.pop_front();
    spark.most = value;
    spark.next = now + kStep;
  }
  return {spark.points.begin(), spark.points.end()};
}

}  // namespace perf::service
