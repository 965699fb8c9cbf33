// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/history.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "../../support/scratch_dir.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/history/reader.hpp"
#include "series_maker.hpp"

namespace perf::monitor {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using test::kStart;

Deadline Soon() { return Deadline::After(Clock::now(), std::chrono::minutes(2)); }

/// What was seen, sample by sample: what every answer is held against.
struct Raw {
  std::int64_t at = 0;
  double gauge = 0;
  double growth = 0;   // of the counter, in the 30 s before
  double seconds = 0;  // 0: not known
  std::vector<std::uint64_t> counts;
  double sum = 0;
};

constexpr const char* kGauge = "perfkit_system_level";
constexpr const char* kCounter = "perfkit_system_work_total";
constexpr const char* kHistogram = "perfkit_system_work_seconds";

/// A gauge, a counter and a histogram every 30 s, with gaps and resets.
class Past {
 public:
  explicit Past(const HistoryOptions& options) : history_(options) {
    now_.buckets = metrics::kSeconds;
    now_.counts.resize(now_.buckets.Bounds() + 1);
  }

  void Until(std::int64_t end) {
    for (; at_ < end; at_ += 30) {
      // An outage of 20 minutes, a lost sample, and totals that begin anew.
      if ((at_ > kStart + 5000 && at_ < kStart + 6200) || at_ % 7770 == 0) continue;
      if (at_ % 5010 == 0) {
        total_ = 0;
        now_.counts.assign(now_.counts.size(), 0);
        now_.sum = 0;
      }
      Step();
    }
    REQUIRE(history_.Flush(Soon()));
    REQUIRE(history_.Figures().last_error == "");
    REQUIRE(history_.Figures().dropped_snapshots == 0);
  }

  const std::vector<Raw>& Samples() const { return raw_; }
  HistoryFigures Figures() const { return history_.Figures(); }

 private:
  void Step() {
    Raw raw;
    raw.at = at_;
    raw.gauge = random_.Normal();
    const auto grown = static_cast<double>(random_.Int(0, 1000));
    const bool anew = total_ == 0;
    total_ += grown;
    raw.counts.resize(now_.counts.size());
    for (int i = 0; i < 30; ++i) {
      const auto bucket = static_cast<std::size_t>(random_.Int(10, anew ? 20 : 60));
      ++raw.counts[bucket];
      ++now_.counts[bucket];
      now_.sum += 0.25;
      raw.sum += 0.25;
    }
    raw.growth = grown;
    const std::int64_t elapsed = raw_.empty() ? 0 : at_ - raw_.back().at;
    raw.seconds = elapsed > 90 ? 0 : static_cast<double>(elapsed);
    raw_.push_back(raw);
    auto gauge = test::Family(kGauge, metrics::Type::kGauge);
    gauge.samples = {test::Sample({{"host", "a"}}, raw.gauge)};
    auto counter = test::Family(kCounter, metrics::Type::kCounter);
    counter.samples = {test::Sample({{"host", "a"}}, total_)};
    auto histogram = test::Family(kHistogram, metrics::Type::kHistogram, "seconds");
    histogram.samples = {test::Sample({{"host", "a"}}, now_)};
    history_.Record(test::Snapshot({gauge, counter, histogram}), FromSeconds(at_));
    if (raw_.size() % 32 == 0) REQUIRE(history_.Flush(Soon()));
  }

  Random random_{11};
  std::int64_t at_ = kStart;
  double total_ = 0;
  metrics::HistogramSnapshot now_;
  std::vector<Raw> raw_;
  History history_;
};

std::map<std::int64_t, double> ByForce(const std::vector<Raw>& raw, const HistoryQuery& query,
                                       const HistoryAnswer& answer) {
  std::map<std::int64_t, std::vector<Raw>> stretches;
  const std::int64_t step = answer.step.count();
  for (const Raw& one : raw) {
    if (one.at < ToSeconds(answer.from) || one.at >= ToSeconds(answer.to)) continue;
    if (query.metric != kGauge && one.seconds == 0) continue;
    stretches[one.at - one.at % step].push_back(one);
  }
  std::map<std::int64_t, double> points;
  for (const auto& [at, of] : stretches) {
    double sum = 0, most = -INFINITY, least = INFINITY, time = 0;
    metrics::HistogramSnapshot all;
    all.buckets = metrics::kSeconds;
    all.counts.resize(of.front().counts.size());
    for (const Raw& one : of) {
      const double value = query.metric == kGauge ? one.gauge : one.growth / one.seconds;
      sum += query.metric == kGauge ? one.gauge : one.growth;
      most = std::max(most, value);
      least = std::min(least, value);
      time += one.seconds;
      for (std::size_t i = 0; i < all.counts.size(); ++i) all.counts[i] += one.counts[i];
    }
    const std::string agg = Name(query.aggregate);
    if (agg == "avg") points[at] = sum / static_cast<double>(of.size());
    if (agg == "min") points[at] = least;
    if (agg == "max") points[at] = most;
    if (agg == "sum") points[at] = sum;
    if (agg == "rate" && query.metric == kCounter) points[at] = sum / time;
    if (agg == "rate" && query.metric == kHistogram) {
      points[at] = static_cast<double>(all.Count()) / time;
    }
    if (agg.starts_with('p')) points[at] = all.Quantile(query.aggregate.quantile);
  }
  return points;
}

void Compare(const HistoryReader& reader, const std::vector<Raw>& raw, const HistoryQuery& query,
             const std::string& tier) {
  const HistoryAnswer answer = reader.Query(query);
  CAPTURE(query.metric);
  CAPTURE(Name(query.aggregate));
  CAPTURE(query.step.count());
  CHECK(answer.tier == tier);
  REQUIRE(answer.lines.size() == 1);
  const auto expected = ByForce(raw, query, answer);
  REQUIRE(answer.lines[0].points.size() == expected.size());
  CHECK(expected.size() > 1);
  std::size_t wrong = 0;
  auto one = expected.begin();
  for (const HistoryPoint& point : answer.lines[0].points) {
    const double most = 1e-12 * std::max(1.0, std::abs(one->second));
    if (ToSeconds(point.start) != one->first || !(std::abs(point.value - one->second) <= most)) {
      ++wrong;
    }
    ++one;
  }
  CHECK(wrong == 0);
}

TEST_CASE("history: what the tiers answer is what the samples say, also where tiers meet") {
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  options.keep_first = hours(3);
  options.keep_minutes = hours(9);
  Past past(options);
  const HistoryReader* reader = nullptr;
  std::unique_ptr<HistoryReader> holder;
  // In the middle of an hour, a quarter and a minute; at an hour's end; over a day's end.
  for (const std::int64_t until :
       {std::int64_t{2 * 3600 + 1890}, std::int64_t{13 * 3600}, std::int64_t{26 * 3600 + 450}}) {
    past.Until(kStart + until);
    if (reader == nullptr) {
      holder = std::make_unique<HistoryReader>(options.path);
      reader = holder.get();
    }
    const std::int64_t end = past.Samples().back().at + 30;
    const auto ask = [&](std::int64_t step, std::int64_t length, const char* tier) {
      HistoryQuery query;
      query.step = seconds(step);
      query.to = FromSeconds(end);
      query.from = FromSeconds(std::max(kStart, end - length));
      query.max_points = 5000;
      for (const auto& [metric, aggregates] : std::map<std::string, std::vector<const char*>>{
               {kGauge, {"avg", "min", "max"}},
               {kCounter, {"rate", "min", "max", "sum"}},
               {kHistogram, {"rate", "p50", "p99", "p99.9"}}}) {
        for (const char* aggregate : aggregates) {
          query.metric = metric;
          query.aggregate = ParseAggregate(aggregate);
          Compare(*reader, past.Samples(), query, tier);
        }
      }
    };
    ask(30, 2 * 3600, "system");
    ask(60, 8 * 3600, "1m");
    ask(300, 8 * 3600 + 17, "1m");
    ask(900, 26 * 3600, "15m");
    ask(3600, 26 * 3600, "15m");
  }
  CHECK(past.Figures().dropped_cells == 0);
}

TEST_CASE("history: the tier, the step and the number of points that an answer has") {
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  options.keep_first = hours(3);
  Past past(options);
  past.Until(kStart + 8 * 3600);
  const HistoryReader reader(options.path);
  HistoryQuery query;
  query.metric = kGauge;
  query.aggregate = ParseAggregate("avg");
  query.to = FromSeconds(kStart + 8 * 3600);
  query.from = query.to - hours(1);
  CHECK(reader.Query(query).tier == "system");
  CHECK(reader.Query(query).step == seconds(30));
  query.max_points = 10;
  CHECK(reader.Query(query).step == seconds(360));
  CHECK(reader.Query(query).tier == "1m");
  query.from += seconds(1);  // no longer on a border: still no more than ten
  const auto rounded = reader.Query(query);
  CHECK(rounded.lines[0].points.size() <= 10);
  CHECK(rounded.from <= query.from);
  CHECK(rounded.to >= query.to);
  query.max_points = 1000;
  query.from = query.to - hours(7);  // the first tier does not reach that far
  query.step = seconds(30);
  CHECK(reader.Query(query).tier == "1m");
  CHECK(reader.Query(query).step == seconds(60));
  query.metric = "perfkit_unknown";
  CHECK(reader.Query(query).lines.empty());
  query.metric = kGauge;
  query.labels = {{"host", "b"}};
  CHECK(reader.Query(query).lines.empty());
  query.labels = {{"host", "a"}};
  CHECK(reader.Query(query).lines.size() == 1);
  query.aggregate = ParseAggregate("rate");
  CHECK_THROWS_WITH_AS(reader.Query(query), doctest::Contains("is a gauge"), ConfigError);
  query.aggregate = ParseAggregate("p99");
  CHECK_THROWS_AS(reader.Query(query), ConfigError);
  query.aggregate = ParseAggregate("max");
  query.to = query.from;
  CHECK_THROWS_AS(reader.Query(query), ConfigError);
  CHECK_THROWS_AS(ParseAggregate("p101"), ConfigError);
  CHECK_THROWS_AS(ParseAggregate("median"), ConfigError);
  CHECK(Name(ParseAggregate("p99.9")) == "p99.9");
  CHECK(reader.Series().size() == 3);
  CHECK(reader.Newest() == FromSeconds(past.Samples().back().at));
}

TEST_CASE("history: application metrics at 60 s have no tier of a minute, but its age") {
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  options.keep_first = hours(1);
  options.keep_minutes = hours(10);
  metrics::Registry registry;
  History history(options, &registry);
  auto counter = test::Family("perfkit_work_total", metrics::Type::kCounter);
  for (std::int64_t at = kStart; at < kStart + 8 * 3600; at += 10) {
    const auto value = static_cast<double>(at - kStart);
    counter.samples = {test::Sample({{"n", "0"}}, value), test::Sample({{"n", "1"}}, 2 * value)};
    history.Record(test::Snapshot({counter}), FromSeconds(at));
    if (at % 600 == 0) REQUIRE(history.Flush(Soon()));
  }
  REQUIRE(history.Flush(Soon()));
  const HistoryReader reader(options.path);
  HistoryQuery query;
  query.metric = "perfkit_work_total";
  query.aggregate = ParseAggregate("rate");
  query.from = FromSeconds(kStart);
  query.to = query.from + hours(8);
  auto answer = reader.Query(query);
  CHECK(answer.tier == "app");
  CHECK(answer.step == seconds(60));
  REQUIRE(answer.lines.size() == 2);
  CHECK(answer.lines[0].points.size() == 8 * 60 - 1);
  query.merged = true;
  query.step = seconds(900);
  answer = reader.Query(query);
  CHECK(answer.tier == "15m");
  REQUIRE(answer.lines.size() == 1);
  REQUIRE(answer.lines[0].points.size() == 32);
  for (const auto& point : answer.lines[0].points) CHECK(point.value == 3);
  query.merged = false;
  query.max_lines = 1;
  answer = reader.Query(query);
  CHECK(answer.lines.size() == 1);
  CHECK(answer.left_off == 1);
  const Json json = ToJson(query, answer);
  CHECK(json.AtPointer("/series/0/labels/n")->AsString() == "0");
  CHECK(json.AtPointer("/series/0/points/0/1")->AsDouble() == 1);
  const std::string text = metrics::Expose(registry.Gather());
  CHECK(text.find("perfkit_history_rows{tier=\"app\"} 958") != std::string::npos);
  CHECK(text.find("perfkit_history_rows{tier=\"1m\"} 0") != std::string::npos);
  CHECK(text.find("perfkit_history_series{state=\"stored\"} 2") != std::string::npos);
  CHECK(text.find("perfkit_history_write_failures_total 0") != std::string::npos);
}

TEST_CASE("history: the limit of bytes drops the oldest, whatever its tier, and says so") {
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  options.max_bytes = 1 << 20;
  options.patterns = {"*"};
  options.system_patterns = {};
  History history(options);
  Random random(3);
  auto gauge = test::Family("perfkit_level", metrics::Type::kGauge);
  for (std::int64_t at = kStart; at < kStart + 8 * 3600; at += 60) {
    gauge.samples.clear();
    for (int i = 0; i < 200; ++i) {
      gauge.samples.push_back(test::Sample({{"n", std::to_string(i)}}, random.Normal()));
    }
    history.Record(test::Snapshot({gauge}), FromSeconds(at));
    if (at % 600 == 0) REQUIRE(history.Flush(Soon()));
  }
  REQUIRE(history.Flush(Soon()));
  const auto figures = history.Figures();
  CHECK(figures.last_error == "");
  CHECK(figures.size_bytes <= options.max_bytes);
  CHECK(figures.dropped_cells > 10000);
  const HistoryReader reader(options.path);
  HistoryQuery query;
  query.metric = "perfkit_level";
  query.labels = {{"n", "7"}};
  query.from = FromSeconds(kStart);
  query.to = query.from + hours(8);
  query.step = seconds(60);
  const auto all = reader.Query(query);  // of what is left of any tier
  REQUIRE_FALSE(all.lines[0].points.empty());
  query.from = query.to - std::chrono::minutes(30);
  const auto newest = reader.Query(query);
  CHECK(newest.tier == "app");
  REQUIRE(newest.lines[0].points.size() == 30);
  CHECK(newest.lines[0].points.back().start == query.to - seconds(60));
}

TEST_CASE("history: a value that is no number costs itself, not what came with it") {
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  History history(options);
  metrics::HistogramSnapshot odd;
  odd.buckets = metrics::kSeconds;
  odd.counts.resize(odd.buckets.Bounds() + 1);
  odd.sum = NAN;  // as a client has it that was once told to observe one
  for (int i = 0; i < 40; ++i) {
    ++odd.counts[12];
    auto gauge = test::Family(kGauge, metrics::Type::kGauge);
    const double infinite = i % 2 == 0 ? INFINITY : -INFINITY;
    gauge.samples = {test::Sample({{"n", "1"}}, i), test::Sample({{"n", "2"}}, infinite)};
    auto counter = test::Family(kCounter, metrics::Type::kCounter);
    counter.samples = {test::Sample({}, INFINITY)};
    auto histogram = test::Family(kHistogram, metrics::Type::kHistogram, "seconds");
    histogram.samples = {test::Sample({}, odd)};
    history.Record(test::Snapshot({gauge, counter, histogram}), FromSeconds(kStart + 30 * i));
  }
  REQUIRE(history.Flush(Soon()));
  CHECK(history.Figures().last_error == "");
  CHECK(history.Figures().dropped_snapshots == 0);
  HistoryQuery query;
  query.metric = kGauge;
  query.labels = {{"n", "1"}};
  query.from = FromSeconds(kStart);
  query.to = FromSeconds(kStart + 1200);
  query.step = seconds(60);
  const auto answer = HistoryReader(options.path).Query(query);
  REQUIRE(answer.lines.size() == 1);
  CHECK(answer.lines[0].points.size() == 20);
}

TEST_CASE("history: a clock that is set back, and one that was ahead") {
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  History history(options);
  auto gauge = test::Family(kGauge, metrics::Type::kGauge);
  const auto write = [&](std::int64_t from, std::int64_t to, double value) {
    for (std::int64_t at = from; at < to; at += 30) {
      gauge.samples = {test::Sample({}, value)};
      history.Record(test::Snapshot({gauge}), FromSeconds(at));
      if (at % 600 == 0) REQUIRE(history.Flush(Soon()));
    }
    REQUIRE(history.Flush(Soon()));
  };
  write(kStart, kStart + 3 * 3600, 1);
  write(kStart + 3600, kStart + 5 * 3600, 2);
  const HistoryReader reader(options.path);
  HistoryQuery query;
  query.metric = kGauge;
  query.from = FromSeconds(kStart);
  query.to = query.from + hours(5);
  for (const std::int64_t step : {30, 60, 900}) {
    query.step = seconds(step);
    const auto answer = reader.Query(query);
    REQUIRE(answer.lines[0].points.size() == static_cast<std::size_t>(5 * 3600 / step));
    for (const auto& point : answer.lines[0].points) {
      CHECK(point.value == (point.start < query.from + hours(1) ? 1 : 2));
    }
  }
  // A year ahead for some minutes: what is there now must not be too old all of a sudden.
  constexpr std::int64_t kYear = 365 * 86400;
  write(kStart + kYear, kStart + kYear + 600, 3);
  write(kStart + 5 * 3600, kStart + 7 * 3600, 4);
  query.step = seconds(30);
  CHECK(reader.Query(query).lines[0].points.size() == 5 * 120);
  // When it really is that late, it goes.
  write(kStart + kYear, kStart + kYear + 2 * 3600, 5);
  CHECK(reader.Query(query).lines[0].points.empty());
}

}  // namespace
}  // namespace perf::monitor
