// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/dial_with.hpp"
#include "libperf/backends/postgres.hpp"
#include "real_servers.hpp"
#include "watchdog.hpp"

namespace perf::backends::test {

/// A pool of PostgreSQL connections, wired as programs wire it, on a loop of its own.
struct PgPoolBench {
  PgPoolBench(PostgresConfig config, std::size_t size,
              Duration care_timeout = std::chrono::seconds(2))
      : connector(MakePostgresConnector(loop, Bounded(config))) {
    ConnectionPool::Options options;
    options.name = "db";
    options.limits.max = size;
    options.limits.max_dials = size;
    options.care_timeout = care_timeout;
    if (config.reset != PostgresReset::kNone) options.reset = ResetPostgres;
    pool = std::make_unique<ConnectionPool>(loop, std::move(options), [this](Deadline deadline) {
      return DialWith(*connector, deadline);
    });
    connector->OnStale([this] {
      ++stale;
      pool->Invalidate();
    });
  }
  ~PgPoolBench() {
    loop.CancelAll();
    CHECK(loop.Drain(Soon()));
  }

  PostgresConfig Bounded(PostgresConfig config) {
    config.most = [this] { return pool->Core().Bounds().max; };
    return config;
  }
  /// Borrows one, runs `text` and returns it.
  Task<void> Run(std::string text, SqlReply& reply, Deadline deadline) {
    ConnectionPool::Acquired acquired = co_await pool->Borrow(Clock::now());
    reply.Clear();
    reply.failure = acquired.failure;
    if (reply.failure) co_return;
    co_await RunOn(acquired.loan, std::move(text), reply, deadline);
  }
  Task<void> RunOn(Loan& loan, std::string text, SqlReply& reply, Deadline deadline) {
    SqlStatement statement;
    statement.text = std::move(text);
    statement.id = Id(statement.text);
    co_await loan.As<PostgresConnection>().Execute(statement, {}, reply, deadline);
  }
  std::uint32_t Id(const std::string& text) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (texts[i] == text) return static_cast<std::uint32_t>(i);
    }
    texts.push_back(text);
    return static_cast<std::uint32_t>(texts.size() - 1);
  }

  Task<Loan> Take() {
    ConnectionPool::Acquired acquired = co_await pool->Borrow(Clock::now());
    CHECK(acquired.failure.text == "");
    REQUIRE(acquired.loan);
    co_return std::move(acquired.loan);
  }
  /// `count` connections at the same time.
  Task<std::vector<Loan>> TakeAll(std::size_t count) {
    std::vector<Loan> loans;
    for (std::size_t i = 0; i < count; ++i) {
      Loan loan = co_await Take();
      loans.push_back(std::move(loan));
    }
    co_return loans;
  }

  Task<bool> Await(std::function<bool()> condition) {
    return test::Await(loop, std::move(condition));
  }

  EventLoop loop;
  std::unique_ptr<PostgresConnector> connector;
  std::unique_ptr<ConnectionPool> pool;
  std::vector<std::string> texts;
  int stale = 0;
};

}  // namespace perf::backends::test
