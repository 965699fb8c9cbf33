// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/answer.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/monitor/history/selection.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostPoints = 100000;
constexpr std::size_t kMostLines = 1000;

struct Found {
  std::int64_t id = 0;
  metrics::Labels labels;
  metrics::Type type = metrics::Type::kGauge;
  std::string unit;
  Tier first = kAppTier;
  std::int64_t last = 0;
};

struct TierNow {
  std::int64_t step = 0;
  std::int64_t rolled = 0;
};
using TiersNow = std::array<TierNow, kTiers>;

/// What is asked for in whole steps of a tier.
struct Frame {
  Tier tier = kAppTier;
  std::int64_t step = 0, from = 0, to = 0;
};

std::vector<Found> FindSeries(Database& database, const HistoryQuery& query) {
  Statement series(database,
                   "SELECT id, labels, type, unit, first_tier, last FROM series "
                   "WHERE metric = ? ORDER BY labels");
  series.Bind(1, query.metric);
  std::vector<Found> found;
  while (series.Step()) {
    Found one;
    one.id = series.Int(0);
    one.labels = LabelsFromJson(series.Text(1));
    one.type = static_cast<metrics::Type>(series.Int(2));
    one.unit = series.Text(3);
    one.first = series.Int(4) == kSystemTier ? kSystemTier : kAppTier;
    one.last = series.Int(5);
    const bool wanted =
        std::all_of(query.labels.begin(), query.labels.end(), [&](const auto& label) {
          return std::find(one.labels.begin(), one.labels.end(), label) != one.labels.end();
        });
    if (wanted) found.push_back(std::move(one));
  }
  if (found.empty()) return found;
  // A metric that changed its type or its step is what it was last.
  const Found newest = *std::max_element(
      found.begin(), found.end(), [](const Found& a, const Found& b) { return a.last < b.last; });
  std::erase_if(found, [&](const Found& one) { return one.type != newest.type; });
  return found;
}

TiersNow ReadTiersNow(Database& database) {
  TiersNow tiers;
  Statement rows(database, "SELECT id, step, rolled FROM tiers");
  while (rows.Step()) {
    const std::int64_t id = rows.Int(0);
    if (id < 0 || id >= static_cast<std::int64_t>(kTiers)) continue;
    tiers[static_cast<std::size_t>(id)] = {std::max<std::int64_t>(rows.Int(1), 1), rows.Int(2)};
  }
  for (TierNow& tier : tiers) tier.step = std::max<std::int64_t>(tier.step, 1);
  return tiers;
}

std::vector<Tier> TiersOf(const TiersNow& tiers, Tier first) {
  std::vector<Tier> of{first};
  for (const Tier tier : {kMinutes, kQuarters}) {
    if (tiers[tier].step > tiers[first].step) of.push_back(tier);
  }
  return of;
}

Frame Choose(CellSource& source, const TiersNow& tiers, Tier first, const HistoryQuery& query) {
  const std::int64_t from = ToSeconds(query.from);
  const std::int64_t to = std::max(ToSeconds(query.to - std::chrono::nanoseconds(1)) + 1, from + 1);
  const auto points = static_cast<std::int64_t>(query.max_points);
  const std::int64_t wanted =
      std::max<std::int64_t>(query.step.count(), (to - from + points - 1) / points);
  const std::vector<Tier> of = TiersOf(tiers, first);
  std::size_t chosen = 0;
  while (chosen + 1 < of.size() && tiers[of[chosen + 1]].step <= wanted) ++chosen;
  const std::optional<std::int64_t> oldest = source.Oldest(of[chosen]);
  for (std::size_t i = chosen + 1; i < of.size() && oldest && *oldest > from; ++i) {
    // Older by more than rounding to its step makes it look.
    const auto older = source.Oldest(of[i]);
    if (older && *older + tiers[of[i]].step <= *oldest) {
      chosen = i;
      break;
    }
  }
  Frame frame;
  frame.tier = of[chosen];
  const std::int64_t least = tiers[frame.tier].step;
  frame.step = (wanted + least - 1) / least * least;
  // Rounding to whole steps may add one.
  for (frame.step = std::max(frame.step, least);; frame.step += least) {
    frame.from = Floor(from, frame.step);
    frame.to = Floor(to + frame.step - 1, frame.step);
    if ((frame.to - frame.from) / frame.step <= std::max<std::int64_t>(points, 2)) return frame;
  }
}

/// The points' cells of one series, by their start.
Cells Gather(CellSource& source, const TiersNow& tiers, const Found& one, const Frame& frame) {
  Cells cells;
  std::int64_t from = frame.from;
  std::vector<Tier> of = TiersOf(tiers, one.first);
  for (auto tier = of.rbegin(); tier != of.rend(); ++tier) {
    if (*tier != one.first && *tier > frame.tier) continue;
    const std::int64_t to = *tier == one.first ? frame.to : std::min(frame.to, tiers[*tier].rolled);
    source.Read(*tier, one.id, from, to, cells);
    from = std::max(from, to);
  }
  Cells points;
  for (const auto& [at, cell] : cells) {
    const auto [point, fresh] = points.emplace(Floor(at, frame.step), cell);
    if (!fresh) point->second.Merge(cell);
  }
  return points;
}

/// Series side by side: growths add up, in the same time.
void AddBeside(Cells& all, const Cells& one, metrics::Type type) {
  for (const auto& [at, cell] : one) {
    const auto [point, fresh] = all.emplace(at, cell);
    if (fresh) continue;
    Cell& sum = point->second;
    const double seconds = std::max(sum.seconds, cell.seconds);
    const double min = sum.min + cell.min;
    const double max = sum.max + cell.max;
    sum.Merge(cell);
    sum.seconds = seconds;
    if (type != metrics::Type::kCounter) continue;
    sum.min = min;  // bounds: the series need not be slowest at the same time
    sum.max = max;
  }
}

HistoryLine LineOf(metrics::Labels labels, const Cells& cells, metrics::Type type,
                   const Aggregate& aggregate) {
  HistoryLine line;
  line.labels = std::move(labels);
  for (const auto& [at, cell] : cells) {
    if (const auto value = ValueOf(cell, type, aggregate)) {
      line.points.push_back({FromSeconds(at), *value});
    }
  }
  return line;
}

void CheckLimits(const HistoryQuery& query) {
  if (query.to <= query.from) throw ConfigError("history: 'to' is not after 'from'");
  if (query.from.time_since_epoch().count() < 0) {
    throw ConfigError("history: 'from' lies before 1970");
  }
  if (query.step.count() < 0) throw ConfigError("history: a negative 'step'");
  if (query.max_points < 1 || query.max_points > kMostPoints) {
    throw ConfigError(
        fmt::format("history: {} points are not within 1 and {}", query.max_points, kMostPoints));
  }
  if (query.max_lines < 1 || query.max_lines > kMostLines) {
    throw ConfigError(
        fmt::format("history: {} lines are not within 1 and {}", query.max_lines, kMostLines));
  }
}

}  // namespace

std::optional<double> ValueOf(const Cell& cell, metrics::Type type, const Aggregate& aggregate) {
  using Kind = Aggregate::Kind;
  const bool gauge = type == metrics::Type::kGauge;
  const bool histogram = type == metrics::Type::kHistogram;
  const std::uint64_t observations = cell.Observations();
  const double growth = histogram ? static_cast<double>(observations) : cell.sum;
  const bool rate = aggregate.kind == Kind::kRate || (aggregate.kind == Kind::kAvg && !histogram);
  if (cell.count == 0) return std::nullopt;
  if (aggregate.kind == Kind::kSum) return growth;
  if (gauge && aggregate.kind == Kind::kAvg) return cell.sum / static_cast<double>(cell.count);
  if (rate) {
    if (cell.seconds <= 0) return std::nullopt;
    return growth / cell.seconds;
  }
  if (histogram && observations == 0) return std::nullopt;
  switch (aggregate.kind) {
    case Kind::kAvg: return cell.sum / static_cast<double>(observations);
    case Kind::kMin: return cell.min;
    case Kind::kMax: return cell.max;
    case Kind::kQuantile: return cell.Quantile(aggregate.quantile);
    case Kind::kRate:
    case Kind::kSum: break;
  }
  return std::nullopt;
}

void CheckSuits(const Aggregate& aggregate, metrics::Type type, const std::string& metric) {
  using Kind = Aggregate::Kind;
  const bool grows = aggregate.kind == Kind::kRate || aggregate.kind == Kind::kSum;
  if (type == metrics::Type::kGauge && grows) {
    throw ConfigError(
        fmt::format("history: {} is a gauge, which has no {}: ask for avg, min or max", metric,
                    Name(aggregate)));
  }
  if (type != metrics::Type::kHistogram && aggregate.kind == Kind::kQuantile) {
    throw ConfigError(fmt::format("history: {} is a {}, and percentiles are of histograms only",
                                  metric, metrics::Name(type)));
  }
}

HistoryAnswer AnswerQuery(Database& database, const HistoryQuery& query) {
  CheckLimits(query);
  HistoryAnswer answer;
  answer.from = query.from;
  answer.to = query.to;
  answer.step = query.step;
  std::vector<Found> found = FindSeries(database, query);
  if (found.empty()) return answer;
  answer.type = found.front().type;
  answer.unit = found.front().unit;
  CheckSuits(query.aggregate, answer.type, query.metric);
  const TiersNow tiers = ReadTiersNow(database);
  // Lines of both steps, if ever: the longer is served by all.
  const Tier first = std::max_element(found.begin(), found.end(), [&](auto& a, auto& b) {
                       return tiers[a.first].step < tiers[b.first].step;
                     })->first;
  CellSource source(database);
  const Frame frame = Choose(source, tiers, first, query);
  answer.tier = kTierNames[frame.tier];
  answer.step = std::chrono::seconds(frame.step);
  answer.from = FromSeconds(frame.from);
  answer.to = FromSeconds(frame.to);
  Cells all;
  for (const Found& one : found) {
    if (query.merged) {
      AddBeside(all, Gather(source, tiers, one, frame), answer.type);
    } else if (answer.lines.size() == query.max_lines) {
      ++answer.left_off;
    } else {
      answer.lines.push_back(
          LineOf(one.labels, Gather(source, tiers, one, frame), answer.type, query.aggregate));
    }
  }
  if (query.merged) answer.lines.push_back(LineOf(query.labels, all, answer.type, query.aggregate));
  return answer;
}

}  // namespace perf::monitor
