// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/pool_verbs.hpp"
#include "libperf/bench/stub_link.hpp"

namespace perf::bench {
namespace {

using backends::ConnectionPool;

constexpr Duration kPatience = std::chrono::seconds(60);
constexpr Duration kOpenSlack = std::chrono::milliseconds(50);
constexpr double kShortBurstMs = 25;
constexpr double kShortBurstConnections = 6;

/// One loop, one pool on it, and a burst of tasks that each borrow a connection for one "query".
class Burst {
 public:
  Burst(const SpikeOptions& options, std::uint64_t seed)
      : options_(options), pool_(loop_, Settings(options, seed), [this](Deadline deadline) {
          return Dial(deadline);
        }) {}
  ~Burst() {
    loop_.CancelAll();
    loop_.Drain(Deadline::After(Clock::now(), std::chrono::seconds(2)));
    pool_.CloseIdle();
  }

  void Run() {
    loop_.Spawn(Drive());
    loop_.Run();
  }

  double done_ms = 0;       // until the last request had its reply
  double all_open_ms = -1;  // until `max` were open; -1: they never were
  std::size_t open_at_end = 0, most_dialling = 0;
  std::uint64_t failed = 0;
  std::vector<double> latencies;

 private:
  static ConnectionPool::Options Settings(const SpikeOptions& options, std::uint64_t seed) {
    ConnectionPool::Options settings;
    settings.name = "spike";
    settings.limits.min = options.min;
    settings.limits.max = options.max;
    settings.limits.max_dials = options.dials;
    settings.acquire_timeout = kPatience;
    settings.connect_timeout = kPatience;
    settings.seed = seed;
    return settings;
  }

  Task<backends::Dialled<backends::Connection>> Dial(Deadline) {
    most_dialling = std::max(most_dialling, ++dialling_);
    auto dialled = co_await DialStub(loop_, options_.connect);
    --dialling_;
    if (++opened_ == options_.max) all_open_at_ = Clock::now();
    co_return dialled;
  }

  Task<void> Request() {
    auto acquired = co_await pool_.Borrow(begin_);
    if (acquired.failure) {
      ++failed;
    } else {
      co_await loop_.SleepUntil(Clock::now() + options_.query);
    }
    acquired.loan.Return();
    latencies.push_back(ToMs(Clock::now() - begin_));
    --left_;
  }

  /// Prefill, the burst, and then until no dial is under way.
  Task<void> Drive() {
    pool_.Prefill();
    while (pool_.Core().Now().idle < options_.min) {
      co_await loop_.SleepUntil(Clock::now() + std::chrono::milliseconds(1));
    }
    most_dialling = 0;  // of the burst
    begin_ = Clock::now();
    left_ = options_.burst;
    for (std::size_t i = 0; i < options_.burst; ++i) loop_.Spawn(Request());
    while (left_ > 0 || dialling_ > 0) {
      co_await loop_.SleepUntil(Clock::now() + std::chrono::microseconds(500));
    }
    done_ms = latencies.empty() ? 0 : *std::max_element(latencies.begin(), latencies.end());
    if (all_open_at_ != TimePoint{}) all_open_ms = ToMs(all_open_at_ - begin_);
    open_at_end = pool_.Core().Now().Total();
    loop_.Stop();
  }

  const SpikeOptions& options_;
  backends::EventLoop loop_;
  ConnectionPool pool_;
  std::size_t dialling_ = 0, opened_ = 0, left_ = 0;
  TimePoint begin_{}, all_open_at_{};
};

}  // namespace

load::Result PoolSpike(const SpikeOptions& options, const Context& context) {
  Findings findings("poolbench", "spike", context.seed);
  context.Phase(fmt::format("{} requests at once on {} connections", options.burst, options.min));
  Burst burst(options, context.seed);
  burst.Run();
  std::sort(burst.latencies.begin(), burst.latencies.end());
  // What it takes when nobody dials: the burst in turns on the connections that are there.
  const double turns = std::ceil(static_cast<double>(options.burst) /
                                 static_cast<double>(std::max<std::size_t>(1, options.min)));
  const double without_dials_ms = turns * ToMs(options.query);
  const double dial_rounds = std::ceil(static_cast<double>(options.max - options.min) /
                                       static_cast<double>(options.dials));
  const double opening_ms = dial_rounds * ToMs(options.connect) + ToMs(kOpenSlack);

  Json row = Json::MakeObject();
  row["connect_ms"] = ToMs(options.connect);
  row["query_ms"] = ToMs(options.query);
  row["min"] = std::uint64_t{options.min};
  row["max"] = std::uint64_t{options.max};
  row["burst"] = std::uint64_t{options.burst};
  row["dials"] = std::uint64_t{options.dials};
  row["done_ms"] = burst.done_ms;
  row["p50_ms"] = burst.latencies.empty() ? 0 : burst.latencies[burst.latencies.size() / 2];
  row["connections_at_end"] = std::uint64_t{burst.open_at_end};
  row["most_dialling"] = std::uint64_t{burst.most_dialling};
  row["all_open_ms"] = burst.all_open_ms < 0 ? Json() : Json(burst.all_open_ms);
  row["failed"] = burst.failed;
  findings.AddRow(std::move(row));

  findings.Never("requests that failed", burst.failed, options.burst);
  findings.AtMost("dials at the same time", static_cast<double>(burst.most_dialling),
                  static_cast<double>(options.dials));
  if (without_dials_ms < ToMs(options.connect)) {
    // Over before the first dial could help: whoever dials here dials too much.
    findings.AtMost("burst done after", burst.done_ms,
                    std::max(kShortBurstMs, 1.25 * without_dials_ms), "ms");
    findings.AtMost("connections at the end", static_cast<double>(burst.open_at_end),
                    std::max(kShortBurstConnections, static_cast<double>(options.min) + 1));
  } else if (options.burst >= options.max) {
    findings.AtMost("all connections open after",
                    burst.all_open_ms < 0 ? burst.done_ms : burst.all_open_ms, opening_ms, "ms");
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
