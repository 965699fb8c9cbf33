// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_route.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr const char* kDebianSockets = "/var/run/postgresql";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::uint16_t Port(const std::string& text, std::uint16_t fallback) {
  const auto number = ParseInteger(text);
  return number && *number > 0 && *number <= 65535 ? static_cast<std::uint16_t>(*number) : fallback;
}

}  // namespace

StreamAddress PostgresUpstream(const std::string& conninfo) {
  constexpr std::uint16_t kDefaultPort = 5432;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), PQconninfoFree);
  if (!parsed) throw ConfigError("libpq does not understand the connection string");
  std::string host = Environment("PGHOST");
  std::string address = Environment("PGHOSTADDR");
  std::string port = Environment("PGPORT");
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || *option->val == '\0') continue;
    const std::string_view key = option->keyword;
    if (key == "host") host = option->val;
    if (key == "hostaddr") address = option->val;
    if (key == "port") port = option->val;
  }
  const auto several = [](const std::string& list) { return list.find(',') != std::string::npos; };
  if (several(host) || several(address) || several(port)) {
    throw ConfigError("faults of the network need a target of one host; this one has several");
  }
  StreamAddress upstream;
  upstream.port = Port(port, kDefaultPort);
  upstream.host = address.empty() ? host : address;
  if (upstream.host.starts_with('@')) {
    throw ConfigError("faults of the network do not reach a socket in the abstract namespace");
  }
  if (upstream.host.empty()) upstream.host = kDebianSockets;
  if (upstream.host.starts_with('/')) {
    upstream.unix_socket = upstream.host + "/.s.PGSQL." + std::to_string(upstream.port);
  }
  return upstream;
}

StreamAddress RedisUpstream(const Url& url) {
  constexpr std::uint16_t kDefaultPort = 6379;
  StreamAddress upstream;
  if (url.scheme == "unix") {
    upstream.unix_socket = PercentDecode(url.path);
  } else {
    upstream.host = url.host.empty() ? "127.0.0.1" : url.host;
    upstream.port = url.port == 0 ? kDefaultPort : url.port;
  }
  return upstream;
}

StreamAddress HttpUpstream(const HttpConfig& config) {
  if (!config.proxy.empty()) {
    throw ConfigError("faults of the network do not go with `proxy`: both say where to connect");
  }
  StreamAddress upstream;
  upstream.unix_socket = config.unix_socket;
  upstream.host = config.base.host;
  upstream.port = config.base.port != 0           ? config.base.port
                  : config.base.scheme == "https" ? 443
                                                  : 80;
  return upstream;
}

}  // namespace perf::backends
