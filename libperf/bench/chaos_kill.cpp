// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/bench/chaos_parts.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kReaders = 4;
constexpr std::uint64_t kKeys = 5'000;
constexpr Duration kHardTimeout = std::chrono::milliseconds(100);
constexpr Duration kBefore = std::chrono::seconds(1);
constexpr Duration kAfter = std::chrono::seconds(2);
constexpr Duration kRecovery = std::chrono::seconds(20);
constexpr Duration kServerWork = std::chrono::seconds(20);

/// What the second tier is at a moment, as the front sees it.
enum class Phase : std::size_t { kWell, kUnnoticed, kOpen, kBack };
constexpr const char* kPhases[] = {"well", "before_breaker", "breaker_open", "recovered"};

class Outage {
 public:
  Outage(const std::string& way, const CacheChaosOptions& options, TierServer& server,
         const Context& context)
      : way_(way),
        options_(options),
        server_(server),
        context_(context),
        sources_(kKeys),
        acknowledged_(kKeys),
        node_(server.Tier("outage"), Options()) {
    for (auto& source : sources_) source = 1;
  }

  void Run(Findings& findings) {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kReaders; ++i) threads.emplace_back([this, i] { Read(i); });
    threads.emplace_back([this] { Write(); });
    Play();
    ending_ = true;
    threads.clear();
    const std::uint64_t older = Compare();
    Report(older, findings);
  }

 private:
  static cache::CacheOptions Options() {
    cache::CacheOptions options;
    options.name = "outage";
    options.max_entries = 1'000;
    options.tier.hard_timeout = kHardTimeout;
    return options;
  }
  static Deadline Soon() { return Deadline::After(Clock::now(), kChaosPatience); }
  static std::string KeyOf(std::uint64_t number) { return fmt::format("key-{}", number); }

  /// The timeline: well, down, back.
  void Play() {
    Wait(kBefore);
    phase_ = Phase::kUnnoticed;
    const TimePoint down = Clock::now();
    server_.Act(way_ == "stop" ? backends::ServerAction::kStop : backends::ServerAction::kKill,
                Soon());
    const TimePoint up = down + options_.down;
    while (node_.tier->Reachable() && Clock::now() < up && !context_.Stopped()) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (!node_.tier->Reachable()) {
      phase_ = Phase::kOpen;
      opened_ms_ = ToMs(Clock::now() - down);
    }
    Wait(up - Clock::now());
    const Deadline deadline = Deadline::After(Clock::now(), kServerWork);
    server_.Act(
        way_ == "stop" ? backends::ServerAction::kContinue : backends::ServerAction::kRestart,
        deadline);
    const TimePoint back = Clock::now();
    recovered_ = AwaitCoherent(*node_.tier, Deadline::After(back, kRecovery));
    recovered_ms_ = ToMs(Clock::now() - back);
    phase_ = Phase::kBack;
    Wait(kAfter);
  }

  void Wait(Duration length) const {
    const TimePoint end = Clock::now() + length;
    while (Clock::now() < end && !context_.Stopped()) {
      std::this_thread::sleep_for(std::min<Duration>(std::chrono::milliseconds(20), length));
    }
  }

  void Read(std::size_t number) {
    Random random = Random(context_.seed).Fork(number);
    const Zipf keys(kKeys, 1.0);
    std::array<stats::Histogram, std::size(kPhases)> times{Micros(), Micros(), Micros(), Micros()};
    std::uint64_t failed = 0, stale = 0;
    while (!ending_) {
      const auto key = static_cast<std::uint64_t>(keys.Draw(random)) - 1;
      const std::uint64_t version = acknowledged_[key].load();
      const TimePoint start = Clock::now();
      // Asked before: what begins while the link is still believed may wait for it.
      const auto phase = static_cast<std::size_t>(phase_.load());
      const cache::Answer answer = node_.Read(KeyOf(key), sources_[key]);
      times[phase].Record((Clock::now() - start).count() / 1000);
      failed += !answer.Found();
      stale += answer.Found() && VersionOf(answer) < version;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < times.size(); ++i) times_[i].Merge(times[i]);
    failed_ += failed;
    stale_ += stale;
  }
  static stats::Histogram Micros() { return stats::Histogram({1, 60'000'000, 3}); }

  /// Changes values all the time, so that an outage leaves something to repair. The only writer:
  /// what it has acknowledged is what everybody has to see.
  void Write() {
    Random random = Random(context_.seed).Fork(99);
    while (!ending_) {
      const auto key = static_cast<std::uint64_t>(random.Int(0, kKeys - 1));
      const std::uint64_t version = ++sources_[key];
      node_.cache->Set(KeyOf(key), VersionText(version), Soon());
      acknowledged_[key] = version;
      ++writes_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  /// How many keys have an older value in the second tier than in memory, once repairs are done.
  std::uint64_t Compare() {
    const TimePoint end = Clock::now() + kRecovery;
    while (node_.cache->Stats().repair_pending > 0 && Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    cache::CacheOptions options = PatientOptions("outage");
    options.max_entries = options.max_bytes = 0;
    ChaosNode bare(server_.Tier("outage"), options);
    std::uint64_t older = 0;
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      const cache::Answer stored = bare.cache->Get(KeyOf(key), Soon());
      const cache::Answer held = node_.cache->Peek(KeyOf(key));
      older += stored.Found() && held.Found() && VersionOf(stored) < VersionOf(held);
      // Older than the source: what left memory meanwhile was repaired, too.
      older += stored.Found() && !held.Found() && VersionOf(stored) < sources_[key];
    }
    return older;
  }

  void Report(std::uint64_t older, Findings& findings) {
    const cache::CacheStats stats = node_.cache->Stats();
    const std::string name = way_ == "kill" ? "l2-kill" : "l2-kill, " + way_;
    for (std::size_t i = 0; i < times_.size(); ++i) {
      Json row = Json::MakeObject();
      row["case"] = name;
      row["phase"] = kPhases[i];
      row["gets"] = times_[i].Count();
      row["p50_ms"] = P(i, 0.5);
      row["p99_ms"] = P(i, 0.99);
      row["max_ms"] = static_cast<double>(times_[i].Max()) / 1000;
      row["hard_timeout_ms"] = ToMs(kHardTimeout);
      row["breaker_opened_ms"] = opened_ms_ ? Json(*opened_ms_) : Json();
      row["recovered_ms"] = recovered_ ? Json(recovered_ms_) : Json();
      row["failed"] = failed_;
      row["stale_reads"] = stale_;
      row["writes"] = writes_.load();
      row["repaired"] = stats.repaired;
      row["older_in_tier"] = older;
      findings.AddRow(std::move(row));
    }
    if (context_.Stopped()) return;
    findings.AtMost(name + ": p99 of get before the breaker opens", P(1, 0.99),
                    ToMs(kHardTimeout) + 5, "ms", times_[1].Count());
    findings.AtMost(name + ": p99 of get while it is open", P(2, 0.99), 1, "ms", times_[2].Count());
    findings.Never(name + ": errors that reached the caller", failed_, Gets());
    findings.Never(name + ": stale reads", stale_, Gets());
    findings.Never(name + ": caches that did not recover", recovered_ ? 0 : 1);
    findings.Never(name + ": values in the second tier older than in memory", older, kKeys);
  }
  double P(std::size_t phase, double quantile) const {
    return static_cast<double>(times_[phase].ValueAtQuantile(quantile)) / 1000;
  }
  std::uint64_t Gets() const {
    std::uint64_t gets = 0;
    for (const stats::Histogram& times : times_) gets += times.Count();
    return gets;
  }

  const std::string way_;
  const CacheChaosOptions& options_;
  TierServer& server_;
  const Context& context_;
  std::deque<std::atomic<std::uint64_t>> sources_, acknowledged_;
  std::atomic<Phase> phase_{Phase::kWell};
  std::atomic<bool> ending_{false};
  std::atomic<std::uint64_t> writes_{0};
  std::mutex mutex_;
  std::array<stats::Histogram, std::size(kPhases)> times_{Micros(), Micros(), Micros(), Micros()};
  std::uint64_t failed_ = 0, stale_ = 0;
  std::optional<double> opened_ms_;
  double recovered_ms_ = 0;
  bool recovered_ = false;
  ChaosNode node_;
};

}  // namespace

void ChaosL2Kill(const std::string& way, const CacheChaosOptions& options, TierServer& server,
                 const Context& context, Findings& findings) {
  Outage(way, options, server, context).Run(findings);
}

}  // namespace perf::bench
