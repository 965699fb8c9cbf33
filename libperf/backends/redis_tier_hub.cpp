// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tier_hub.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "libperf/backends/dial_with.hpp"
#include "libperf/base/log.hpp"

namespace perf::backends {
namespace {

constexpr Duration kProbe = std::chrono::milliseconds(300);
constexpr Duration kRecheck = std::chrono::milliseconds(5);
constexpr Duration kDraining = std::chrono::seconds(5);
/// A cluster's connections are permits; what is scarce are those of its nodes.
constexpr std::size_t kPermits = 8;

RedisConfig Primary(RedisConfig config, const RedisTierHubOptions& options) {
  config.role = RedisRole::kPrimary;
  config.node_connections = options.connections;
  config.connect_timeout = options.connect_timeout;
  return config;
}

ConnectionPool::Options PoolOptions(const RedisTierHubOptions& options) {
  ConnectionPool::Options pool;
  pool.name = "cache";
  const bool cluster = options.config.layout == RedisLayout::kCluster;
  pool.limits.max = pool.limits.max_dials = options.connections * (cluster ? kPermits : 1);
  pool.limits.backoff_first = std::chrono::milliseconds(20);
  pool.limits.backoff_most = std::chrono::milliseconds(250);
  pool.acquire_timeout = std::chrono::minutes(1);  // each request has a deadline of its own
  pool.connect_timeout = options.connect_timeout;
  return pool;
}

/// Error replies of a server that does not do its work now.
bool IsUnwell(const std::string& text) {
  for (const char* word : {"LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "MISCONF", "OOM",
                           "BUSY", "TRYAGAIN", "NOREPLICAS"}) {
    if (text.starts_with(word)) return true;
  }
  return false;
}

/// Resumes on the loop's next turn, also after CancelAll.
struct NextTurn {
  EventLoop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { loop.Schedule(handle); }
  void await_resume() const noexcept {}
};

}  // namespace

pool::BreakerOptions DefaultTierBreaker() {
  pool::BreakerOptions options;
  options.calls = 20;
  options.min_calls = 10;
  options.failure_rate = 0.5;
  options.probes = 1;
  options.probe_deadline = std::chrono::seconds(1);
  options.open_for = std::chrono::milliseconds(200);
  options.open_most = std::chrono::seconds(1);
  options.open_growth = 1.5;
  return options;
}

RedisTierHub::RedisTierHub(RedisTierHubOptions options)
    : config_(Primary(options.config, options)),
      breaker_(options.breaker),
      connector_(MakeRedisConnector(loop_, config_)) {
  pool_ = std::make_unique<ConnectionPool>(loop_, PoolOptions(options), [this](Deadline deadline) {
    return DialWith(*connector_, deadline);
  });
  connector_->OnStale([this] { pool_->Invalidate(); });
  thread_ = std::thread([this] { ThreadMain(); });
}

RedisTierHub::~RedisTierHub() {
  loop_.Stop();
  thread_.join();
}

void RedisTierHub::ThreadMain() {
  thread_id_.store(std::this_thread::get_id());
  try {
    loop_.Run();
  } catch (const std::exception& error) {
    // A `done` that threw; its contract says that it must not.
    Log(LogLevel::kError, "the cache tier's loop ended: {}", error.what());
  }
  try {
    loop_.CancelAll();
    loop_.Spawn(Linger());
    loop_.Drain(Deadline::After(Clock::now(), kDraining));
  } catch (const std::exception& error) {
    Log(LogLevel::kError, "the cache tier's loop ended: {}", error.what());
  }
  // Connections end on their loop's thread.
  pool_->CloseIdle();
  pool_.reset();
  connector_.reset();
}

/// Keeps the loop turning until all who were promised an answer have one.
Task<void> RedisTierHub::Linger() {
  const Deadline deadline = Deadline::After(Clock::now(), kDraining);
  while (outstanding_.load() > 0 && !deadline.Passed(Clock::now())) {
    co_await NextTurn{loop_};
  }
}

void RedisTierHub::Start(std::function<Task<void>()> task) {
  outstanding_.fetch_add(1);
  loop_.Post([this, task = std::move(task)]() mutable {
    const auto run = [](RedisTierHub& hub, std::function<Task<void>()> body) -> Task<void> {
      co_await body();
      hub.outstanding_.fetch_sub(1);
    };
    loop_.Spawn(run(*this, std::move(task)));
  });
}

pool::Breaker::Permit RedisTierHub::Admit() {
  return Admits() ? breaker_.Allow(Clock::now()) : pool::Breaker::Permit();
}

void RedisTierHub::Record(pool::Breaker::Permit permit, const Failure& failure, Duration took) {
  using Outcome = pool::Breaker::Outcome;
  if (!permit) return;
  Outcome outcome = Outcome::kSuccess;
  if (failure && (failure.kind != ErrorKind::kStatus || IsUnwell(failure.text))) {
    outcome = loop_.Cancelled() ? Outcome::kIgnored : Outcome::kFailure;
  }
  const bool opened = breaker_.Record(std::move(permit), outcome, took, Clock::now(), failure.text);
  if (!opened) return;
  Tell();
  if (recovering_ || loop_.Cancelled()) return;
  recovering_ = true;
  loop_.Spawn(Recover());
}

Task<bool> RedisTierHub::Execute(const RedisCommand& command, RedisReply& reply,
                                 Deadline deadline) {
  reply.Clear();
  ConnectionPool::Acquired acquired = co_await pool_->Borrow(Clock::now(), deadline);
  if (acquired.failure) {
    reply.failure = std::move(acquired.failure);
    co_return acquired.why->cause != pool::Cause::kHeld;
  }
  co_await acquired.loan.As<RedisConnection>().Execute(command, reply, deadline);
  co_return true;
}

Task<void> RedisTierHub::ProbeOnce(pool::Breaker::Permit& permit) {
  RedisCommand ping;
  ping.words = {"PING"};
  RedisReply reply;
  const TimePoint start = Clock::now();
  const Deadline deadline = Deadline::After(start, kProbe);
  co_await Execute(ping, reply, deadline);
  Record(std::move(permit), reply.failure, Clock::now() - start);
}

/// Asks until the breaker is closed.
Task<void> RedisTierHub::Recover() {
  while (!loop_.Cancelled() && !Admits()) {
    pool::Breaker::Permit permit = breaker_.Allow(Clock::now());
    if (permit) {
      co_await ProbeOnce(permit);
      continue;
    }
    co_await loop_.SleepUntil(Clock::now() + kRecheck);
  }
  recovering_ = false;
  if (!loop_.Cancelled()) Tell();
}

void RedisTierHub::Listen(const void* owner, std::function<void()> listener) {
  listeners_[owner] = std::move(listener);
}

void RedisTierHub::Tell() {
  std::vector<std::function<void()>> all;
  for (const auto& entry : listeners_) all.push_back(entry.second);
  for (const auto& listener : all) listener();
}

RedisTierHub::Figures RedisTierHub::Stats() const {
  Figures figures;
  figures.now = pool_->Core().Now();
  figures.totals = pool_->Core().Totals();
  figures.breaker = breaker_.Snapshot(Clock::now());
  return figures;
}

}  // namespace perf::backends
