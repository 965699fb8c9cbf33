// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/redis_copy.hpp"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "libperf/backends/loop.hpp"
#include "libperf/base/log.hpp"
#include "libperf/monitor/history/selection.hpp"

namespace perf::monitor {

HistoryCopy::~HistoryCopy() = default;

namespace {

using backends::RedisConnection;

constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(2);

/// The command of one cell. Numbers as they read back: shortest, without loss.
std::vector<std::string> Command(const RedisCopyOptions& options, const WrittenCell& written) {
  const Cell& cell = written.cell;
  return {"XADD",
          options.prefix + (written.system ? "system" : "app"),
          "MAXLEN",
          "~",
          fmt::format("{}", options.max_length),
          "*",
          "metric",
          written.metric,
          "labels",
          LabelsJson(written.labels),
          "type",
          std::string(metrics::Name(written.type)),
          "start",
          fmt::format("{}", written.start),
          "count",
          fmt::format("{}", cell.counts ? cell.Observations() : cell.count),
          "sum",
          fmt::format("{}", cell.sum),
          "min",
          fmt::format("{}", cell.min),
          "max",
          fmt::format("{}", cell.max),
          "seconds",
          fmt::format("{}", cell.seconds)};
}

class RedisCopy final : public HistoryCopy {
 public:
  explicit RedisCopy(RedisCopyOptions options)
      : options_(std::move(options)),
        connector_(backends::MakeRedisConnector(loop_, options_.redis)),
        thread_([this] { Serve(); }) {}

  ~RedisCopy() override {
    loop_.Post([this] {
      stop_ = true;
      loop_.CancelAll();
      Wake();
    });
    thread_.join();
  }
  RedisCopy(const RedisCopy&) = delete;
  RedisCopy& operator=(const RedisCopy&) = delete;

  void Written(const std::vector<WrittenCell>& cells) noexcept override {
    try {
      const std::lock_guard lock(mutex_);
      for (const WrittenCell& cell : cells) {
        if (waiting_.size() >= options_.queue) {
          waiting_.pop_front();
          ++lost_;
        }
        waiting_.push_back(cell);
      }
    } catch (...) {  // no memory: a copy is not worth more of it
      lost_ += cells.size();
      return;
    }
    try {
      loop_.Post([this] { Wake(); });
    } catch (...) {  // the next ones wake it
      return;
    }
  }
  std::uint64_t Lost() const noexcept override { return lost_.load(); }

 private:
  /// Until there is something to do, or all is cancelled.
  struct Idle {
    RedisCopy& copy;
    bool await_ready() const noexcept { return copy.stop_ || copy.Waits(); }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { copy.idle_ = handle; }
    void await_resume() const noexcept {}
  };

  void Wake() {
    if (idle_) loop_.Schedule(std::exchange(idle_, {}));
  }
  bool Waits() {
    const std::lock_guard lock(mutex_);
    return !waiting_.empty();
  }
  std::optional<WrittenCell> Next() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return std::nullopt;
    std::optional<WrittenCell> cell(std::move(waiting_.front()));
    waiting_.pop_front();
    return cell;
  }

  void Serve() {
    loop_.Spawn(Work());
    loop_.Run();
    connection_.reset();
  }

  Task<void> Work() {
    Duration pause = kFirstPause;
    while (!stop_) {
      Idle idle{*this};
      co_await idle;
      if (stop_) break;
      if (!connection_ && !co_await Dial()) {
        const auto sleep = loop_.SleepUntil(Clock::now() + pause);
        co_await sleep;
        pause = std::min(2 * pause, kLongestPause);
        continue;
      }
      pause = kFirstPause;
      co_await Send();
    }
    loop_.Stop();
  }

  Task<bool> Dial() {
    auto dialled = co_await connector_->Dial(Deadline::After(Clock::now(), options_.timeout));
    connection_ = std::move(dialled.connection);
    if (!connection_ && !std::exchange(told_, true)) {
      Log(LogLevel::kWarn, "the history's copy to Redis waits: {}", dialled.failure.text);
    }
    if (connection_) told_ = false;
    co_return connection_ != nullptr;
  }

  /// One after the other: some ten a second come, and each has its own deadline.
  Task<void> Send() {
    while (auto cell = Next()) {
      backends::RedisCommand command;
      command.words = Command(options_, *cell);
      backends::RedisReply reply;
      co_await connection_->Execute(command, reply,
                                    Deadline::After(Clock::now(), options_.timeout));
      if (reply.failure) {
        ++lost_;
        Log(LogLevel::kWarn, "the history's copy to Redis: {}", reply.failure.text);
      }
      if (!connection_->Reusable()) {
        connection_.reset();
        co_return;
      }
      if (stop_) co_return;
    }
  }

  const RedisCopyOptions options_;
  std::mutex mutex_;
  std::deque<WrittenCell> waiting_;
  std::atomic<std::uint64_t> lost_{0};

  // The loop's thread's own.
  backends::EventLoop loop_;
  std::unique_ptr<backends::RedisConnector> connector_;
  std::unique_ptr<RedisConnection> connection_;
  std::coroutine_handle<> idle_;
  bool stop_ = false;
  bool told_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<HistoryCopy> MakeRedisCopy(RedisCopyOptions options) {
  return std::make_unique<RedisCopy>(std::move(options));
}

}  // namespace perf::monitor
