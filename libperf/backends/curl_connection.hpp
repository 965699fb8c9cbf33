// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <array>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/curl_target.hpp"
#include "libperf/backends/http.hpp"

namespace perf::backends {

/// The request headers as curl wants them.
class CurlHeaders {
 public:
  CurlHeaders() noexcept = default;
  ~CurlHeaders() { curl_slist_free_all(list_); }
  CurlHeaders(const CurlHeaders&) = delete;
  CurlHeaders& operator=(const CurlHeaders&) = delete;
  void Clear() noexcept { curl_slist_free_all(std::exchange(list_, nullptr)); }
  void Add(const HttpHeader& header) {
    // "Name:" would take the header out; an empty one is written with a semicolon.
    Add(header.first + (header.second.empty() ? ";" : ": " + header.second));
  }
  void Add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list_ = longer;
  }
  curl_slist* Get() const noexcept { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

/// A permit to run one transfer at a time: an easy handle whose socket is curl's affair.
/// Thread safety: none; belongs to its loop's thread.
class CurlConnection final : public HttpConnection, private CurlTransfer {
 public:
  explicit CurlConnection(std::shared_ptr<CurlTarget> target);
  ~CurlConnection() override {
    Stop();
    curl_easy_cleanup(easy_);
  }
  CurlConnection(const CurlConnection&) = delete;
  CurlConnection& operator=(const CurlConnection&) = delete;

  bool Reusable() const noexcept override { return usable_; }
  // curl itself looks at an idle connection before it uses it.
  bool Alive() noexcept override { return usable_; }
  Task<void> Exchange(const HttpRequest& request, HttpReply& reply, Deadline deadline) override;

 private:
  struct Ended {
    CurlConnection& self;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { self.waiter_ = handle; }
    void await_resume() const noexcept {}
  };
  struct Exchanging {
    CurlConnection& self;
    ~Exchanging() { self.Stop(); }
  };

  bool IsError() const noexcept;
  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* self);

  void OnDone(CURLcode result) override;
  void Stop() noexcept;
  bool Begin(const HttpRequest& request, HttpReply& reply, Deadline deadline);
  void SetRequest(const HttpRequest& request);
  void SetHeaders(const HttpRequest& request);
  void End();
  void TakeFacts();
  bool TakeHeader(std::string_view line);
  void TellTimeout(bool connected);

  std::shared_ptr<CurlTarget> target_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  CURL* easy_;
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  const HttpRequest* request_ = nullptr;
  HttpReply* reply_ = nullptr;
  CURLcode result_ = CURLE_OK;
  bool running_ = false;
  bool usable_ = true;
  bool closes_ = false;  // the server said so: the handle forbids to use its connection again
  std::size_t head_bytes_ = 0;
  unsigned fields_ = 0;
  bool head_ended_ = false;
  std::optional<std::uint64_t> length_;
  const char* bad_head_ = nullptr;
  // What the handle is set to, so that a steady load sets nothing.
  std::string method_ = "GET";
  std::string path_;
  bool sends_body_ = false;
  bool headers_set_ = false;
  bool headers_for_body_ = false;
  std::vector<HttpHeader> extra_;
  CurlHeaders list_;
};

}  // namespace perf::backends
