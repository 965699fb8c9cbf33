// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/redis_session.hpp"

namespace perf::backends {

/// A reply that a coroutine awaits: `co_await answer` after Callback was given away.
/// Thread safety: none. Lifetime: outlives the callback.
struct RedisAnswer {
  Json value;
  Failure failure;
  bool done = false;
  std::coroutine_handle<> waiter;
  std::function<void(Json& value, const Failure& failure)> Callback();
  bool await_ready() const noexcept { return done; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiter = handle; }
  void await_resume() const noexcept {}
};

/// One connection to one Redis server with many commands under way at once, or one that is
/// subscribed: what client-side caching over RESP2 is made of. RedisSession has one command at a
/// time, and takes what it did not ask for as a sign of a broken stream.
/// Thread safety: none; belongs to its loop's thread. Lifetime: held by shared_ptr; borrows the
/// loop. Callbacks may close it.
class RedisTrackingLink : public std::enable_shared_from_this<RedisTrackingLink> {
 public:
  /// `failure`: kStatus for an error reply, kTimeout, or kProtocol when the link was lost.
  using OnReply = std::function<void(Json& value, const Failure& failure)>;
  struct Events {
    std::function<void(Json& message)> on_push;           // whatever comes once subscribed
    std::function<void(const std::string& why)> on_lost;  // once, after it was open
  };
  explicit RedisTrackingLink(EventLoop& loop);
  ~RedisTrackingLink();

  /// Connects and gets in; false, with `failure` (kConnect), where that did not work.
  /// Lifetime: the references outlive the task.
  Task<bool> Open(const RedisDoorway& doorway, Failure& failure, Deadline deadline);
  void SetEvents(Events events) { events_ = std::move(events); }
  /// What is sent in one turn of the loop goes out in one write. Without a link it fails on a turn
  /// of its own.
  void Send(const std::vector<std::string>& words, Deadline deadline, OnReply on_reply);
  /// Sends one and waits. Lifetime: the references outlive the task.
  Task<void> Ask(const std::vector<std::string>& words, Json& value, Failure& failure,
                 Deadline deadline);
  /// From the next turn on everything that comes is a push. Only while nothing is under way.
  void Subscribe(const std::vector<std::string>& channels);
  /// To a subscribed server: its answer is a push.
  void Ping(const std::string& payload);
  bool Up() const noexcept { return up_; }
  /// Fails what is under way, without a call of on_lost.
  void Close(const std::string& why);

 private:
  struct Pending {
    TimePoint deadline;
    OnReply on_reply;  // none: its time is over
  };
  Task<bool> Greet(const RedisDoorway& doorway, Failure& failure, Deadline deadline);
  void Write(const std::vector<std::string>& words);
  void FlushNow();
  void OnReadable();
  void OnWritable();
  void OnAlarm();
  void Sent(bool all);
  bool TakeReplies();
  void TakeOne();
  void ArmFor(TimePoint deadline);
  void Lose(const std::string& why);
  void FailAll(const Failure& failure);

  EventLoop& loop_;
  Events events_;
  UniqueFd fd_;
  std::unique_ptr<HiredisStream> stream_;
  FdWatch watch_;  // released before the socket is closed
  Alarm alarm_;
  TimePoint armed_ = TimePoint::max();
  std::deque<Pending> pending_;
  std::string out_;
  bool flushing_ = false;
  bool unsent_ = false;
  bool subscribed_ = false;
  bool up_ = false;
};

}  // namespace perf::backends
