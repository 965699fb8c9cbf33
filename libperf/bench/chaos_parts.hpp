// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/bench/cache_chaos.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/cache/time_source.hpp"

namespace perf::bench {

/// How old a read of another process may be.
inline constexpr Duration kCoherence = std::chrono::milliseconds(250);
inline constexpr Duration kChaosPatience = std::chrono::seconds(10);

/// A value that says which version of the source it is.
std::string VersionText(std::uint64_t version);
/// 0 for what is none.
std::uint64_t VersionOf(std::string_view bytes) noexcept;
/// Of an answer: 0 where nothing was found.
std::uint64_t VersionOf(const cache::Answer& answer) noexcept;

/// One process of many, as far as a cache can tell: its own cache and its own way to the server.
struct ChaosNode {
  std::shared_ptr<cache::SecondTier> tier;
  std::unique_ptr<cache::Cache> cache;

  /// Waits until its invalidations arrive. Throws: UnreachableError where they do not.
  ChaosNode(std::shared_ptr<cache::SecondTier> the_tier, cache::CacheOptions options);
  cache::Answer Read(const std::string& key, const std::atomic<std::uint64_t>& source,
                     const cache::EntryOptions* entry = nullptr);
};
/// Options of a node whose second tier is waited for.
cache::CacheOptions PatientOptions(const std::string& name);

/// What one case came to.
struct StaleCount {
  std::atomic<std::uint64_t> iterations, reads, in_process, across, in_tier, failed, pending;
  /// Counts an answer to a read that had to give `version` at least.
  void Judge(const cache::Answer& answer, std::uint64_t version,
             std::atomic<std::uint64_t>& stale) noexcept;
};
/// The row of a case and its checks.
void ReportStale(const std::string& name, const StaleCount& count, Json extra, Findings& findings);

/// Real clocks that step when asked to.
class SteppedTime final : public cache::TimeSource {
 public:
  TimePoint Now() const noexcept override;
  std::int64_t WallMicros() const noexcept override;
  void Advance(Duration by) noexcept { ahead_ += by.count(); }
  void StepWall(Duration to) noexcept { wall_ = to.count() / 1000; }

 private:
  std::atomic<std::int64_t> ahead_{0}, wall_{0};
};

void ChaosRaces(bool tags, const CacheChaosOptions& options, const TierServer& server,
                const Context& context, Findings& findings);
void ChaosTrackingLost(const CacheChaosOptions& options, const TierServer& server,
                       const Context& context, Findings& findings);
void ChaosClockBack(const CacheChaosOptions& options, const TierServer& server,
                    const Context& context, Findings& findings);
void ChaosL2Kill(const std::string& way, const CacheChaosOptions& options, TierServer& server,
                 const Context& context, Findings& findings);

}  // namespace perf::bench
