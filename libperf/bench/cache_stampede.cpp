// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_stampede.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "libperf/base/error.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/fork_crew.hpp"
#include "libperf/cache/cache.hpp"

namespace perf::bench {
namespace {

constexpr Duration kReady = std::chrono::seconds(15);
/// Between the moment at which all are ready and that at which they ask.
constexpr Duration kHeadStart = std::chrono::milliseconds(100);

/// What all processes see. Lock-free atomics work between processes, too.
struct Board {
  std::atomic<std::size_t> ready, answered;
  std::atomic<std::int64_t> start_ns;  // on the steady clock, which all processes share
  std::atomic<std::uint64_t> loader_calls, found, failed, wrong;
  std::atomic<std::int64_t> slowest_ns;
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

struct Round {
  const CacheStampedeOptions& options;
  bool distributed;
  std::string key;
  Duration patience;
};

void Raise(std::atomic<std::int64_t>& most, std::int64_t value) {
  std::int64_t seen = most.load();
  while (seen < value && !most.compare_exchange_weak(seen, value)) {
  }
}

void Ask(const Round& round, cache::Cache& cache, Board& board) {
  const TimePoint start{Duration(board.start_ns.load())};
  std::this_thread::sleep_until(start);
  const std::string value = "value of " + round.key;
  const cache::Loader loader = [&] {
    ++board.loader_calls;
    std::this_thread::sleep_for(round.options.load);
    return cache::Loaded{value, {}};
  };
  const cache::Answer answer =
      cache.GetOrSet(round.key, loader, Deadline::After(start, round.patience));
  Raise(board.slowest_ns, (Clock::now() - start).count());
  ++(!answer.Found() ? board.failed : answer.value.Bytes() == value ? board.found : board.wrong);
  ++board.answered;
}

/// One process: its own cache, its own way to Redis, its threads.
void BeNode(const TierServer& server, const Round& round, Board& board) {
  const auto tier = server.Tier("stampede");
  cache::CacheOptions options;
  options.entry.lock_across_processes = round.distributed;
  // The first look-ups come all at once, on as few processors as there are.
  options.tier.soft_timeout = options.tier.hard_timeout = round.patience;
  cache::Cache cache(options, tier);
  if (!AwaitCoherent(*tier, Deadline::After(Clock::now(), kReady))) {
    throw Error("the second tier does not get ready");
  }
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < round.options.threads; ++i) {
    threads.emplace_back([&] {
      ++board.ready;
      while (board.start_ns.load() == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      Ask(round, cache, board);
    });
  }
  // A process that ends takes along what it has not written yet; services go on.
  const std::size_t asking = round.options.threads * round.options.processes;
  const TimePoint end = Clock::now() + round.patience;
  while (board.answered.load() < asking && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool AwaitReady(const Board& board, std::size_t count, const Context& context) {
  const TimePoint end = Clock::now() + 2 * kReady;
  while (board.ready.load() < count) {
    if (Clock::now() >= end || context.Stopped()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

void RunRound(const TierServer& server, const Round& round, const Context& context,
              Findings& findings) {
  const CacheStampedeOptions& options = round.options;
  const SharedMemory memory(sizeof(Board));
  Board& board = *new (memory.Address()) Board{};
  ForkCrew crew(options.processes, [&](std::size_t) { BeNode(server, round, board); });
  const std::size_t asking = options.threads * options.processes;
  const bool ready = AwaitReady(board, asking, context);
  // Also when not all are: those that wait must end.
  board.start_ns = (Clock::now() + kHeadStart).time_since_epoch().count();
  const ForkCrew::Ends ends =
      crew.Await(Deadline::After(Clock::now(), round.patience + std::chrono::seconds(10)));
  const char* lock = round.distributed ? "distributed" : "local";
  const std::uint64_t calls = board.loader_calls.load();
  Json row = Json::MakeObject();
  row["lock"] = lock;
  row["processes"] = std::uint64_t{options.processes};
  row["threads"] = std::uint64_t{options.threads};
  row["loader_calls"] = calls;
  row["found"] = board.found.load();
  row["failed"] = board.failed.load();
  row["wrong"] = board.wrong.load();
  row["load_ms"] = ToMs(options.load);
  row["slowest_ms"] = ToMs(Duration(board.slowest_ns.load()));
  findings.AddRow(std::move(row));
  if (context.Stopped()) return;
  const std::uint64_t samples = ready ? asking : 0;
  findings.AtMost(fmt::format("lock {}: loader calls", lock), static_cast<double>(calls),
                  round.distributed ? 1.0 : static_cast<double>(options.processes), "",
                  calls > 0 ? samples : 0);
  findings.AtLeast(fmt::format("lock {}: callers that got the value", lock),
                   static_cast<double>(board.found.load()), static_cast<double>(asking), "",
                   samples);
  findings.Never(fmt::format("lock {}: processes that failed", lock),
                 ends.failed + ends.crashed + ends.running, options.processes);
}

}  // namespace

load::Result CacheStampede(const CacheStampedeOptions& options, const Context& context) {
  for (const std::string& lock : options.locks) {
    if (lock != "distributed" && lock != "local") {
      throw UsageError(fmt::format("--lock {}: distributed or local", lock));
    }
  }
  Findings findings("cachebench", "stampede", context.seed);
  const TierServer server(options.server);
  for (std::size_t number = 0; number < options.rounds; ++number) {
    for (const std::string& lock : options.locks) {
      if (context.Stopped()) break;
      context.Phase(fmt::format("{} processes with {} threads each, {} lock", options.processes,
                                options.threads, lock));
      const Round round{
          options, lock == "distributed", fmt::format("{}-{}", lock, number),
          options.load * static_cast<int>(options.processes + 1) + std::chrono::seconds(20)};
      RunRound(server, round, context, findings);
    }
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
