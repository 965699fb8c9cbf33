// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"

namespace perf::service {

/// Who is at the other end of a connection.
struct Peer {
  bool local = false;     // a unix socket; then the kernel says who it is
  uid_t uid = 0;          // of a local one
  pid_t pid = 0;          // likewise
  std::string address{};  // of the rest, without port
  bool loopback = false;  // of the rest
};

/// A request that was read whole.
struct PERF_EXPORT Request {
  std::string method;  // upper case
  std::string target;  // as sent
  std::string path;    // of the target; only letters, digits, '/', '_', '-' and '.'
  std::string query;   // of the target, without '?', as sent
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::string body;
  Peer peer;

  /// The first field of that name (in lower case), or "".
  std::string_view Field(std::string_view name) const noexcept;
  /// The decoded value of the first parameter of that name.
  std::optional<std::string> Parameter(std::string_view name) const;
};

/// Splits a target into path and query. False for anything but a plain absolute path of at most
/// 2,048 bytes: an escape, an empty or dotted segment, a backslash or a foreign byte has no place
/// in ours, so what would need care is refused instead.
PERF_EXPORT bool TakeTarget(std::string_view target, Request& request);

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string cache_control = "no-cache";
  std::string vary{};  // fields beside Accept-Encoding on which the body depends
  std::vector<std::pair<std::string, std::string>> fields{};
  std::shared_ptr<const std::string> body{};
};

PERF_EXPORT Reply JsonReply(const Json& body, int status = 200);
/// An error as RFC 9457 has it. `detail` must hold no secrets.
PERF_EXPORT Reply Problem(int status, std::string_view detail);
/// "Not Found" …, or "Status".
PERF_EXPORT std::string_view ReasonPhrase(int status) noexcept;

/// The last touch to what a handler gave: ETag and 304 for a 200 of GET and HEAD, gzip where it is
/// welcome and pays (from 1 KiB), Cache-Control, Vary, and what keeps browsers from guessing.
PERF_EXPORT void Finish(const Request& request, Reply& reply);

}  // namespace perf::service
