// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {

using HttpHeader = std::pair<std::string, std::string>;

/// So much of an error's body is always kept, to show what came back.
inline constexpr std::uint64_t kErrorBodyKept = 512;

/// One request; reused by its owner, so that a steady load allocates nothing.
struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query, percent-encoded, as sent
  std::vector<HttpHeader>
      headers;  // beside Host, Content-Length, User-Agent, which the client adds
  std::string body;
  /// Whether the reply's body and headers are wanted; where not, they are read and dropped, but
  /// for the first kErrorBodyKept bytes of a body with a status from 400 on.
  bool keep_body = false;
  bool keep_headers = false;
};

struct HttpReply {
  Failure failure;
  Timing timing;
  int status = 0;
  int version = 0;                  // 10, 11, 20
  std::vector<HttpHeader> headers;  // names as received
  std::string body;                 // at most HttpConfig::max_body_kept bytes
  std::uint64_t body_bytes = 0;     // on the wire, after transfer decoding
  void Clear() noexcept;
  /// First header of that name, whatever its case; nullptr where there is none.
  const std::string* Header(std::string_view name) const noexcept;
};

enum class HttpClient { kAuto, kNative, kCurl };
enum class HttpVersion { kAuto, k11, k2 };

struct HttpConfig {
  Url base;  // scheme, host, port, and user and password for basic authentication
  HttpClient client = HttpClient::kAuto;  // auto: native for http:// without proxy and h2
  HttpVersion version = HttpVersion::kAuto;
  std::vector<HttpHeader> headers;  // sent with every request
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  bool verify = true;
  std::string proxy;        // empty: none, whatever the environment says
  std::string unix_socket;  // path; empty for TCP
  /// Where not 0: connections go to this port of 127.0.0.1 instead (a fault proxy). The Host header
  /// and the name in TLS stay those of `base`.
  std::uint16_t via_port = 0;
  std::uint64_t max_body_kept = 1 << 20;
};

/// A connection of the native client, or a permit to run one transfer on curl's multi.
class PERF_EXPORT HttpConnection : public Connection {
 public:
  /// Runs one request; never throws for what the peer did: see `reply.failure`.
  /// Any status is a success here; whether it is a failure is the step's decision.
  virtual Task<void> Exchange(const HttpRequest& request, HttpReply& reply, Deadline deadline) = 0;
};

/// Makes connections to one target on one loop.
class PERF_EXPORT HttpConnector {
 public:
  virtual ~HttpConnector();
  virtual Task<Dialled<HttpConnection>> Dial(Deadline deadline) = 0;
  /// Really connects once (with TLS where the URL says so) and hangs up: whether the target can be
  /// reached before a run starts. `failure` outlives the task.
  virtual Task<void> Probe(Failure& failure, Deadline deadline) = 0;
};

/// Throws: ConfigError where the configuration cannot work (native client for https, …).
PERF_EXPORT std::unique_ptr<HttpConnector> MakeHttpConnector(EventLoop& loop, HttpConfig config);

}  // namespace perf::backends
