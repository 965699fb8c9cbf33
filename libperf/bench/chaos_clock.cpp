// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/bench/chaos_parts.hpp"

namespace perf::bench {
namespace {

constexpr std::uint64_t kBatch = 1024;

/// Two nodes whose wall clocks jump by up to an hour, back and forth, while they write in turns.
class Clocks {
 public:
  Clocks(const CacheChaosOptions& options, const TierServer& server, const Context& context)
      : iterations_(options.iterations),
        context_(context),
        random_(context.seed),
        nodes_{Node(server, times_[0]), Node(server, times_[1])},
        bare_(server.Tier("clock"), Bare()) {}

  void Run(Findings& findings) {
    for (std::uint64_t first = 0; first < iterations_ && !context_.Stopped(); first += kBatch) {
      Batch(first, std::min(kBatch, iterations_ - first));
    }
    Json extra = Json::MakeObject();
    extra["outlived"] = outlived_;
    ReportStale("clock-back", count_, std::move(extra), findings);
    findings.Never("clock-back: entries that outlived their TTL", outlived_, count_.iterations);
  }

 private:
  static ChaosNode Node(const TierServer& server, const SteppedTime& time) {
    cache::CacheOptions options = PatientOptions("clock");
    options.time = &time;
    return {server.Tier("clock"), std::move(options)};
  }
  static cache::CacheOptions Bare() {
    cache::CacheOptions options = PatientOptions("clock");
    options.max_entries = options.max_bytes = 0;
    return options;
  }
  static Deadline Soon() { return Deadline::After(Clock::now(), kChaosPatience); }
  static std::string KeyOf(std::uint64_t number) { return fmt::format("key-{}", number); }

  /// One key with its source.
  struct Subject {
    std::atomic<std::uint64_t> source{0};
    bool acknowledged = true;
  };

  void Batch(std::uint64_t first, std::uint64_t count) {
    std::deque<Subject> subjects(count);
    for (std::uint64_t i = 0; i < count; ++i) Iteration(first + i, subjects[i]);
    std::this_thread::sleep_for(kCoherence + std::chrono::milliseconds(5));
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::atomic<std::uint64_t>& source = subjects[i].source;
      if (!subjects[i].acknowledged) {
        ++count_.pending;
        continue;
      }
      const std::string key = KeyOf(first + i);
      const cache::Answer stored = bare_.cache->Get(key, Soon());
      if (stored.Found() && VersionOf(stored) < source) ++count_.in_tier;
      for (ChaosNode& node : nodes_) {
        count_.Judge(node.Read(key, source), source, count_.across);
      }
    }
  }

  /// Versions 1 to 3, each written by either node after either clock has stepped.
  void Iteration(std::uint64_t number, Subject& subject) {
    const std::string key = KeyOf(number);
    std::atomic<std::uint64_t>& source = subject.source;
    for (std::uint64_t version = 1; version <= 3; ++version) {
      const std::int64_t hour = 3600;
      times_[random_.Int(0, 1)].StepWall(std::chrono::seconds(random_.Int(-hour, hour)));
      ChaosNode& writer = nodes_[random_.Int(0, 1)];
      source = version;
      // A version that is only in the source comes by way of a removal.
      const cache::Written written = random_.Int(0, 2) == 0
                                         ? writer.cache->Remove(key, Soon())
                                         : writer.cache->Set(key, VersionText(version), Soon());
      // Which of two writes is the later one is not known from then on.
      if (written.tier != cache::Written::Tier::kWritten) subject.acknowledged = false;
      const cache::Answer answer = writer.Read(key, source);
      if (subject.acknowledged) count_.Judge(answer, version, count_.in_process);
    }
    Expire(key);
    ++count_.iterations;
  }

  /// What is in memory alone goes when its time is over, whatever the wall clock says.
  void Expire(const std::string& key) {
    const auto at = static_cast<std::size_t>(random_.Int(0, 1));
    cache::EntryOptions entry;
    entry.ttl = std::chrono::milliseconds(50);
    entry.second_tier = false;
    const std::string own = "own-" + key;
    nodes_[at].cache->Set(own, "short", Soon(), &entry);
    times_[at].StepWall(-std::chrono::hours(1));
    times_[at].Advance(std::chrono::milliseconds(51));
    if (nodes_[at].cache->Peek(own).Found()) ++outlived_;
  }

  std::uint64_t iterations_;
  const Context& context_;
  Random random_;
  StaleCount count_{};
  std::uint64_t outlived_ = 0;
  SteppedTime times_[2];
  ChaosNode nodes_[2];
  ChaosNode bare_;
};

}  // namespace

void ChaosClockBack(const CacheChaosOptions& options, const TierServer& server,
                    const Context& context, Findings& findings) {
  Clocks(options, server, context).Run(findings);
}

}  // namespace perf::bench
