// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_hosts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libperf/backends/pg_session.hpp"
#include "libperf/base/error.hpp"
#include "real_servers.hpp"

namespace perf::backends {
namespace {

PgServers Split(const std::string& conninfo) {
  PostgresConfig config;
  config.conninfo = conninfo;
  return SplitPgServers(MakePgOptions(config));
}

std::string Value(const PgOptions& options, std::string_view key) {
  for (const auto& [name, value] : options) {
    if (name == key) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("pg hosts: a conninfo is taken apart, by words and as a URI") {
  for (const char* conninfo :
       {"host=one,/run/two,::1 port=1,,3 dbname=d target_session_attrs=read-write "
        "connect_timeout=4",
        "postgresql://one:1,%2Frun%2Ftwo,[::1]:3/d?target_session_attrs=read-write&"
        "connect_timeout=4"}) {
    CAPTURE(conninfo);
    const PgServers servers = Split(conninfo);
    REQUIRE(servers.hosts.size() == 3);
    CHECK(servers.Several());
    CHECK(servers.role == PgRole::kReadWrite);
    CHECK(servers.host_timeout == std::chrono::seconds(4));
    CHECK(servers.hosts[0].Label() == "one:1");
    CHECK(servers.hosts[1].Label() == "/run/two");
    CHECK(servers.hosts[2].Label() == "[::1]:3");
    const PgOptions first = OptionsFor(servers, servers.hosts[0], "192.0.2.1", PgRole::kPrimary);
    CHECK(Value(first, "host") == "one");
    CHECK(Value(first, "hostaddr") == "192.0.2.1");
    CHECK(Value(first, "port") == "1");
    CHECK(Value(first, "dbname") == "d");
    CHECK(Value(first, "target_session_attrs") == "primary");
    CHECK(Value(first, "connect_timeout") == "");
    const PgOptions second = OptionsFor(servers, servers.hosts[1], "", PgRole::kAny);
    CHECK(Value(second, "host") == "/run/two");
    CHECK(Value(second, "hostaddr") == "");
    CHECK(Value(second, "target_session_attrs") == "");
  }
  const PgServers one_port = Split("hostaddr=10.0.0.1,10.0.0.2 port=7");
  REQUIRE(one_port.hosts.size() == 2);
  CHECK(one_port.hosts[1].address == "10.0.0.2");
  CHECK(one_port.hosts[1].port == "7");
  CHECK(one_port.role == PgRole::kAny);
  CHECK_FALSE(Split("dbname=d").Several());
}

TEST_CASE("pg hosts: what cannot be meant is refused") {
  CHECK_THROWS_WITH_AS(Split("host=a,b port=1,2,3"), doctest::Contains("3 ports for 2 hosts"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(Split("host=a,b hostaddr=10.0.0.1"), doctest::Contains("for 2 hosts"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(Split("host=a target_session_attrs=master"), doctest::Contains("read-write"),
                       ConfigError);
}

TEST_CASE("pg hosts: names are resolved to addresses of both families, others are left alone") {
  EventLoop loop;
  const auto find = [&](const PgHost& host) {
    std::vector<std::string> found;
    Failure failure;
    test::RunOn(loop, FindPgAddresses(loop, host, found, failure, test::Soon()));
    if (failure) found.push_back(failure.text);
    return found;
  };
  using List = std::vector<std::string>;
  CHECK(find({"localhost", "", "1"}) == List{"127.0.0.1", "::1"});
  CHECK(find({"192.0.2.7", "", ""}) == List{""});
  CHECK(find({"2001:db8::1", "", ""}) == List{""});
  CHECK(find({"/run/postgresql", "", ""}) == List{""});
  CHECK(find({"any.example", "192.0.2.9", ""}) == List{"192.0.2.9"});
  // RFC 6761: never a name.
  const List absent = find({"nobody.invalid", "", "5432"});
  REQUIRE(absent.size() == 1);
  CHECK(absent[0].starts_with("connect to nobody.invalid:5432: "));
}

}  // namespace perf::backends
