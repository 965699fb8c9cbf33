// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/postgres.hpp"
#include "real_servers.hpp"

namespace perf::backends::test {

using Parameters = std::vector<SqlParameter>;
using ConnectionPtr = std::unique_ptr<PostgresConnection>;

/// A fresh loop and connector; statements get ids in the order in which they first appear.
struct PgBench {
  explicit PgBench(const std::string& extra = "", bool prepared = true) {
    PostgresConfig config;
    config.conninfo = *PostgresConninfo() + extra;
    config.prepared = prepared;
    connector = MakePostgresConnector(loop, config);
  }

  Task<ConnectionPtr> Connect() {
    auto dialled = co_await connector->Dial(Soon());
    CHECK(dialled.failure.text == "");
    REQUIRE(dialled.connection != nullptr);
    co_return std::move(dialled.connection);
  }

  const SqlStatement& Statement(const std::string& text) {
    for (const auto& known : statements) {
      if (known->text == text) return *known;
    }
    const auto id = static_cast<std::uint32_t>(statements.size());
    statements.push_back(std::make_unique<SqlStatement>(SqlStatement{text, id}));
    return *statements.back();
  }

  Task<void> Run(PostgresConnection& connection, const char* text, SqlReply& reply) {
    const SqlStatement& statement = Statement(text);
    const Deadline deadline = Soon();
    co_await connection.Execute(statement, {}, reply, deadline);
  }

  EventLoop loop;
  std::unique_ptr<PostgresConnector> connector;
  std::vector<std::unique_ptr<SqlStatement>> statements;
};

}  // namespace perf::backends::test
