// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/bench/chaos_parts.hpp"
#include "libperf/bench/crew.hpp"
#include "libperf/bench/redis_shell.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kReaders = 16;  // threads: a read may wait for a link that swallows
constexpr Duration kRecovery = std::chrono::seconds(15);

/// How the links are lost.
enum class Cut { kSubscribed, kCommands, kReset, kBlackhole };
constexpr Cut kCuts[] = {Cut::kSubscribed, Cut::kCommands, Cut::kReset, Cut::kBlackhole};
constexpr const char* kCutNames[] = {"subscribed", "commands", "reset", "blackhole"};

class Links {
 public:
  Links(const CacheChaosOptions& options, const TierServer& server, const Context& context)
      : context_(context),
        proxy_(ProxyOptions(server.Url())),
        shell_(server.Url()),
        crew_(kReaders),
        writer_(server.Tier("tracking"), PatientOptions("tracking")) {
    const std::string url = fmt::format("redis://127.0.0.1:{}", proxy_.Address().port);
    for (std::size_t i = 0; i < std::max<std::size_t>(options.caches, 1); ++i) {
      cache::CacheOptions each;
      each.name = "tracking";
      // What a cache does without its link is the point, not how long it waits for it.
      each.tier.soft_timeout = std::chrono::milliseconds(50);
      each.tier.hard_timeout = std::chrono::milliseconds(100);
      nodes_.push_back(std::make_unique<ChaosNode>(server.Tier("tracking", url), each));
    }
    rounds_ = std::max<std::uint64_t>(options.iterations / nodes_.size(), 1);
  }

  void Run(Findings& findings) {
    std::uint64_t rounds = 0;
    for (; rounds < rounds_ && not_back_ == 0 && !context_.Stopped(); ++rounds) {
      Round(rounds, kCuts[rounds % std::size(kCuts)]);
    }
    Json extra = Json::MakeObject();
    extra["caches"] = std::uint64_t{nodes_.size()};
    extra["rounds"] = rounds;
    extra["flushes"] = Flushes();
    extra["slowest_recovery_ms"] = slowest_ms_;
    for (std::size_t i = 0; i < std::size(kCuts); ++i) {
      extra[fmt::format("stale_{}", kCutNames[i])] = stale_by_[i].load();
    }
    ReportStale("tracking-lost", count_, std::move(extra), findings);
    findings.Never("tracking-lost: caches that did not recover", not_back_, rounds * nodes_.size());
  }

 private:
  static backends::FaultProxyOptions ProxyOptions(const std::string& url) {
    const backends::RedisConfig config = backends::ParseRedisUrl(url);
    backends::FaultProxyOptions options;
    if (config.url.scheme == "unix") {
      options.upstream.unix_socket = config.url.path;
    } else {
      options.upstream.host = config.url.host;
      options.upstream.port = config.url.port == 0 ? 6379 : config.url.port;
    }
    return options;
  }

  /// Each node once, some at the same time.
  template <typename Work>
  void All(Work work) {
    std::atomic<std::size_t> next{0};
    crew_.Start([&](std::size_t) {
      for (std::size_t i; (i = next++) < nodes_.size();) work(*nodes_[i]);
    });
    crew_.Await(Deadline::Never());  // each read has a deadline of its own
  }

  void Round(std::uint64_t number, Cut how) {
    const std::string key = fmt::format("round-{}", number);
    std::atomic<std::uint64_t> source{1};
    All([&](ChaosNode& node) {
      if (VersionOf(node.Read(key, source)) != 1) ++count_.failed;
    });
    Settle();
    Break(how);
    source = 2;
    Acknowledge(key);
    std::this_thread::sleep_for(kCoherence + std::chrono::milliseconds(5));
    All([&](ChaosNode& node) {
      const cache::Answer answer = node.Read(key, source);
      count_.Judge(answer, 2, count_.across);
      if (answer.Found() && VersionOf(answer) < 2) {
        Log(LogLevel::kInfo, "stale after a cut of {}, from {}",
            kCutNames[number % std::size(kCuts)], Name(answer.from));
        ++stale_by_[number % std::size(kCuts)];
      }
      ++count_.iterations;
    });
    Mend();
  }

  /// The writer's own link may have been cut: only what was acknowledged counts.
  void Acknowledge(const std::string& key) {
    const Deadline deadline = Deadline::After(Clock::now(), kChaosPatience);
    while (writer_.cache->Set(key, VersionText(2), deadline).tier !=
           cache::Written::Tier::kWritten) {
      ++count_.pending;
      if (deadline.Passed(Clock::now())) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  /// Until what was loaded is in the second tier: a node that is cut off before goes on with what
  /// it could not write, and knows no better.
  void Settle() {
    const TimePoint end = Clock::now() + kChaosPatience;
    for (const auto& node : nodes_) {
      while (node->cache->Stats().repair_pending > 0 && Clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }

  void Break(Cut how) {
    switch (how) {
      case Cut::kSubscribed:
        shell_.Do({"CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"});
        break;
      case Cut::kCommands: shell_.Do({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}); break;
      case Cut::kReset: proxy_.Strike(backends::Harm::kReset); break;
      case Cut::kBlackhole: {
        backends::Fault fault;
        fault.up.harm = fault.down.harm = backends::Harm::kBlackhole;
        proxy_.Set(fault);
        break;
      }
    }
  }

  void Mend() {
    proxy_.Clear();
    const TimePoint start = Clock::now();
    const Deadline deadline = Deadline::After(start, kRecovery);
    if (!AwaitCoherent(*writer_.tier, deadline)) ++not_back_;
    for (const auto& node : nodes_) {
      if (!AwaitCoherent(*node->tier, deadline)) ++not_back_;
    }
    slowest_ms_ = std::max(slowest_ms_, ToMs(Clock::now() - start));
  }

  std::uint64_t Flushes() const {
    std::uint64_t flushes = 0;
    for (const auto& node : nodes_) flushes += node->cache->Stats().flushes;
    return flushes;
  }

  const Context& context_;
  backends::FaultProxy proxy_;
  RedisShell shell_;
  Crew crew_;
  StaleCount count_{};
  std::uint64_t rounds_ = 0, not_back_ = 0;
  double slowest_ms_ = 0;
  std::atomic<std::uint64_t> stale_by_[std::size(kCuts)]{};
  ChaosNode writer_;
  std::vector<std::unique_ptr<ChaosNode>> nodes_;
};

}  // namespace

void ChaosTrackingLost(const CacheChaosOptions& options, const TierServer& server,
                       const Context& context, Findings& findings) {
  if (!server.IsPrivate()) {
    throw UsageError("chaos --case tracking-lost breaks links: it needs a private Redis");
  }
  Links(options, server, context).Run(findings);
}

}  // namespace perf::bench
