// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf {

/// The parts of a URL (RFC 3986) of the schemes http, https, redis, rediss, unix, postgres,
/// postgresql. User and password are percent-decoded, path and query are left as written.
struct PERF_EXPORT Url {
  std::string scheme;  // lower case
  std::string user;
  std::string password;
  std::string host;        // without brackets; empty, or a path as in %2Frun%2Fpg, for unix sockets
  std::uint16_t port = 0;  // 0: not given
  std::string path;        // with its leading '/', or empty
  std::string query;       // without '?'

  /// Throws: ConfigError that says what is wrong, without the password. Strict where readers
  /// differ: '@' and '#' in a password must be encoded, and one host is named, not several.
  static Url Parse(std::string_view text);
  /// The URL without its secret: the password is "***"; query parameters whose names contain
  /// password, token, secret, key or auth likewise.
  std::string Masked() const;
  /// host, or [host] for IPv6, with ":port" where given.
  std::string Authority() const;
};

/// Whether `host` is "localhost", within 127.0.0.0/8, ::1, or empty or a path (a unix socket).
/// The query of a postgres URL may name another host: the caller has to look there too.
/// Names are not resolved: a name that merely points to loopback needs `allow:`.
PERF_EXPORT bool IsLoopback(std::string_view host) noexcept;

/// Replaces what looks like a secret in any text (passwords in URLs and in libpq's
/// "password=…", bearer tokens, basic credentials) by "***". For messages that quote foreign text.
PERF_EXPORT std::string MaskSecrets(std::string_view text);

PERF_EXPORT std::string PercentDecode(std::string_view text);
/// Encodes all but RFC 3986's unreserved characters.
PERF_EXPORT std::string PercentEncode(std::string_view text);

}  // namespace perf
