// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_chaos.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/chaos_parts.hpp"

namespace perf::bench {

std::string VersionText(std::uint64_t version) { return fmt::format("version {}", version); }

std::uint64_t VersionOf(std::string_view bytes) noexcept {
  constexpr std::string_view kHead = "version ";
  std::uint64_t version = 0;
  if (!bytes.starts_with(kHead)) return 0;
  std::from_chars(bytes.data() + kHead.size(), bytes.data() + bytes.size(), version);
  return version;
}

std::uint64_t VersionOf(const cache::Answer& answer) noexcept {
  return answer.Found() ? VersionOf(answer.value.Bytes()) : 0;
}

ChaosNode::ChaosNode(std::shared_ptr<cache::SecondTier> the_tier, cache::CacheOptions options)
    : tier(std::move(the_tier)), cache(std::make_unique<cache::Cache>(std::move(options), tier)) {
  if (!AwaitCoherent(*tier, Deadline::After(Clock::now(), kChaosPatience))) {
    throw UnreachableError("the second tier does not tell of changes");
  }
}

cache::Answer ChaosNode::Read(const std::string& key, const std::atomic<std::uint64_t>& source,
                              const cache::EntryOptions* entry) {
  const cache::Loader loader = [&source] { return cache::Loaded{VersionText(source.load()), {}}; };
  return cache->GetOrSet(key, loader, Deadline::After(Clock::now(), kChaosPatience), entry);
}

cache::CacheOptions PatientOptions(const std::string& name) {
  cache::CacheOptions options;
  options.name = name;
  options.max_entries = 100'000;
  options.tier.soft_timeout = options.tier.hard_timeout = kChaosPatience;
  return options;
}

void StaleCount::Judge(const cache::Answer& answer, std::uint64_t version,
                       std::atomic<std::uint64_t>& stale) noexcept {
  ++reads;
  if (!answer.Found()) {
    ++failed;
  } else if (VersionOf(answer) < version) {
    ++stale;
  }
}

void ReportStale(const std::string& name, const StaleCount& count, Json extra, Findings& findings) {
  Json row = Json::MakeObject();
  row["case"] = name;
  row["iterations"] = count.iterations.load();
  row["reads"] = count.reads.load();
  const std::uint64_t stale = count.in_process + count.across + count.in_tier;
  row["stale_reads"] = stale;
  row["stale_in_process"] = count.in_process.load();
  row["stale_across"] = count.across.load();
  row["stale_in_tier"] = count.in_tier.load();
  row["failed"] = count.failed.load();
  row["pending"] = count.pending.load();
  if (extra.IsObject()) {
    for (auto& [field, value] : extra.AsObject()) row[field] = std::move(value);
  }
  findings.AddRow(std::move(row));
  findings.Never(name + ": stale reads", stale, count.reads);
  findings.Never(name + ": reads without a value", count.failed, count.reads);
}

TimePoint SteppedTime::Now() const noexcept { return Clock::now() + Duration(ahead_.load()); }

std::int64_t SteppedTime::WallMicros() const noexcept {
  return cache::TimeSource::WallMicros() + wall_.load();
}

const std::vector<std::string>& ChaosCases() {
  static const std::vector<std::string> cases{"tag-vs-load", "remove-vs-load", "tracking-lost",
                                              "clock-back", "l2-kill"};
  return cases;
}

load::Result CacheChaos(const CacheChaosOptions& options, const Context& context) {
  const std::vector<std::string>& wanted = options.cases.empty() ? ChaosCases() : options.cases;
  for (const std::string& name : wanted) {
    if (std::find(ChaosCases().begin(), ChaosCases().end(), name) != ChaosCases().end()) continue;
    const std::vector<std::string_view> known(ChaosCases().begin(), ChaosCases().end());
    const std::string_view meant = Suggest(name, known);
    throw UsageError(fmt::format("--case {}: there is no such case{}", Excerpt(name, 40),
                                 meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  }
  for (const std::string& way : options.ways) {
    if (way == "kill" || way == "stop") continue;
    throw UsageError(fmt::format("--way {}: kill or stop", Excerpt(way, 40)));
  }
  Findings findings("cachebench", "chaos", context.seed);
  TierServer server(options.server);
  if (!server.IsPrivate() && std::find(wanted.begin(), wanted.end(), "l2-kill") != wanted.end()) {
    throw UsageError("chaos --case l2-kill needs a private Redis");
  }
  for (const std::string& name : wanted) {
    if (context.Stopped()) break;
    context.Phase(name);
    if (name == "tag-vs-load" || name == "remove-vs-load") {
      ChaosRaces(name == "tag-vs-load", options, server, context, findings);
    } else if (name == "tracking-lost") {
      ChaosTrackingLost(options, server, context, findings);
    } else if (name == "clock-back") {
      ChaosClockBack(options, server, context, findings);
    } else {
      for (const std::string& way : options.ways) {
        ChaosL2Kill(way, options, server, context, findings);
      }
    }
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
