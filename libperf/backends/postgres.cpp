// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/postgres.hpp"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "libperf/backends/failure_text.hpp"
#include "libperf/backends/pg_session.hpp"
#include "libperf/backends/stream_dial.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {

SqlReply::SqlReply() noexcept = default;

SqlReply::~SqlReply() { PQclear(result_); }

void SqlReply::Clear() noexcept {
  failure.Clear();
  timing = {};
  sqlstate.clear();
  Adopt(nullptr);
}

void SqlReply::Adopt(pg_result* result) noexcept {
  PQclear(result_);
  result_ = result;
}

std::size_t SqlReply::Rows() const noexcept { return static_cast<std::size_t>(PQntuples(result_)); }

std::size_t SqlReply::Columns() const noexcept {
  return static_cast<std::size_t>(PQnfields(result_));
}

std::string_view SqlReply::ColumnName(std::size_t column) const noexcept {
  if (column >= Columns()) return {};
  return PQfname(result_, static_cast<int>(column));
}

std::optional<std::string_view> SqlReply::Value(std::size_t row,
                                                std::size_t column) const noexcept {
  if (row >= Rows() || column >= Columns()) return std::nullopt;
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  if (PQgetisnull(result_, r, c) != 0) return std::nullopt;
  return std::string_view(PQgetvalue(result_, r, c),
                          static_cast<std::size_t>(PQgetlength(result_, r, c)));
}

std::uint64_t SqlReply::Affected() const noexcept {
  if (result_ == nullptr) return 0;
  // "" for statements that have no count.
  return static_cast<std::uint64_t>(ParseInteger(PQcmdTuples(result_)).value_or(0));
}

namespace {

/// `hostaddr` and `port` say where to; `host` stays, for the certificate and the password file.
void GoVia(std::uint16_t port, PgOptions& options) {
  std::string host;
  for (const auto& [key, value] : options) {
    // Without a name the certificate is compared with the address.
    if (key == "host" || (key == "hostaddr" && host.empty())) host = value;
  }
  if (const char* given = std::getenv("PGHOST"); host.empty() && given != nullptr) host = given;
  std::erase_if(options, [](const auto& option) {
    return option.first == "hostaddr" || option.first == "port" || option.first == "host";
  });
  const bool socket = host.empty() || host[0] == '/' || host[0] == '@';
  options.emplace_back("host", socket ? "localhost" : host);
  options.emplace_back("hostaddr", "127.0.0.1");
  options.emplace_back("port", std::to_string(port));
  if (!socket) return;
  // A unix socket has no TLS, whatever was asked for.
  std::erase_if(options, [](const auto& option) { return option.first == "sslmode"; });
  options.emplace_back("sslmode", "disable");
}

}  // namespace

PgOptions MakePgOptions(const PostgresConfig& config) {
  char* error = nullptr;
  PQconninfoOption* const parsed = PQconninfoParse(config.conninfo.c_str(), &error);
  if (parsed == nullptr) {
    const std::string text = error != nullptr ? FailureText(error) : "out of memory";
    PQfreemem(error);
    throw ConfigError("connection string of postgres: " + text);
  }
  PgOptions options;
  const auto given = [&options](std::string_view key) {
    for (const auto& option : options) {
      if (option.first == key) return true;
    }
    return false;
  };
  for (const PQconninfoOption* option = parsed; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) options.emplace_back(option->keyword, option->val);
  }
  PQconninfoFree(parsed);
  if (config.via_port != 0) GoVia(config.via_port, options);
  options.emplace_back("fallback_application_name", config.application_name);
  // Values go into results as JSON, which is UTF-8.
  if (!given("client_encoding")) options.emplace_back("client_encoding", "UTF8");
  // The search for Kerberos credentials costs milliseconds per dial and is hardly ever wanted.
  if (!given("gssencmode") && std::getenv("PGGSSENCMODE") == nullptr) {
    options.emplace_back("gssencmode", "disable");
  }
  return options;
}

namespace {

/// The one host that has to be asked for by name; empty where there is none, or several.
std::string NameToResolve(const PgOptions& options) {
  std::string host;
  for (const auto& [key, value] : options) {
    if (key == "hostaddr" && !value.empty()) return {};
    if (key == "host") host = value;
  }
  in6_addr ignored;
  const bool none = host.empty() || host[0] == '/' || host[0] == '@' || host == "localhost";
  const bool literal = ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
                       ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
  return none || literal || host.find(',') != std::string::npos ? std::string() : host;
}

std::uint16_t PortOf(const PgOptions& options) {
  constexpr std::uint16_t kDefaultPort = 5432;
  for (const auto& [key, value] : options) {
    const auto number = key == "port" ? ParseInteger(value) : std::nullopt;
    if (number && *number > 0 && *number <= 65535) return static_cast<std::uint16_t>(*number);
  }
  return kDefaultPort;
}

std::string PeerOf(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  auto* const address = reinterpret_cast<sockaddr*>(&peer);
  char text[INET6_ADDRSTRLEN + 32] = "";
  if (::getpeername(fd, address, &length) == 0) {
    ::getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  }
  return text;
}

class Connector final : public PostgresConnector {
 public:
  Connector(EventLoop& loop, const PostgresConfig& config)
      : loop_(loop), options_(MakePgOptions(config)), prepared_(config.prepared) {
    server_.host = NameToResolve(options_);
    server_.port = PortOf(options_);
  }

  Task<Dialled<PostgresConnection>> Dial(Deadline deadline) override {
    Dialled<PostgresConnection> dialled;
    if (!server_.host.empty() && Clock::now() >= known_until_) {
      co_await Resolve(dialled.failure, deadline);
      if (dialled.failure) co_return dialled;
    }
    PgOptions options = options_;
    if (!address_.empty()) options.emplace_back("hostaddr", address_);
    auto session = std::make_unique<PgSession>(loop_, prepared_);
    dialled.failure = co_await session->Open(options, deadline);
    if (dialled.failure) {
      known_until_ = {};
    } else {
      dialled.connection = std::move(session);
    }
    co_return dialled;
  }

 private:
  /// libpq asks the resolver inside PQconnectPoll, where that would hold up the whole loop. So a
  /// connection that works is made first, off it, and libpq is told the address.
  Task<void> Resolve(Failure& failure, Deadline deadline) {
    const UniqueFd fd = co_await DialStream(loop_, server_, failure, deadline);
    if (failure) co_return;
    address_ = PeerOf(fd.Get());
    known_until_ = Clock::now() + kRemember;
  }

  static constexpr Duration kRemember = std::chrono::seconds(30);
  EventLoop& loop_;
  PgOptions options_;
  bool prepared_;
  StreamAddress server_;  // host empty where libpq needs no help
  std::string address_;
  TimePoint known_until_{};
};

}  // namespace

PostgresConnector::~PostgresConnector() = default;

std::unique_ptr<PostgresConnector> MakePostgresConnector(EventLoop& loop, PostgresConfig config) {
  return std::make_unique<Connector>(loop, config);
}

}  // namespace perf::backends
