// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_failover.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/write_target.hpp"

namespace perf::bench {
namespace {

using backends::PrivateServers;
using backends::PrivateSpec;
using backends::ServerAction;

constexpr Duration kServersReady = std::chrono::seconds(60);
constexpr Duration kActed = std::chrono::seconds(30);
constexpr Duration kPatience = std::chrono::seconds(30);
constexpr Duration kAcquire = std::chrono::seconds(2);
constexpr Duration kWrite = std::chrono::seconds(2);
constexpr Duration kRead = std::chrono::seconds(20);
constexpr Duration kLook = std::chrono::milliseconds(5);
constexpr double kStaleGoneMs = 1000;

/// What the servers went through, by the thread that does it: actions block.
struct Change {
  std::atomic<bool> done{false};
  TimePoint begun{};
  TimePoint writable{};  // the new primary takes writes
  std::exception_ptr failure;
};

void Act(PrivateServers& servers, const std::string& way, Change& change) {
  const auto act = [&](ServerAction action, std::optional<std::size_t> node) {
    servers.Act("target", action, node, Deadline::After(Clock::now(), kActed));
  };
  try {
    change.begun = Clock::now();
    if (way == "kill") act(ServerAction::kKill, 0);
    act(ServerAction::kPromote, std::nullopt);
    change.writable = Clock::now();
    if (way == "switch") act(ServerAction::kRestart, 0);
  } catch (...) {
    change.failure = std::current_exception();
  }
  change.done = true;
}

/// Borrowers that write through one pool while their primary changes.
class Failover {
 public:
  Failover(PrivateServers& servers, PrivateSpec::Kind kind, const FailoverOptions& options,
           const Context& context)
      : servers_(servers),
        options_(options),
        context_(context),
        target_(MakeWriteTarget(loop_, kind, servers.Url("target"), ledger_)),
        pool_(loop_, Settings(), [this](Deadline deadline) { return target_->Dial(deadline); }),
        written_(options.conns) {
    target_->OnStale([this] { pool_.Invalidate(); });
  }
  ~Failover() {
    loop_.CancelAll();
    loop_.Drain(Deadline::After(Clock::now(), std::chrono::seconds(5)));
    pool_.CloseIdle();
  }

  void Run(const std::string& way);
  void AddRow(const char* kind, const std::string& way, Findings& findings) const;
  /// Writes that were lost are the servers' way of replication, not the pool's fault: told, not
  /// judged.
  void SayLost() const;

 private:
  backends::ConnectionPool::Options Settings() const {
    backends::ConnectionPool::Options settings;
    settings.name = "failover";
    settings.limits.min = settings.limits.max = options_.conns;
    settings.limits.max_dials = options_.conns;
    settings.acquire_timeout = kAcquire;
    settings.seed = context_.seed;
    return settings;
  }
  Task<void> Borrower(std::size_t number);
  Task<void> Drive(const std::string& way);
  Task<void> ReadBack();
  std::size_t WrittenSince(TimePoint at) const {
    return static_cast<std::size_t>(
        std::count_if(written_.begin(), written_.end(), [&](TimePoint last) { return last > at; }));
  }
  bool StaleLeft() const {
    return std::any_of(ledger_.begin(), ledger_.end(), [&](const Life& life) {
      return life.dialled < change_.begun && life.gone == TimePoint::max();
    });
  }

  PrivateServers& servers_;
  const FailoverOptions& options_;
  const Context& context_;
  Ledger ledger_;  // before all connections
  backends::EventLoop loop_;
  std::unique_ptr<WriteTarget> target_;
  backends::ConnectionPool pool_;
  std::vector<TimePoint> written_;  // by borrower, the last time
  Change change_;
  std::size_t borrowers_ = 0;
  bool ending_ = false;
  std::uint64_t writes_ = 0, failed_ = 0, refused_ = 0;
  std::vector<std::uint64_t> acknowledged_;
  std::optional<std::uint64_t> lost_;  // of those; nothing where the new primary did not tell
  std::string first_error_;
  TimePoint resumed_{};
};

Task<void> Failover::Borrower(std::size_t number) {
  while (!ending_ && !loop_.Cancelled()) {
    backends::Failure failure;
    const TimePoint now = Clock::now();
    auto acquired = co_await pool_.Borrow(now);
    if (acquired.failure) {
      ++refused_;
    } else {
      const std::uint64_t write = ++writes_;
      auto& connection = acquired.loan.As<backends::Connection>();
      co_await target_->Write(connection, write, failure, Deadline::After(now, kWrite));
      if (!failure) {
        written_[number] = Clock::now();
        acknowledged_.push_back(write);
      }
    }
    acquired.loan.Return();
    if (failure && !ending_) {
      ++failed_;
      if (first_error_.empty()) first_error_ = MaskSecrets(failure.text);
    }
    // Also after a refusal: whoever asks again at once would only measure its own loop.
    co_await loop_.SleepUntil(Clock::now() + kLook);
  }
  --borrowers_;
}

Task<void> Failover::Drive(const std::string& way) {
  pool_.Prefill();
  borrowers_ = options_.conns;
  for (std::size_t i = 0; i < options_.conns; ++i) loop_.Spawn(Borrower(i));
  co_await loop_.SleepUntil(Clock::now() + options_.before);
  std::jthread actor([&] { Act(servers_, way, change_); });
  const TimePoint end = Clock::now() + 3 * kPatience;
  while (!change_.done && Clock::now() < end) co_await loop_.SleepUntil(Clock::now() + kLook);
  actor.join();
  const TimePoint late = Clock::now() + kPatience;
  const auto settled = [&] {
    if (change_.failure || Clock::now() > late || context_.Stopped()) return true;
    const bool all = WrittenSince(change_.writable) >= options_.conns;
    if (all && resumed_ == TimePoint{}) resumed_ = Clock::now();
    return all && !StaleLeft();
  };
  while (!settled()) co_await loop_.SleepUntil(Clock::now() + kLook);
  ending_ = true;
  while (borrowers_ > 0) co_await loop_.SleepUntil(Clock::now() + kLook);
  if (!change_.failure && !context_.Stopped()) co_await ReadBack();
  loop_.Stop();
}

/// Whether the new primary has what the old one said it had written.
Task<void> Failover::ReadBack() {
  std::vector<std::uint64_t> there;
  auto acquired = co_await pool_.Borrow(Clock::now());
  backends::Failure failure = std::move(acquired.failure);
  if (!failure) {
    auto& connection = acquired.loan.As<backends::Connection>();
    co_await target_->Read(connection, there, failure, Deadline::After(Clock::now(), kRead));
  }
  if (failure) {
    if (first_error_.empty()) first_error_ = MaskSecrets(failure.text);
    co_return;
  }
  std::sort(there.begin(), there.end());
  lost_ = static_cast<std::uint64_t>(
      std::count_if(acknowledged_.begin(), acknowledged_.end(), [&](std::uint64_t number) {
        return !std::binary_search(there.begin(), there.end(), number);
      }));
}

void Failover::Run(const std::string& way) {
  loop_.Spawn(Drive(way));
  loop_.Run();
  if (change_.failure) std::rethrow_exception(change_.failure);
}

void Failover::SayLost() const {
  if (!lost_) return;
  context_.Phase(fmt::format(
      "{} of {} acknowledged writes are not on the new primary{}", *lost_, acknowledged_.size(),
      *lost_ > 0 ? ": the old one acknowledged them, and they were not replicated" : ""));
}

void Failover::AddRow(const char* kind, const std::string& way, Findings& findings) const {
  std::uint64_t most_failed = 0, stale = 0;
  TimePoint last_gone{};
  for (const Life& life : ledger_) {
    most_failed = std::max(most_failed, life.failed_writes);
    if (life.dialled >= change_.begun) continue;
    ++stale;
    last_gone = std::max(last_gone, life.gone);
  }
  const bool gone = last_gone != TimePoint::max();
  const double stale_ms = gone ? std::max(0.0, ToMs(last_gone - change_.writable)) : -1;
  const std::size_t resumed = WrittenSince(change_.writable);
  Json row = Json::MakeObject();
  row["kind"] = kind;
  row["way"] = way;
  row["conns"] = std::uint64_t{options_.conns};
  row["writes"] = writes_;
  row["failed_writes"] = failed_;
  row["most_failed_of_one"] = most_failed;
  row["acknowledged"] = std::uint64_t{acknowledged_.size()};
  row["lost_writes"] = lost_ ? Json(*lost_) : Json();
  row["refused"] = refused_;
  row["promoted_ms"] = ToMs(change_.writable - change_.begun);
  row["stale_connections"] = stale;
  row["stale_gone_ms"] = gone ? Json(stale_ms) : Json();
  row["resumed"] = std::uint64_t{resumed};
  row["resumed_ms"] = resumed_ == TimePoint{} ? Json() : Json(ToMs(resumed_ - change_.writable));
  row["error"] = first_error_;
  findings.AddRow(std::move(row));
  const std::string what = fmt::format("{}, {}: ", kind, way);
  findings.AtMost(what + "failed writes of one connection", static_cast<double>(most_failed), 1, "",
                  writes_);
  findings.AtMost(what + "stale connections gone after", gone ? stale_ms : 1e9, kStaleGoneMs, "ms",
                  stale);
  findings.AtLeast(what + "borrowers that write again", static_cast<double>(resumed),
                   static_cast<double>(options_.conns));
}

}  // namespace

load::Result PoolFailover(const FailoverOptions& options, const Context& context) {
  for (const std::string& way : options.ways) {
    if (way != "kill" && way != "switch") {
      throw UsageError(fmt::format("there is no way '{}': kill or switch", way));
    }
  }
  Findings findings("poolbench", "failover", context.seed);
  for (const bool is_postgres : {true, false}) {
    if (!(is_postgres ? options.postgres : options.redis)) continue;
    for (const std::string& way : options.ways) {
      if (context.Stopped()) break;
      PrivateSpec spec;
      spec.name = "target";
      spec.kind = is_postgres ? PrivateSpec::Kind::kPostgres : PrivateSpec::Kind::kRedis;
      spec.topology =
          is_postgres ? backends::Topology::kPrimaryReplica : backends::Topology::kSentinel;
      const char* kind = is_postgres ? "postgres" : "redis";
      context.Phase(fmt::format("{}: starting servers", kind));
      // While the process has no other threads: they are forked.
      PrivateServers servers =
          PrivateServers::Start({&spec, 1}, Deadline::After(Clock::now(), kServersReady));
      context.Phase(fmt::format("{}: {}", kind, way));
      Failover failover(servers, spec.kind, options, context);
      failover.Run(way);
      failover.SayLost();
      failover.AddRow(kind, way, findings);
    }
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
