// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/task.hpp"

namespace perf::backends {

/// Key words and values for PQconnectStartParams.
using PgOptions = std::vector<std::pair<std::string, std::string>>;

/// What `target_session_attrs` asks of a server.
enum class PgRole { kAny, kReadWrite, kReadOnly, kPrimary, kStandby, kPreferStandby };
/// As libpq spells it.
std::string_view Name(PgRole role) noexcept;
/// Whether such a session is meant for writing.
constexpr bool Writes(PgRole role) noexcept {
  return role == PgRole::kReadWrite || role == PgRole::kPrimary;
}

/// One server of a conninfo, as given there.
struct PgHost {
  std::string host;     // name, address or directory of a socket; empty: libpq's default
  std::string address;  // hostaddr
  std::string port;
  std::string Label() const;
};

/// A conninfo taken apart, so that each of its servers is dialled by itself: libpq has no deadline
/// for one of several while it does not block, and asks the resolver in the middle of the loop.
struct PgServers {
  std::vector<PgHost> hosts;  // never empty
  PgOptions options;          // those that all have in common
  PgRole role = PgRole::kAny;
  bool shuffle = false;     // load_balance_hosts=random
  Duration host_timeout{};  // connect_timeout, which libpq means for each host; 0: none
  bool Several() const noexcept { return hosts.size() > 1; }
};

/// Throws: ConfigError where the numbers of hosts, addresses and ports do not agree, or for a role
/// that libpq does not know.
PgServers SplitPgServers(PgOptions options);

/// The options for one address of `host`. `role` goes to libpq, which checks it.
PgOptions OptionsFor(const PgServers& servers, const PgHost& host, const std::string& address,
                     PgRole role);

/// The addresses at which to dial `host`: {""} where libpq needs no help to find it. Names are
/// resolved at each call, off the loop. Lifetime: all arguments outlive the task.
Task<void> FindPgAddresses(EventLoop& loop, const PgHost& host, std::vector<std::string>& found,
                           Failure& failure, Deadline deadline);

}  // namespace perf::backends
