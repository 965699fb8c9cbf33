// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "libperf/backends/loop.hpp"
#include "libperf/backends/poller.hpp"

namespace perf::backends {

/// One transfer that a CurlMulti runs.
class CurlTransfer {
 public:
  /// The easy handle has left the multi. May start another transfer and destroy anything.
  virtual void OnDone(CURLcode result) = 0;

 protected:
  ~CurlTransfer() = default;
};

/// curl's multi handle on an event loop, by curl_multi_socket_action.
/// What makes it cheap: curl's frequent timer of 0 ms is one posted call for many transfers,
/// longer ones are coarse alarms, and sockets stay registered while curl looks away.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: held by shared_ptr, by the connector and by each of its handles, because curl calls
/// back also while connections of handles long gone are closed.
class CurlMulti final : public std::enable_shared_from_this<CurlMulti> {
 public:
  explicit CurlMulti(EventLoop& loop);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  EventLoop& Loop() noexcept { return loop_; }
  /// Sets what every handle of this multi needs. Call once per handle.
  void Prepare(CURL* easy);
  /// The transfer begins at the loop's next turn. False where curl refuses.
  bool Start(CURL* easy, CurlTransfer& transfer);
  /// Takes a transfer out before its end: OnDone is not called. Its connection is closed.
  void Abandon(CURL* easy) noexcept;

 private:
  struct Socket final : Poller::Watcher {
    Socket(CurlMulti& m, int f, bool o) : multi(m), fd(f), opened_by_us(o) {}
    void OnEvents(std::uint32_t events) override;
    CurlMulti& multi;
    int fd;
    bool opened_by_us;  // then its closing is told, and it may stay registered until then
    std::uint32_t wanted = 0;
    std::uint32_t registered = 0;
  };

  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);
  static curl_socket_t OnOpen(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int OnClose(void* self, curl_socket_t fd);

  Socket& Find(int fd);
  void Watch(Socket& socket, std::uint32_t wanted) noexcept;
  void Forget(int fd) noexcept;
  void PostKick();
  void Kick();
  void Cork(int on) noexcept;
  void Act(curl_socket_t fd, int events);
  void Reap();

  EventLoop& loop_;
  Poller& poller_;
  CURLM* multi_;
  Alarm timer_;
  bool kick_posted_ = false;
  std::size_t started_ = 0;  // since the last kick
  std::unordered_map<int, std::unique_ptr<Socket>> sockets_;
};

}  // namespace perf::backends
