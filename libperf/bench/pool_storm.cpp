// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_storm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/herd.hpp"

namespace perf::bench {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);
constexpr double kMostInOnePercent = 0.15;

/// A connection that notes when it went.
class MortalLink final : public backends::Connection {
 public:
  explicit MortalLink(std::vector<TimePoint>& deaths) noexcept : deaths_(deaths) {}
  ~MortalLink() override { deaths_.push_back(Clock::now()); }
  bool Reusable() const noexcept override { return true; }
  bool Alive() noexcept override { return true; }

 private:
  std::vector<TimePoint>& deaths_;
};

/// The deaths of one generation of connections that were all opened together.
class Generation {
 public:
  Generation(const StormOptions& options, std::uint64_t seed)
      : options_(options),
        pool_(loop_, Settings(options, seed), [this](Deadline) { return Dial(); }) {
    deaths_.reserve(4 * options.conns);
  }
  ~Generation() {
    loop_.CancelAll();
    loop_.Drain(Deadline::After(Clock::now(), kPatience));
    pool_.CloseIdle();
  }
  void Run(const Context& context) {
    loop_.Spawn(Watch(context));
    loop_.Run();
  }
  const std::vector<TimePoint>& Deaths() const noexcept { return deaths_; }
  std::size_t MostDialling() const noexcept { return most_dialling_; }

 private:
  static backends::ConnectionPool::Options Settings(const StormOptions& options,
                                                    std::uint64_t seed) {
    backends::ConnectionPool::Options settings;
    settings.name = "storm";
    settings.limits.min = settings.limits.max = options.conns;
    settings.limits.max_dials = options.dials;
    settings.limits.max_lifetime = options.lifetime;
    settings.limits.lifetime_jitter = options.jitter;
    settings.seed = seed;
    return settings;
  }

  Task<backends::Dialled<backends::Connection>> Dial() {
    most_dialling_ = std::max(most_dialling_, ++dialling_);
    co_await loop_.SleepUntil(Clock::now() + std::chrono::milliseconds(1));
    --dialling_;
    backends::Dialled<backends::Connection> dialled;
    dialled.connection = std::make_unique<MortalLink>(deaths_);
    co_return dialled;
  }

  Task<void> Watch(const Context& context) {
    pool_.Prefill();
    const TimePoint end = Clock::now() + options_.lifetime + options_.lifetime / 10;
    while (deaths_.size() < options_.conns && Clock::now() < end && !context.Stopped()) {
      co_await loop_.SleepUntil(Clock::now() + std::chrono::milliseconds(20));
    }
    loop_.Stop();
  }

  const StormOptions& options_;
  std::vector<TimePoint> deaths_;  // before the pool, whose connections write into it
  backends::EventLoop loop_;
  backends::ConnectionPool pool_;
  std::size_t dialling_ = 0, most_dialling_ = 0;
};

/// The most of the first `count` that lie within `window`.
std::size_t MostWithin(std::vector<TimePoint> deaths, std::size_t count, Duration window) {
  std::sort(deaths.begin(), deaths.end());
  deaths.resize(std::min(count, deaths.size()));
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < deaths.size(); ++last) {
    while (deaths[last] - deaths[first] > window) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

void Lifetimes(const StormOptions& options, const Context& context, Findings& findings) {
  context.Phase(fmt::format("{} connections until the end of their lifetime of {} ms",
                            options.conns, ToMs(options.lifetime)));
  Generation generation(options, context.seed);
  generation.Run(context);
  const std::vector<TimePoint> deaths = generation.Deaths();
  const std::size_t most = MostWithin(deaths, options.conns, options.lifetime / 100);
  const double share = static_cast<double>(most) / static_cast<double>(options.conns);
  findings.AddRow({{"herd", "lifetime"},
                   {"conns", std::uint64_t{options.conns}},
                   {"dials", std::uint64_t{options.dials}},
                   {"most_dialling", std::uint64_t{generation.MostDialling()}},
                   {"lifetime_ms", ToMs(options.lifetime)},
                   {"jitter", options.jitter},
                   {"died", std::uint64_t{std::min(deaths.size(), options.conns)}},
                   {"most_in_one_percent", share}});
  findings.AtLeast("lifetime: connections that reached their end",
                   static_cast<double>(std::min(deaths.size(), options.conns)),
                   static_cast<double>(options.conns));
  // A jitter of 10 % spreads them over ten windows, less jitter over fewer. Of few connections one
  // more than the even share is more than that; another one may go late.
  const double windows = std::max(100 * options.jitter, 1.0);
  const double even = std::ceil(static_cast<double>(options.conns) / windows) + 2;
  const double limit = std::max(kMostInOnePercent * std::max(1.0, 10 / windows),
                                even / static_cast<double>(options.conns));
  findings.AtMost("lifetime: share that dies in one hundredth of it", share, std::min(1.0, limit),
                  "", deaths.size());
  findings.AtMost("lifetime: dials at the same time",
                  static_cast<double>(generation.MostDialling()),
                  static_cast<double>(options.dials));
}

void Restart(const StormOptions& options, const Context& context, Findings& findings) {
  const Herd herd = BreakAndRecover(options, context);
  findings.AddRow({{"herd", "restart"},
                   {"conns", std::uint64_t{options.conns}},
                   {"dials", std::uint64_t{options.dials}},
                   {"most_dialling", herd.most_dialling},
                   {"dialled", herd.accepted},
                   {"broken", herd.broken},
                   {"failed", herd.failed},
                   {"recovered_ms", herd.recovered_ms},
                   {"error", herd.first_error}});
  findings.AtMost("restart: dials at the same time, counted by the proxy",
                  static_cast<double>(herd.most_dialling), static_cast<double>(options.dials), "",
                  herd.accepted);
  findings.AtLeast("restart: connections that broke", static_cast<double>(herd.broken),
                   static_cast<double>(options.conns));
  findings.AtLeast("restart: borrowers that went on", static_cast<double>(herd.recovered),
                   static_cast<double>(options.conns));
}

}  // namespace

load::Result PoolStorm(const StormOptions& options, const Context& context) {
  Findings findings("poolbench", "storm", context.seed);
  // First: its servers are started while the process has no other threads.
  if (options.restart) Restart(options, context, findings);
  if (options.lifetimes && !context.Stopped()) Lifetimes(options, context, findings);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
