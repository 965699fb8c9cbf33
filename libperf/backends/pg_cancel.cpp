// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_cancel.hpp"

#include <libpq-fe.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <deque>
#include <system_error>
#include <thread>
#include <utility>

#include "libperf/base/guarded.hpp"
#include "libperf/base/log.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kMaxWaiting = 64;

struct Queue {
  std::deque<PgCancel> waiting;
  bool working = false;
};

/// Shared with the worker, which may still hang in PQcancel when the process ends.
std::shared_ptr<Guarded<Queue>> SharedQueue() {
  static const auto queue = std::make_shared<Guarded<Queue>>();
  return queue;
}

PgCancel NextOrStop(Guarded<Queue>& shared) {
  auto queue = shared.Lock();
  if (queue->waiting.empty()) {
    queue->working = false;
    return nullptr;
  }
  PgCancel next = std::move(queue->waiting.front());
  queue->waiting.pop_front();
  return next;
}

void Work(const std::shared_ptr<Guarded<Queue>>& shared) {
  while (const PgCancel cancel = NextOrStop(*shared)) {
    std::array<char, 256> error{};
    if (PQcancel(cancel.get(), error.data(), error.size()) == 0) {
      Log(LogLevel::kDebug, "postgres: cancel request failed: {}", error.data());
    }
  }
}

/// Signals belong to the threads that expect them.
void StartWorker(const std::shared_ptr<Guarded<Queue>>& shared) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([shared] { Work(shared); }).detach();
  } catch (const std::system_error&) {
    auto queue = shared->Lock();
    queue->working = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

PgCancel CancelOf(const pg_conn* connection) {
  // libpq only reads it.
  PGcancel* const cancel = PQgetCancel(const_cast<PGconn*>(connection));
  return cancel == nullptr ? nullptr : PgCancel(cancel, PQfreeCancel);
}

void CancelLater(const PgCancel& cancel) noexcept {
  if (cancel == nullptr) return;
  try {
    const auto shared = SharedQueue();
    bool start = false;
    {
      auto queue = shared->Lock();
      if (queue->waiting.size() >= kMaxWaiting) return;
      const bool there =
          std::find(queue->waiting.begin(), queue->waiting.end(), cancel) != queue->waiting.end();
      if (there) return;
      queue->waiting.push_back(cancel);
      start = !std::exchange(queue->working, true);
    }
    if (start) StartWorker(shared);
  } catch (const std::exception& error) {
    Log(LogLevel::kDebug, "postgres: no cancel request: {}", error.what());
  }
}

}  // namespace perf::backends
