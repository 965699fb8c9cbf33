// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "libperf/backends/managed_pool.hpp"
#include "libperf/backends/pool_manager.hpp"
#include "libperf/base/guarded.hpp"

namespace perf::backends {

/// The parts of a PoolManager; what is not said to be otherwise belongs to the loop's thread.
struct PoolManager::State {
  State(ConnectionPoolConfig the_config, std::function<void(const PoolAlert&)> alert);
  ConnectionPool::Options PoolOptions(const std::string& name, std::size_t min, std::size_t max);
  void Add(std::unique_ptr<ManagedPool> pool);
  ManagedPool& Find(std::string_view name);
  bool OnLoop() const noexcept { return thread_id.load() == std::this_thread::get_id(); }

  void LoopThread();
  /// The end of Start: what the first contacts said, one line for each that failed.
  struct Opening {
    std::promise<std::string> unreachable;
    std::size_t left = 0;
  };
  Task<void> OpenOne(ManagedPool& pool, Deadline deadline, std::shared_ptr<Opening> opening);
  std::string Opened();
  Task<void> Watch();
  Task<void> CheckOne(ManagedPool& pool);
  void WatchMemory();
  void Alert(PoolAlert alert);
  Json ToJson();

  const ConnectionPoolConfig config;
  const std::function<void(const PoolAlert&)> on_alert;
  EventLoop loop;
  std::map<std::string, std::unique_ptr<ManagedPool>, std::less<>> pools;  // fixed once started
  std::map<std::string, bool> announced_down;
  std::uint64_t resident_bytes = 0;
  bool memory_high = false;
  bool drained = true;

  // Any thread:
  std::atomic<std::thread::id> thread_id{};
  std::atomic<bool> stopping{false};
  std::atomic<bool> started{false};
  std::atomic<TimePoint::rep> stop_by{0};
  Guarded<std::map<std::string, std::uint32_t>> statements;
  Guarded<Json> last_snapshot;
  std::mutex life;  // of the thread
  std::thread thread;
};

}  // namespace perf::backends
