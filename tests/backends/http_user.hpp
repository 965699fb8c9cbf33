// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "libperf/backends/http.hpp"
#include "libperf/backends/loop.hpp"

namespace perf::test {

/// A loop, a connector and one connection, which is dialled when there is none or the last one is
/// not to be used again: what a pool of one does, driven from a blocking test.
class HttpUser {
 public:
  explicit HttpUser(backends::HttpConfig config)
      : connector_(backends::MakeHttpConnector(loop_, std::move(config))) {}

  backends::HttpReply Run(const backends::HttpRequest& request,
                          Duration limit = std::chrono::seconds(10)) {
    backends::HttpReply reply;
    RunTask(Once(request, reply, Deadline::After(Clock::now(), limit)));
    return reply;
  }
  backends::HttpReply Get() { return Run(backends::HttpRequest{}); }
  backends::Failure Probe() {
    backends::Failure failure;
    RunTask(connector_->Probe(failure, Deadline::After(Clock::now(), std::chrono::seconds(5))));
    return failure;
  }
  /// So many connections with so many requests each, all at once; gives the good replies.
  int RunMany(int connections, int requests) {
    int good = 0;
    RunTask(Many(connections, requests, good));
    return good;
  }
  bool Reusable() const { return connection_ && connection_->Reusable(); }
  bool Alive() const { return connection_ && connection_->Alive(); }
  /// Runs the loop until that holds; false after 10 s.
  bool Await(const std::function<bool()>& condition) {
    bool held = false;
    RunTask(Until(condition, held));
    return held;
  }
  /// From the next Run on, cancels the loop's waits as soon as that holds.
  void CancelWhen(std::function<bool()> condition) {
    loop_.SetPacer(Clock::now(), [this, condition = std::move(condition)](TimePoint now) {
      if (!condition()) return now + std::chrono::milliseconds(1);
      loop_.CancelAll();
      return TimePoint::max();
    });
  }

 private:
  void RunTask(Task<void> task) {
    loop_.Post([this, &task] { Detach(ThenStop(std::move(task))); });
    loop_.Run();
  }
  Task<void> ThenStop(Task<void> task) {
    co_await std::move(task);
    loop_.Stop();
  }
  Task<void> Once(const backends::HttpRequest& request, backends::HttpReply& reply,
                  Deadline deadline) {
    if (!Reusable() || !Alive()) {
      connection_.reset();
      auto dialled = co_await connector_->Dial(deadline);
      connection_ = std::move(dialled.connection);
      reply.failure = std::move(dialled.failure);
    }
    if (connection_) co_await connection_->Exchange(request, reply, deadline);
  }
  Task<void> Until(const std::function<bool()>& condition, bool& held) {
    const Deadline deadline = Deadline::After(Clock::now(), std::chrono::seconds(10));
    for (;;) {
      const TimePoint now = Clock::now();
      held = condition();
      if (held || deadline.Passed(now)) co_return;
      co_await loop_.SleepUntil(now + std::chrono::milliseconds(1));
    }
  }
  Task<void> One(int requests, int& good, int& left) {
    const Deadline deadline = Deadline::After(Clock::now(), std::chrono::seconds(20));
    auto dialled = co_await connector_->Dial(deadline);
    backends::HttpRequest request;
    backends::HttpReply reply;
    for (int i = 0; dialled.connection && i < requests; ++i) {
      co_await dialled.connection->Exchange(request, reply, deadline);
      if (!reply.failure) ++good;
    }
    --left;
  }
  Task<void> Many(int connections, int requests, int& good) {
    int left = connections;
    for (int i = 0; i < connections; ++i) Detach(One(requests, good, left));
    while (left > 0) co_await loop_.SleepUntil(Clock::now() + std::chrono::milliseconds(1));
  }

  backends::EventLoop loop_;
  std::unique_ptr<backends::HttpConnector> connector_;
  std::unique_ptr<backends::HttpConnection> connection_;
};

}  // namespace perf::test
