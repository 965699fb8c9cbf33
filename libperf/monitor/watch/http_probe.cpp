// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/backends/http.hpp"
#include "libperf/base/error.hpp"
#include "libperf/monitor/watch/exposition_text.hpp"
#include "libperf/monitor/watch/figures.hpp"
#include "libperf/monitor/watch/kept_connection.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {
namespace {

using backends::HttpConnection;
using backends::HttpReply;

// A query may hold a secret.
std::string WithoutQuery(std::string_view path) {
  return std::string(path.substr(0, path.find('?')));
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(std::unique_ptr<backends::HttpConnector> connector, const WatchTarget& target,
            std::string path, const ExpositionLimits& limits)
      : scrape_(target.kind == WatchKind::kScrape),
        limits_(limits),
        shown_(WithoutQuery(path)),
        connection_(std::move(connector)) {
    request_.target = std::move(path);
    if (!target.token.empty()) {
      request_.headers.emplace_back("Authorization", "Bearer " + target.token);
    }
    if (!scrape_) return;
    request_.headers.emplace_back("Accept",
                                  "application/openmetrics-text;version=1.0.0;q=0.6,"
                                  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
    request_.keep_body = true;
    request_.keep_headers = true;
  }
  void Close() noexcept override { connection_.Close(); }

  Task<void> Ask(ProbeResult& result, Deadline deadline) override {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const bool is_new = co_await connection_.Ready(result.failure, deadline);
      if (result.failure) co_return;
      HttpReply reply;
      co_await connection_.Get().Exchange(request_, reply, deadline);
      result.failure = std::move(reply.failure);
      const bool retry = connection_.RetryAfter(result.failure, is_new);
      if (retry) continue;
      if (!result.failure) Judge(reply, result);
      co_return;
    }
  }

 private:
  void Judge(const HttpReply& reply, ProbeResult& result) const {
    const Figures figures(result);
    figures.Gauge("perfkit_http_probe_status", "Status of the last answer.", reply.status);
    // As with pools: what is below 500 is an answer. Metrics come with 200 alone.
    if (scrape_ ? reply.status != 200 : reply.status >= 500) {
      result.failure = {ErrorKind::kStatus, fmt::format("{} {} was answered with status {}",
                                                        request_.method, shown_, reply.status)};
      return;
    }
    if (!scrape_) return;
    if (reply.body_bytes > reply.body.size()) {
      result.failure = {ErrorKind::kProtocol,
                        fmt::format("more than {} bytes of metrics", limits_.bytes)};
      return;
    }
    const std::string* const type = reply.Header("Content-Type");
    const bool open = type != nullptr && type->starts_with("application/openmetrics-text");
    ParsedExposition parsed = ParseExposition(reply.body, open, limits_);
    if (!parsed.error.empty()) {
      result.failure = {ErrorKind::kProtocol, std::move(parsed.error)};
      return;
    }
    result.scraped = std::move(parsed.snapshot);
    figures.Gauge("perfkit_target_scraped_series", "Series of the last scrape.",
                  static_cast<double>(parsed.series));
    figures.Gauge("perfkit_target_scraped_bytes", "Length of the last scrape.",
                  static_cast<double>(reply.body.size()));
  }

  const bool scrape_;
  const ExpositionLimits limits_;
  const std::string shown_;
  backends::HttpRequest request_;
  KeptConnection<backends::HttpConnector, HttpConnection> connection_;
};

}  // namespace

std::unique_ptr<Probe> MakeHttpProbe(backends::EventLoop& loop, const WatchTarget& target,
                                     const ExpositionLimits& limits) {
  backends::HttpConfig config;
  config.base = Url::Parse(target.url);
  if (config.base.scheme != "http" && config.base.scheme != "https") {
    throw ConfigError("its URL must begin with http:// or https://");
  }
  std::string path = config.base.path;
  if (path.empty()) path = target.kind == WatchKind::kScrape ? "/metrics" : "/";
  if (!config.base.query.empty()) path += "?" + config.base.query;
  config.unix_socket = target.unix_socket;
  config.max_body_kept = limits.bytes;
  return std::make_unique<HttpProbe>(backends::MakeHttpConnector(loop, std::move(config)), target,
                                     std::move(path), limits);
}

}  // namespace perf::monitor
