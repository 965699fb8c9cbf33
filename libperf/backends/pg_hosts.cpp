// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_hosts.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "libperf/backends/stream_dial.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr std::array<std::string_view, 6> kRoles{"any",     "read-write", "read-only",
                                                 "primary", "standby",    "prefer-standby"};
constexpr std::uint16_t kDefaultPort = 5432;

/// Takes an option out; where it was not given, libpq's variable of the environment holds.
std::string TakeOut(PgOptions& options, std::string_view key, const char* variable) {
  std::string value;
  std::erase_if(options, [&](const auto& option) {
    if (option.first != key) return false;
    value = option.second;
    return true;
  });
  if (const char* given = std::getenv(variable); value.empty() && given != nullptr) value = given;
  return value;
}

std::vector<std::string> List(const std::string& text) {
  std::vector<std::string> values;
  if (text.empty()) return values;
  for (const std::string_view value : Split(text, ',')) values.emplace_back(Trim(value));
  return values;
}

PgRole ReadRole(const std::string& text) {
  if (text.empty()) return PgRole::kAny;
  const auto found = std::find(kRoles.begin(), kRoles.end(), text);
  if (found == kRoles.end()) {
    throw ConfigError(
        fmt::format("connection string of postgres: target_session_attrs is one of "
                    "{}, not \"{}\"",
                    fmt::join(kRoles, ", "), Excerpt(text, 64)));
  }
  return static_cast<PgRole>(found - kRoles.begin());
}

std::vector<PgHost> MakeHosts(const std::vector<std::string>& names,
                              const std::vector<std::string>& addresses,
                              const std::vector<std::string>& ports) {
  const std::size_t count = std::max<std::size_t>({1, names.size(), addresses.size()});
  const auto check = [count](std::string_view what, std::size_t given, bool one_for_all) {
    if (given == 0 || given == count || (one_for_all && given == 1)) return;
    throw ConfigError(
        fmt::format("connection string of postgres: {} {} for {} hosts", given, what, count));
  };
  check("host names", names.size(), false);
  check("addresses (hostaddr)", addresses.size(), false);
  check("ports", ports.size(), true);
  std::vector<PgHost> hosts(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!names.empty()) hosts[i].host = names[i];
    if (!addresses.empty()) hosts[i].address = addresses[i];
    if (!ports.empty()) hosts[i].port = ports[ports.size() == 1 ? 0 : i];
  }
  return hosts;
}

bool IsLiteral(const std::string& host) {
  in6_addr ignored;
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

}  // namespace

std::string_view Name(PgRole role) noexcept { return kRoles[static_cast<std::size_t>(role)]; }

std::string PgHost::Label() const {
  std::string label = host.empty() ? address : host;
  if (label.find(':') != std::string::npos) label = "[" + label + "]";
  if (!port.empty() && !label.starts_with('/')) label += ":" + port;
  return label;
}

PgServers SplitPgServers(PgOptions options) {
  PgServers servers;
  servers.role = ReadRole(TakeOut(options, "target_session_attrs", "PGTARGETSESSIONATTRS"));
  const bool in_file = std::getenv("PGSERVICE") != nullptr ||
                       std::any_of(options.begin(), options.end(),
                                   [](const auto& o) { return o.first == "service"; });
  if (in_file) {
    // Which hosts a service has only libpq knows.
    servers.hosts.emplace_back();
    servers.options = std::move(options);
    return servers;
  }
  const auto names = List(TakeOut(options, "host", "PGHOST"));
  const auto addresses = List(TakeOut(options, "hostaddr", "PGHOSTADDR"));
  const auto ports = List(TakeOut(options, "port", "PGPORT"));
  servers.hosts = MakeHosts(names, addresses, ports);
  servers.shuffle = TakeOut(options, "load_balance_hosts", "PGLOADBALANCEHOSTS") == "random";
  const auto seconds = ParseInteger(TakeOut(options, "connect_timeout", "PGCONNECT_TIMEOUT"));
  if (seconds && *seconds > 0) {
    servers.host_timeout = std::chrono::seconds(std::min<std::int64_t>(*seconds, 3600));
  }
  servers.options = std::move(options);
  return servers;
}

PgOptions OptionsFor(const PgServers& servers, const PgHost& host, const std::string& address,
                     PgRole role) {
  PgOptions options = servers.options;
  // The name stays, for the certificate and the password file.
  if (!host.host.empty()) options.emplace_back("host", host.host);
  if (!address.empty()) options.emplace_back("hostaddr", address);
  if (!host.port.empty()) options.emplace_back("port", host.port);
  if (role != PgRole::kAny) options.emplace_back("target_session_attrs", Name(role));
  return options;
}

Task<void> FindPgAddresses(EventLoop& loop, const PgHost& host, std::vector<std::string>& found,
                           Failure& failure, Deadline deadline) {
  const std::string& name = host.host;
  const bool known =
      !host.address.empty() || name.empty() || name[0] == '/' || name[0] == '@' || IsLiteral(name);
  if (known) {
    found.push_back(host.address);
    co_return;
  }
  const auto port = ParseInteger(host.port);
  StreamAddress address;
  address.host = name;
  address.port = static_cast<std::uint16_t>(port.value_or(kDefaultPort));
  co_await ResolveHost(loop, address, found, failure, deadline);
}

}  // namespace perf::backends
