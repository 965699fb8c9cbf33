// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_micro.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/slice_runner.hpp"
#include "libperf/bench/stub_subjects.hpp"
#include "libperf/bench/subject.hpp"

namespace perf::bench {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(250);
constexpr Duration kShortest = std::chrono::milliseconds(20);
constexpr Duration kWarmUp = std::chrono::milliseconds(50);
constexpr double kContendedRatio = 1.5;
constexpr double kFairShare = 0.5;
constexpr Duration kFairnessNeeds = std::chrono::seconds(10);

/// One implementation at one point.
struct Entry {
  std::string name;
  std::unique_ptr<Subject> subject;
  Tally tally;
  bool usable = true;
};

struct Point {
  std::size_t threads = 0;
  std::size_t pool = 0;
  Duration hold{};
  std::vector<Entry> entries;
};

/// Whom an implementation is measured against: barging pools with the plain mutex, fair ones with
/// the textbook's queue.
std::string PeerOf(const std::string& impl) {
  return impl == "strict" || impl == "fifo" ? "fifo" : "mutex";
}

struct Ratio {
  double median = 0, low = 0, high = 0;
  std::size_t rounds = 0;
};

double At(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

/// Round by round, since what disturbs the machine disturbs both of a round.
std::optional<Ratio> RatioOf(const Tally& mine, const Tally& peer) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(mine.rounds.size(), peer.rounds.size()); ++i) {
    const double its = peer.rounds[i].PerCpuSecond();
    if (its > 0) ratios.push_back(mine.rounds[i].PerCpuSecond() / its);
  }
  if (ratios.empty()) return std::nullopt;
  std::sort(ratios.begin(), ratios.end());
  return Ratio{At(ratios, 0.5), At(ratios, 0.1), At(ratios, 0.9), ratios.size()};
}

double MedianPerCpuSecond(const Tally& tally) {
  std::vector<double> rates;
  for (const Tally::Round& round : tally.rounds) rates.push_back(round.PerCpuSecond());
  if (rates.empty()) return 0;
  std::sort(rates.begin(), rates.end());
  return At(rates, 0.5);
}

double ThreadMinMax(const Tally& tally) {
  if (tally.by_thread.empty()) return 0;
  const auto [least, most] = std::minmax_element(tally.by_thread.begin(), tally.by_thread.end());
  return *most > 0 ? static_cast<double>(*least) / static_cast<double>(*most) : 0;
}

void Measure(Point& point, const MicroOptions& options, const Context& context) {
  SliceRunner runner(point.threads, options.stuck_after, context);
  SliceRunner::Wanted wanted;
  wanted.hold_rounds = SpendRounds(point.hold);
  wanted.length = kWarmUp;
  for (Entry& entry : point.entries) {
    entry.usable = runner.Run(*entry.subject, wanted, nullptr);
    if (!entry.usable) entry.tally.lost = 1;
  }
  wanted.length = std::clamp(options.length / 8, kShortest, kSlice);
  const auto rounds = static_cast<std::size_t>(
      std::max<Duration::rep>(1, (options.length + wanted.length / 2) / wanted.length));
  const auto wants_more = [&](const Entry& entry, std::size_t round) {
    if (!entry.usable) return false;
    return options.operations > 0 ? entry.tally.operations < options.operations : round < rounds;
  };
  for (std::size_t round = 0; !context.Stopped(); ++round) {
    bool more = false;
    for (std::size_t i = 0; i < point.entries.size(); ++i) {
      // Each comes first in turn.
      Entry& entry = point.entries[(i + round) % point.entries.size()];
      if (!wants_more(entry, round) || context.Stopped()) continue;
      if (options.operations > 0) wanted.operations = options.operations - entry.tally.operations;
      entry.usable = runner.Run(*entry.subject, wanted, &entry.tally);
      more = true;
    }
    if (!more) break;
  }
}

const Entry* Find(const Point& point, const std::string& name) {
  const auto found = std::find_if(point.entries.begin(), point.entries.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  return found == point.entries.end() ? nullptr : &*found;
}

std::optional<Ratio> RatioToPeer(const Point& point, const Entry& entry) {
  const Entry* peer = Find(point, PeerOf(entry.name));
  return peer == nullptr ? std::nullopt : RatioOf(entry.tally, peer->tally);
}

void AddRow(const Point& point, Entry& entry, Findings& findings) {
  const Tally& tally = entry.tally;
  const std::optional<Ratio> ratio = RatioToPeer(point, entry);
  Json row = Json::MakeObject();
  row["impl"] = entry.subject->Impl();
  row["threads"] = std::uint64_t{point.threads};
  row["pool"] = std::uint64_t{point.pool};
  row["hold_us"] = ToMs(point.hold) * 1000;
  row["fairness"] = entry.subject->Fairness();
  row["ops_per_cpu_s"] = MedianPerCpuSecond(tally);
  row["ratio"] = ratio ? Json(ratio->median) : Json();
  row["ratio_low"] = ratio ? Json(ratio->low) : Json();
  row["ratio_high"] = ratio ? Json(ratio->high) : Json();
  row["thread_min_max"] = ThreadMinMax(tally);
  row["overtaken_max"] = entry.subject->OvertakenMost();
  row["wait_p999_ms"] = static_cast<double>(tally.waits.ValueAtQuantile(0.999)) / 1e6;
  row["ops_per_s"] =
      tally.elapsed_s > 0 ? static_cast<double>(tally.operations) / tally.elapsed_s : 0;
  row["operations"] = tally.operations;
  row["rounds"] = std::uint64_t{tally.rounds.size()};
  row["lost_wakeups"] = tally.lost;
  row["failed"] = tally.failed;
  findings.AddRow(std::move(row));
}

/// What must hold at one point, of those implementations that are ours.
void Judge(const Point& point, const MicroOptions& options, Findings& findings) {
  const std::string where = fmt::format("{} threads, pool {}", point.threads, point.pool);
  for (const Entry& entry : point.entries) {
    const bool strict = entry.name == "strict";
    if (strict) {
      findings.Never(
          fmt::format("strict, {}, hold {} us: overtakes", where, ToMs(point.hold) * 1000),
          entry.subject->OvertakenMost(), entry.tally.operations);
    }
    if (!options.judge_speed || point.hold > Duration::zero()) continue;
    if (!strict && entry.name != "bounded") continue;
    const std::optional<Ratio> ratio = RatioToPeer(point, entry);
    if (!ratio) continue;
    const bool contended = point.threads > point.pool;
    findings.AtLeast(fmt::format("{}, {}: ratio to {}", entry.name, where, PeerOf(entry.name)),
                     ratio->median, contended && !strict ? kContendedRatio : 1, "", ratio->rounds);
    // Over a shorter time chance decides which thread runs.
    if (contended && !strict && options.length >= kFairnessNeeds) {
      findings.AtLeast(fmt::format("{}, {}: slowest/fastest thread", entry.name, where),
                       ThreadMinMax(entry.tally), kFairShare);
    }
  }
}

}  // namespace

load::Result PoolMicro(const MicroOptions& options, const Context& context) {
  return PoolMicro(options, context, MakeStubSubject);
}

load::Result PoolMicro(const MicroOptions& options, const Context& context,
                       const MakeSubject& make) {
  Findings findings("poolbench", "micro", context.seed);
  std::uint64_t lost = 0, failed = 0, operations = 0;
  for (const std::size_t pool : options.pools) {
    for (const std::size_t threads : options.threads) {
      for (const Duration hold : options.holds) {
        if (context.Stopped()) break;
        context.Phase(
            fmt::format("{} threads, pool {}, hold {} us", threads, pool, ToMs(hold) * 1000));
        Point point{threads, pool, hold, {}};
        for (const std::string& impl : options.impls) {
          point.entries.push_back({impl, make(impl, pool), {}, true});
        }
        Measure(point, options, context);
        for (Entry& entry : point.entries) {
          AddRow(point, entry, findings);
          lost += entry.tally.lost;
          failed += entry.tally.failed;
          operations += entry.tally.operations;
        }
        Judge(point, options, findings);
      }
    }
  }
  findings.Never("lost wakeups", lost, operations);
  findings.Never("acquires without a resource", failed, operations);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
