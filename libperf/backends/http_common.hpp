// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/http.hpp"

namespace perf::backends {

inline constexpr const char* kUserAgent = "perfkit";

/// What both HTTP clients put into every request; made once per connector.
/// Thread safety: constant after construction.
class HttpPreamble {
 public:
  /// Throws: ConfigError for a header that cannot be sent.
  explicit HttpPreamble(const HttpConfig& config);

  /// Host first, then User-Agent, Authorization where the URL has a user, and the configured ones.
  const std::vector<HttpHeader>& Headers() const noexcept { return headers_; }
  /// Whether that header of Headers() is Host or User-Agent as they are unless configured.
  bool IsDefault(const HttpHeader& header) const noexcept;
  /// Appends the whole head of an HTTP/1.1 request. A header of the request replaces one of the
  /// same name in Headers().
  void AppendHead(const HttpRequest& request, std::string& out) const;

 private:
  std::string host_;
  std::vector<HttpHeader> headers_;
  std::string lines_;  // headers_ as they are sent
};

/// A reply for `request`, sent now; false, and the reply says why, where it cannot be sent as it is
/// or there is no time left.
bool BeginReply(const HttpRequest& request, HttpReply& reply, Deadline deadline);
/// Whether Content-Length is sent although the body is empty.
bool MethodHasBody(std::string_view method) noexcept;
bool HasHeader(const std::vector<HttpHeader>& headers, std::string_view name) noexcept;
void FailReply(HttpReply& reply, ErrorKind kind, std::string_view text);

}  // namespace perf::backends
