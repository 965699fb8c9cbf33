// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/write_target.hpp"

#include <utility>

#include "libperf/backends/postgres.hpp"
#include "libperf/backends/pqxx_face.hpp"
#include "libperf/backends/redis.hpp"

namespace perf::bench {
namespace {

constexpr Duration kSetup = std::chrono::seconds(10);

/// A connection that tells its life's end.
template <typename Inner>
class Followed final : public backends::Connection {
 public:
  Followed(std::unique_ptr<Inner> inner, Life& life) noexcept
      : inner_(std::move(inner)), life_(life) {
    life_.dialled = Clock::now();
  }
  ~Followed() override { life_.gone = Clock::now(); }
  bool Reusable() const noexcept override { return inner_->Reusable(); }
  bool NeedsReset() const noexcept override { return inner_->NeedsReset(); }
  bool Alive() noexcept override { return inner_->Alive(); }
  Inner& Get() noexcept { return *inner_; }
  void WriteFailed() noexcept { ++life_.failed_writes; }

 private:
  std::unique_ptr<Inner> inner_;
  Life& life_;
};

template <typename Inner, typename Connector>
Task<backends::Dialled<backends::Connection>> DialFollowed(Connector& connector, Ledger& ledger,
                                                           Deadline deadline) {
  auto typed = co_await connector.Dial(deadline);
  backends::Dialled<backends::Connection> plain;
  plain.failure = std::move(typed.failure);
  if (typed.connection) {
    ledger.emplace_back();
    plain.connection =
        std::make_unique<Followed<Inner>>(std::move(typed.connection), ledger.back());
  }
  co_return plain;
}

class PostgresWrites final : public WriteTarget {
 public:
  PostgresWrites(backends::EventLoop& loop, const std::string& url, Ledger& ledger)
      : ledger_(ledger) {
    backends::RunSqlScripts(url, {"create table if not exists perfkit_failover (at timestamptz)"},
                            Deadline::After(Clock::now(), kSetup));
    backends::PostgresConfig config;
    config.conninfo = url;
    config.application_name = "perfkit-failover";
    connector_ = backends::MakePostgresConnector(loop, std::move(config));
  }
  Task<backends::Dialled<backends::Connection>> Dial(Deadline deadline) override {
    return DialFollowed<backends::PostgresConnection>(*connector_, ledger_, deadline);
  }
  Task<void> Write(backends::Connection& connection, backends::Failure& failure,
                   Deadline deadline) override {
    auto& followed = static_cast<Followed<backends::PostgresConnection>&>(connection);
    backends::SqlReply reply;
    co_await followed.Get().Execute(statement_, {}, reply, deadline);
    failure = std::move(reply.failure);
    if (failure) followed.WriteFailed();
  }
  void OnStale(std::function<void()> call) override { connector_->OnStale(std::move(call)); }

 private:
  Ledger& ledger_;
  const backends::SqlStatement statement_{"insert into perfkit_failover values (now())", 1};
  std::unique_ptr<backends::PostgresConnector> connector_;
};

class RedisWrites final : public WriteTarget {
 public:
  RedisWrites(backends::EventLoop& loop, const std::string& url, Ledger& ledger)
      : ledger_(ledger),
        connector_(backends::MakeRedisConnector(loop, backends::ParseRedisUrl(url))) {
    command_.words = {"INCR", "perfkit:failover"};
  }
  Task<backends::Dialled<backends::Connection>> Dial(Deadline deadline) override {
    return DialFollowed<backends::RedisConnection>(*connector_, ledger_, deadline);
  }
  Task<void> Write(backends::Connection& connection, backends::Failure& failure,
                   Deadline deadline) override {
    auto& followed = static_cast<Followed<backends::RedisConnection>&>(connection);
    backends::RedisReply reply;
    co_await followed.Get().Execute(command_, reply, deadline);
    failure = std::move(reply.failure);
    if (failure) followed.WriteFailed();
  }
  void OnStale(std::function<void()> call) override { connector_->OnStale(std::move(call)); }

 private:
  Ledger& ledger_;
  backends::RedisCommand command_;
  std::unique_ptr<backends::RedisConnector> connector_;
};

}  // namespace

std::unique_ptr<WriteTarget> MakeWriteTarget(backends::EventLoop& loop,
                                             backends::PrivateSpec::Kind kind,
                                             const std::string& url, Ledger& ledger) {
  if (kind == backends::PrivateSpec::Kind::kPostgres) {
    return std::make_unique<PostgresWrites>(loop, url, ledger);
  }
  return std::make_unique<RedisWrites>(loop, url, ledger);
}

}  // namespace perf::bench
