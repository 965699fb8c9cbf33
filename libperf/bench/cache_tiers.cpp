// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_tiers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/stats/histogram.hpp"
#include "libperf/stats/summary.hpp"

namespace perf::bench {
namespace {

constexpr std::uint64_t kFewer = 20;  // of a run without a cache
constexpr double kSaved = 0.999;
constexpr Duration kPatience = std::chrono::seconds(30);

class Mode {
 public:
  Mode(const std::string& name, const CacheTiersOptions& options, const TierServer& server,
       const Context& context)
      : name_(name), options_(options), context_(context), loaded_(options.guests) {
    if (name == "none") return;
    cache::CacheOptions cache;
    cache.name = name;
    cache.policy = options.policy;
    cache.max_entries = name == "tier" ? 0 : options.memory_entries;
    cache.max_bytes = name == "tier" ? 0 : cache.max_bytes;
    cache.entry.ttl = options.ttl;
    if (name != "memory") tier_ = server.Tier(name);
    cache_ = std::make_unique<cache::Cache>(cache, tier_);
    if (tier_ && !AwaitCoherent(*tier_, Deadline::After(Clock::now(), kPatience))) {
      throw UnreachableError("the second tier does not get ready");
    }
  }

  void Run(Findings& findings) {
    const std::uint64_t lookups =
        cache_ ? options_.lookups : std::max<std::uint64_t>(options_.lookups / kFewer, 1);
    const TimePoint start = Clock::now();
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < options_.concurrency; ++i) {
        const std::uint64_t share =
            lookups * (i + 1) / options_.concurrency - lookups * i / options_.concurrency;
        threads.emplace_back([this, i, share] { LookUp(i, share); });
      }
    }
    Report(ToMs(Clock::now() - start) / 1000, findings);
  }

 private:
  struct Guest {
    std::atomic<std::uint32_t> loads{0};
  };

  void LookUp(std::size_t thread, std::uint64_t count) {
    Random random = Random(context_.seed).Fork(thread);
    const Zipf guests(static_cast<std::int64_t>(options_.guests), options_.zipf);
    stats::Histogram times({1, 60'000'000, 3});
    std::uint64_t done = 0, known = 0, failed = 0;
    for (; done < count && !context_.Stopped(); ++done) {
      const auto guest = static_cast<std::uint64_t>(guests.Draw(random)) - 1;
      known += loaded_[guest].loads.load(std::memory_order_relaxed) > 0;
      const TimePoint start = Clock::now();
      failed += !One(guest);
      times.Record((Clock::now() - start).count() / 1000);
    }
    const std::lock_guard lock(mutex_);
    times_.Merge(times);
    done_ += done;
    known_ += known;
    failed_ += failed;
  }

  bool One(std::uint64_t guest) {
    const cache::Loader source = [this, guest] {
      const bool again = loaded_[guest].loads.fetch_add(1, std::memory_order_relaxed) > 0;
      ++source_calls_;
      repeated_ += again;
      std::this_thread::sleep_for(options_.source);
      return cache::Loaded{fmt::format("{{\"guest\":{},\"lang\":\"en\"}}", guest), {}};
    };
    if (!cache_) return source().bytes.has_value();
    return cache_
        ->GetOrSet(fmt::format("guest:{}", guest), source, Deadline::After(Clock::now(), kPatience))
        .Found();
  }

  void Report(double seconds, Findings& findings) {
    const cache::CacheStats stats = cache_ ? cache_->Stats() : cache::CacheStats{};
    const auto share = [](std::uint64_t part, std::uint64_t whole) {
      return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
    };
    const double saved = known_ > 0 ? 1 - share(repeated_, known_) : 0;
    const stats::Summary times = stats::Summarize(times_);
    Json row = Json::MakeObject();
    row["tiers"] = name_;
    row["lookups"] = done_;
    row["source_calls"] = source_calls_.load();
    row["known_lookups"] = known_;
    row["repeated_source_calls"] = repeated_.load();
    row["saved"] = saved;
    row["memory_hit_ratio"] = share(stats.memory_hits, stats.memory_hits + stats.memory_misses);
    row["tier_hit_ratio"] = share(stats.tier_hits, stats.tier_hits + stats.tier_misses);
    row["tier_errors"] = stats.tier_errors;
    row["mean_ms"] = times.mean;
    row["p50_ms"] = times.p50;
    row["p99_ms"] = times.p99;
    row["lookups_per_s"] = seconds > 0 ? static_cast<double>(done_) / seconds : 0.0;
    row["failed"] = failed_;
    row["concurrency"] = std::uint64_t{options_.concurrency};
    findings.AddRow(std::move(row));
    if (context_.Stopped()) return;
    findings.Never(name_ + ": look-ups that failed", failed_, done_);
    if (name_ == "both") {
      findings.AtLeast("both: source calls saved of keys that were loaded before", saved, kSaved,
                       "fraction", known_);
    }
  }

  const std::string name_;
  const CacheTiersOptions& options_;
  const Context& context_;
  std::deque<Guest> loaded_;
  std::shared_ptr<cache::SecondTier> tier_;
  std::atomic<std::uint64_t> source_calls_{0}, repeated_{0};
  std::mutex mutex_;
  stats::Histogram times_{stats::HistogramConfig{1, 60'000'000, 3}};
  std::uint64_t done_ = 0, known_ = 0, failed_ = 0;
  std::unique_ptr<cache::Cache> cache_;  // last: its loads use what stands above
};

}  // namespace

load::Result CacheTiers(const CacheTiersOptions& options, const Context& context) {
  for (const std::string& mode : options.modes) {
    constexpr std::string_view kKnown[] = {"both", "memory", "tier", "none"};
    if (std::find(std::begin(kKnown), std::end(kKnown), mode) != std::end(kKnown)) continue;
    throw UsageError(fmt::format("--tiers {}: of both, memory, tier and none", mode));
  }
  Findings findings("cachebench", "tiers", context.seed);
  const TierServer server(options.server);
  for (const std::string& mode : options.modes) {
    if (context.Stopped()) break;
    context.Phase(fmt::format("{} look-ups by {} threads, tiers: {}", options.lookups,
                              options.concurrency, mode));
    Mode(mode, options, server, context).Run(findings);
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
