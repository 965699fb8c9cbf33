// SPDX-License-Identifier: Apache-2.0
// Writes a history as fast as it can, in virtual time, and says what was acknowledged, for
// scripts/stress/history, which kills it:
//   history_writer PATH write SEED    one line "ack SECONDS" for each slot that is on disk
//   history_writer PATH dump FROM     the probe's cells from then on: "cell SECONDS VALUE", "state
//   S" history_writer PATH fill SERIES DAYS   for measuring: writes so many days, prints what it
//   cost
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "libperf/base/cpu_time.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/monitor/history/history.hpp"
#include "libperf/monitor/history/reader.hpp"
#include "series_maker.hpp"

namespace perf::monitor {
namespace {

constexpr const char* kProbe = "perfkit_system_probe";
constexpr auto kPatience = std::chrono::seconds(60);

void Say(const std::string& line) {
  // Written at once: what stands in a buffer dies with us.
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::exit(1);
}

/// `series` series: of ten 2 histograms, 4 counters, 4 gauges; as live ones move.
class World {
 public:
  World(std::uint64_t seed, int series) : random_(seed), series_(series) {
    totals_.resize(static_cast<std::size_t>(series));
    gauges_.resize(static_cast<std::size_t>(series), 50);
    histograms_.resize(static_cast<std::size_t>(series));
    for (auto& one : histograms_) {
      one.buckets = metrics::kSeconds;
      one.counts.resize(one.buckets.Bounds() + 1);
    }
  }

  metrics::MetricsSnapshot At(std::int64_t now) {
    auto probe = test::Family(kProbe, metrics::Type::kGauge);
    probe.samples.push_back(test::Sample({}, static_cast<double>(now - now % 30)));
    auto gauge = test::Family("perfkit_system_level", metrics::Type::kGauge);
    auto counter = test::Family("perfkit_work_total", metrics::Type::kCounter);
    auto histogram = test::Family("perfkit_work_seconds", metrics::Type::kHistogram, "seconds");
    for (int i = 0; i < series_; ++i) {
      const metrics::Labels labels{{"n", fmt::format("{}", i)}};
      const auto at = static_cast<std::size_t>(i);
      if (i % 10 < 2) {
        for (int k = 0; k < 20; ++k) {
          const std::int64_t bucket = 30 + static_cast<std::int64_t>(3 * random_.Normal());
          ++histograms_[at].counts[static_cast<std::size_t>(std::max<std::int64_t>(bucket, 0))];
          histograms_[at].sum += 0.01;
        }
        histogram.samples.push_back(test::Sample(labels, histograms_[at]));
      } else if (i % 10 < 6) {
        totals_[at] += static_cast<double>(random_.Int(0, 500));
        counter.samples.push_back(test::Sample(labels, totals_[at]));
      } else {
        gauges_[at] += random_.Normal();
        gauge.samples.push_back(test::Sample(labels, gauges_[at]));
      }
    }
    return test::Snapshot({probe, gauge, counter, histogram});
  }

 private:
  Random random_;
  int series_;
  std::vector<double> totals_, gauges_;
  std::vector<metrics::HistogramSnapshot> histograms_;
};

Deadline Soon() { return Deadline::After(Clock::now(), kPatience); }

int Write(const HistoryOptions& options, std::uint64_t seed) {
  History history(options);
  const auto newest = HistoryReader(options.path).Newest();
  World world(seed, 40);
  for (std::int64_t now = newest ? ToSeconds(*newest) + 30 : test::kStart;; now += 30) {
    history.Record(world.At(now), FromSeconds(now));
    history.PutState("alerts", fmt::format("{}", now));
    if (!history.Flush(Soon()) || history.Figures().write_failures != 0) {
      Say(fmt::format("failed {}\n", history.Figures().last_error));
      return 1;
    }
    Say(fmt::format("ack {}\n", now));
  }
}

int Dump(const HistoryOptions& options, std::int64_t from) {
  const HistoryReader reader(options.path);
  HistoryQuery query;
  query.metric = kProbe;
  query.from = FromSeconds(from);
  query.to = reader.Newest().value_or(query.from) + std::chrono::seconds(1);
  query.step = std::chrono::seconds(30);
  query.max_points = 100000;
  const HistoryAnswer answer = reader.Query(query);
  std::string out = fmt::format("tier {} {}\n", answer.tier, answer.step.count());
  for (const HistoryLine& line : answer.lines) {
    for (const HistoryPoint& point : line.points) {
      out += fmt::format("cell {} {:.0f}\n", ToSeconds(point.start), point.value);
    }
  }
  Say(out + fmt::format("state {}\n", reader.State("alerts").value_or("")));
  return 0;
}

int Fill(const HistoryOptions& options, int series, std::int64_t days) {
  World world(1, series - 1);  // and the probe
  const auto begun = Clock::now();
  std::int64_t last = test::kStart;
  {
    History history(options);
    if (const auto newest = HistoryReader(options.path).Newest()) last = ToSeconds(*newest) + 30;
    for (; last < test::kStart + days * 86400; last += 30) {
      history.Record(world.At(last), FromSeconds(last));
      if (last % 600 == 0 && !history.Flush(Soon())) return 1;
    }
    if (!history.Flush(Soon())) return 1;
    const auto figures = history.Figures();
    Say(fmt::format(
        "size {} bytes, {} series, {} failures, {} snapshots dropped, {:.1f} s wall, "
        "{:.1f} s cpu\n",
        figures.size_bytes, figures.stored_series, figures.write_failures,
        figures.dropped_snapshots, ToMs(Clock::now() - begun) / 1e3, ToMs(ProcessCpu()) / 1e3));
  }
  const HistoryReader reader(options.path);
  for (const auto& [metric, aggregate] : {std::pair{"perfkit_system_level", "avg"},
                                          {"perfkit_work_total", "rate"},
                                          {"perfkit_work_seconds", "p99"}}) {
    for (const std::int64_t hours : {24, 24 * 7, 24 * 90}) {
      HistoryQuery query;
      query.metric = metric;
      query.labels = {{"n", metric == std::string_view("perfkit_system_level") ? "6"
                            : metric == std::string_view("perfkit_work_total") ? "2"
                                                                               : "0"}};
      query.to = FromSeconds(last);
      query.from = query.to - std::chrono::hours(hours);
      query.aggregate = ParseAggregate(aggregate);
      double best = 1e9;
      HistoryAnswer answer;
      for (int i = 0; i < 5; ++i) {
        const auto start = Clock::now();
        answer = reader.Query(query);
        best = std::min(best, ToMs(Clock::now() - start));
      }
      Say(fmt::format("query {} {} {} h: {:.2f} ms, {} points of {} s from tier {}\n", metric,
                      aggregate, hours, best,
                      answer.lines.empty() ? 0 : answer.lines.front().points.size(),
                      answer.step.count(), answer.tier));
    }
  }
  return 0;
}

int Main(int count, char** words) {
  if (count < 4) return 64;
  HistoryOptions options;
  options.path = words[1];
  const std::string_view verb = words[2];
  const auto number = static_cast<std::int64_t>(std::strtoll(words[3], nullptr, 10));
  if (verb == "write") return Write(options, static_cast<std::uint64_t>(number));
  if (verb == "dump") return Dump(options, number);
  if (verb == "fill" && count > 4) {
    return Fill(options, static_cast<int>(number), std::strtoll(words[4], nullptr, 10));
  }
  return 64;
}

}  // namespace
}  // namespace perf::monitor

int main(int count, char** words) {
  try {
    return perf::monitor::Main(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "history_writer: %s\n", error.what());
    return 70;
  }
}
