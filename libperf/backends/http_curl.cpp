// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_curl.hpp"

#include <array>
#include <coroutine>
#include <string>
#include <utility>

#include "libperf/backends/curl_connection.hpp"
#include "libperf/backends/curl_target.hpp"

namespace perf::backends {
namespace {

/// A handle that connects and does nothing more.
class CurlProbe final : private CurlTransfer {
 public:
  explicit CurlProbe(std::shared_ptr<CurlTarget> target)
      : target_(std::move(target)),
        easy_(target_->MakeEasy(error_.data())),
        alarm_(target_->multi->Loop(), [this] {
          Stop();
          OnDone(CURLE_OPERATION_TIMEDOUT);
        }) {
    curl_easy_setopt(easy_, CURLOPT_CONNECT_ONLY, 1L);
  }
  ~CurlProbe() {
    Stop();
    curl_easy_cleanup(easy_);
  }
  CurlProbe(const CurlProbe&) = delete;
  CurlProbe& operator=(const CurlProbe&) = delete;

  bool Start(Deadline deadline) {
    running_ = target_->multi->Start(easy_, *this);
    alarm_.Arm(deadline);
    return running_;
  }
  bool await_ready() const noexcept { return !running_; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiter_ = handle; }
  void await_resume() const noexcept {}
  void Tell(Failure& failure) const {
    if (result_ == CURLE_OK) return;
    const bool late = result_ == CURLE_OPERATION_TIMEDOUT;
    failure.kind = ErrorKind::kConnect;
    failure.text = "connect to " + target_->url + ": " +
                   (late ? "timed out" : CurlErrorText(easy_, result_, error_.data()));
  }

 private:
  void OnDone(CURLcode result) override {
    running_ = false;
    result_ = result;
    if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
  }
  void Stop() noexcept {
    alarm_.Disarm();
    if (std::exchange(running_, false)) target_->multi->Abandon(easy_);
  }

  std::shared_ptr<CurlTarget> target_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  CURL* easy_;
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  CURLcode result_ = CURLE_FAILED_INIT;
  bool running_ = false;
};

class CurlConnector final : public HttpConnector {
 public:
  CurlConnector(EventLoop& loop, HttpConfig&& config)
      : target_(std::make_shared<CurlTarget>(loop, std::move(config))) {}

  Task<Dialled<HttpConnection>> Dial(Deadline) override {
    Dialled<HttpConnection> dialled;
    dialled.connection = std::make_unique<CurlConnection>(target_);
    co_return dialled;
  }

  Task<void> Probe(Failure& failure, Deadline deadline) override {
    failure.Clear();
    CurlProbe probe(target_);
    probe.Start(deadline);
    co_await probe;
    probe.Tell(failure);
  }

 private:
  std::shared_ptr<CurlTarget> target_;
};

}  // namespace

std::unique_ptr<HttpConnector> MakeCurlConnector(EventLoop& loop, HttpConfig config) {
  return std::make_unique<CurlConnector>(loop, std::move(config));
}

}  // namespace perf::backends
