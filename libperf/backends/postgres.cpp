// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/postgres.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <utility>

#include "libperf/backends/failure_text.hpp"
#include "libperf/backends/pg_session.hpp"
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

class Connector final : public PostgresConnector {
 public:
  Connector(EventLoop& loop, const PostgresConfig& config)
      : loop_(loop), options_(MakePgOptions(config)), prepared_(config.prepared) {}

  Task<Dialled<PostgresConnection>> Dial(Deadline deadline) override {
    auto session = std::make_unique<PgSession>(loop_, prepared_);
    Dialled<PostgresConnection> dialled;
    dialled.failure = co_await session->Open(options_, deadline);
    if (!dialled.failure) dialled.connection = std::move(session);
    co_return dialled;
  }

 private:
  EventLoop& loop_;
  PgOptions options_;
  bool prepared_;
};

}  // namespace

PostgresConnector::~PostgresConnector() = default;

std::unique_ptr<PostgresConnector> MakePostgresConnector(EventLoop& loop, PostgresConfig config) {
  return std::make_unique<Connector>(loop, config);
}

}  // namespace perf::backends
