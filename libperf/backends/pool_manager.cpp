// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pool_manager.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <future>
#include <utility>

#include "libperf/backends/pool_manager_state.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {
namespace {

constexpr Duration kStopping = std::chrono::seconds(5);
constexpr std::size_t kMostDials = 10;  // at once, so that a restarted server is not stormed
constexpr const char* kCheck = "SELECT 1";

/// Resident memory of this process; 0 where the kernel does not say.
std::uint64_t ResidentBytes() noexcept {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long long size = 0, resident = 0;
  const int read = std::fscanf(file, "%llu %llu", &size, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

PoolManager::State::State(ConnectionPoolConfig the_config,
                          std::function<void(const PoolAlert&)> alert)
    : config(the_config), on_alert(std::move(alert)) {
  Validate(config);
}

ConnectionPool::Options PoolManager::State::PoolOptions(const std::string& name, std::size_t min,
                                                        std::size_t max) {
  if (started) throw Error("pools are added before the manager starts");
  if (name.empty() || name.size() > 100) throw ConfigError("a pool's name has 1 to 100 characters");
  if (pools.contains(name)) throw ConfigError(fmt::format("there are two pools {:?}", name));
  ConnectionPool::Options options;
  options.name = name;
  options.limits.min = min;
  options.limits.max = max;
  options.limits.max_dials = std::min(max, kMostDials);
  options.acquire_timeout = config.acquire_timeout;
  options.connect_timeout = config.connect_timeout;
  options.seed = pools.size() + 1;
  return options;
}

void PoolManager::State::Add(std::unique_ptr<ManagedPool> pool) {
  const std::string name = pool->Name();
  announced_down[name] = false;
  pools.emplace(name, std::move(pool));
}

ManagedPool& PoolManager::State::Find(std::string_view name) {
  const auto found = pools.find(name);
  if (found == pools.end()) throw Error(fmt::format("there is no pool {:?}", name));
  return *found->second;
}

void PoolManager::State::LoopThread() {
  try {
    loop.Run();
  } catch (const std::exception& error) {
    // A task of a caller's: Run's contract says that it must not throw.
    Log(LogLevel::kError, "the pool manager's loop ended: {}", error.what());
    stopping.store(true);
  }
  loop.CancelAll();
  try {
    drained = loop.Drain(Deadline(TimePoint(Duration(stop_by.load()))));
  } catch (const std::exception& error) {
    Log(LogLevel::kError, "the pool manager's loop ended: {}", error.what());
    drained = false;
  }
  // Connections end on their loop's thread.
  for (const auto& entry : pools) entry.second->Pool().CloseIdle();
}

Task<void> PoolManager::State::OpenOne(ManagedPool& pool, Deadline deadline,
                                       std::shared_ptr<Opening> opening) {
  co_await pool.Open(deadline);
  if (--opening->left == 0) opening->unreachable.set_value(Opened());
}

std::string PoolManager::State::Opened() {
  std::string unreachable;
  for (const auto& [name, pool] : pools) {
    if (pool->Health().ok) {
      pool->Pool().Prefill();
      continue;
    }
    announced_down[name] = true;
    unreachable += fmt::format("{}pool {} is unreachable: {}", unreachable.empty() ? "" : "\n",
                               name, pool->Health().error);
  }
  if (!loop.Cancelled()) loop.Spawn(Watch());
  return unreachable;
}

Task<void> PoolManager::State::CheckOne(ManagedPool& pool) {
  co_await pool.Check(config.check_timeout);
  if (loop.Cancelled()) co_return;
  bool& down = announced_down[pool.Name()];
  if (pool.Health().ok == !down) co_return;
  down = !down;
  PoolAlert alert;
  alert.kind = down ? PoolAlert::Kind::kPoolDown : PoolAlert::Kind::kPoolUp;
  alert.pool = pool.Name();
  alert.text = down ? fmt::format("pool {} does not answer: {}", pool.Name(), pool.Health().error)
                    : fmt::format("pool {} answers again", pool.Name());
  Alert(std::move(alert));
}

Task<void> PoolManager::State::Watch() {
  TimePoint next = Clock::now();
  while (!stopping.load() && !loop.Cancelled()) {
    for (const auto& entry : pools) loop.Spawn(CheckOne(*entry.second));
    for (const auto& entry : pools) entry.second->Pool().Reap(Clock::now());
    WatchMemory();
    {
      auto last = last_snapshot.Lock();
      *last = ToJson();
    }
    // Missed turns are not made up for.
    next = std::max(next + config.check_interval, Clock::now());
    co_await loop.SleepUntil(next);
  }
}

void PoolManager::State::WatchMemory() {
  resident_bytes = ResidentBytes();
  const std::uint64_t limit = config.max_memory_mb << 20;
  if (limit == 0 || resident_bytes == 0) return;
  const bool over = resident_bytes > limit;
  if (over) {
    for (const auto& entry : pools) entry.second->Pool().CloseIdle();
  }
  const bool high = over || (memory_high && resident_bytes > limit / 10 * 9);
  if (high == memory_high) return;
  memory_high = high;
  PoolAlert alert;
  alert.kind = high ? PoolAlert::Kind::kMemoryHigh : PoolAlert::Kind::kMemoryNormal;
  alert.memory_bytes = resident_bytes;
  alert.text =
      high ? fmt::format(
                 "the process holds {} of memory, more than {}: idle connections "
                 "are closed",
                 FormatBytes(resident_bytes), FormatBytes(limit))
           : fmt::format("the process holds {} of memory again", FormatBytes(resident_bytes));
  Alert(std::move(alert));
}

void PoolManager::State::Alert(PoolAlert alert) {
  const bool good =
      alert.kind == PoolAlert::Kind::kPoolUp || alert.kind == PoolAlert::Kind::kMemoryNormal;
  Log(good ? LogLevel::kInfo : LogLevel::kWarn, "{}", alert.text);
  if (on_alert) on_alert(alert);
}

Json PoolManager::State::ToJson() {
  const TimePoint now = Clock::now();
  Json json = Json::MakeObject();
  bool healthy = !memory_high;
  Json list = Json::MakeObject();
  for (const auto& [name, pool] : pools) {
    list[name] = pool->ToJson(now);
    healthy = healthy && pool->Health().ok;
  }
  json["healthy"] = healthy;
  Json& memory = json["memory"];
  memory["rss_bytes"] = resident_bytes;
  memory["limit_bytes"] = config.max_memory_mb << 20;
  memory["high"] = memory_high;
  json["pools"] = std::move(list);
  json["stale"] = false;
  return json;
}

PoolManager::PoolManager(ConnectionPoolConfig config,
                         std::function<void(const PoolAlert&)> on_alert)
    : state_(std::make_unique<State>(config, std::move(on_alert))) {}

PoolManager::~PoolManager() {
  // What would not end keeps what it uses: its memory is lost, which is better than freed.
  if (!Stop(Deadline::After(Clock::now(), kStopping))) (void)state_.release();
}

void PoolManager::AddPostgres(const std::string& name, PostgresConfig config) {
  SqlStatement check;
  check.text = kCheck;
  check.id = StatementId(kCheck);
  state_->Add(MakeManagedPostgres(
      state_->loop,
      state_->PoolOptions(name, state_->config.db_min_size, state_->config.db_max_size),
      std::move(config), std::move(check)));
}

void PoolManager::AddRedis(const std::string& name, RedisConfig config) {
  config.node_connections = state_->config.redis_max_connections;
  config.connect_timeout = state_->config.connect_timeout;
  state_->Add(MakeManagedRedis(state_->loop,
                               state_->PoolOptions(name, 0, state_->config.redis_max_connections),
                               std::move(config)));
}

void PoolManager::AddHttp(const std::string& name, HttpConfig config,
                          const std::string& check_path) {
  if (!check_path.starts_with('/')) throw ConfigError("the path of a check begins with '/'");
  state_->Add(MakeManagedHttp(state_->loop,
                              state_->PoolOptions(name, 0, state_->config.http_max_connections),
                              std::move(config), check_path));
}

void PoolManager::InitializeDefaultPools(const std::string& database_url,
                                         const std::string& redis_url, const std::string& http_url,
                                         Deadline deadline) {
  if (!database_url.empty()) {
    PostgresConfig config;
    config.conninfo = database_url;
    config.reset = PostgresReset::kRollback;
    AddPostgres("database", std::move(config));
  }
  if (!redis_url.empty()) {
    AddRedis("redis", ParseRedisUrl(redis_url));
  }
  if (!http_url.empty()) {
    HttpConfig config;
    config.base = Url::Parse(http_url);
    const std::string path = config.base.path.empty() ? "/" : config.base.path;
    AddHttp("http", std::move(config), path);
  }
  Start(deadline);
}

void PoolManager::Start(Deadline deadline) {
  State& state = *state_;
  auto opening = std::make_shared<State::Opening>();
  std::future<std::string> opened = opening->unreachable.get_future();
  {
    const std::lock_guard lock(state.life);
    if (state.started.exchange(true)) throw Error("the pool manager was started before");
    opening->left = state.pools.size();
    state.loop.Post([&state, opening, deadline] {
      for (const auto& entry : state.pools) {
        state.loop.Spawn(state.OpenOne(*entry.second, deadline, opening));
      }
      if (state.pools.empty()) opening->unreachable.set_value(state.Opened());
    });
    state.thread = std::thread([&state] {
      state.thread_id.store(std::this_thread::get_id());
      state.LoopThread();
    });
  }
  // Each contact has the deadline itself; beyond it only its unwinding.
  const bool in_time =
      opened.wait_until(Saturated(deadline.At(), kStopping)) == std::future_status::ready;
  const std::string unreachable = in_time ? opened.get() : "the pools did not open in time";
  if (unreachable.empty()) return;
  if (state.config.require_reachable || !in_time) {
    Stop(Deadline::After(Clock::now(), kStopping));
    throw UnreachableError(unreachable);
  }
  Log(LogLevel::kWarn, "{}", unreachable);
}

bool PoolManager::Stop(Deadline deadline) {
  State& state = *state_;
  if (state.OnLoop()) throw Error("a pool manager is not stopped from its own loop");
  const std::lock_guard lock(state.life);
  state.stop_by.store(deadline.At().time_since_epoch().count());
  state.stopping.store(true);
  if (state.thread.joinable()) {
    state.loop.Stop();
    state.thread.join();
  }
  return state.drained;
}

EventLoop& PoolManager::Loop() noexcept { return state_->loop; }

ConnectionPool& PoolManager::Pool(std::string_view name) { return state_->Find(name).Pool(); }

}  // namespace perf::backends
