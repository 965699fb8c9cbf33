// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/write_target.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "libperf/backends/postgres.hpp"
#include "libperf/backends/pqxx_face.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/units.hpp"

namespace perf::bench {
namespace {

constexpr Duration kSetup = std::chrono::seconds(10);
constexpr const char* kSet = "perfkit:failover";

void AddNumber(std::string_view text, std::vector<std::uint64_t>& numbers) {
  if (const auto number = ParseInteger(text))
    numbers.push_back(static_cast<std::uint64_t>(*number));
}

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
    backends::RunSqlScripts(url, {"create table if not exists perfkit_failover (number bigint)"},
                            Deadline::After(Clock::now(), kSetup));
    backends::PostgresConfig config;
    config.conninfo = url;
    config.application_name = "perfkit-failover";
    connector_ = backends::MakePostgresConnector(loop, std::move(config));
  }
  Task<backends::Dialled<backends::Connection>> Dial(Deadline deadline) override {
    return DialFollowed<backends::PostgresConnection>(*connector_, ledger_, deadline);
  }
  Task<void> Write(backends::Connection& connection, std::uint64_t number,
                   backends::Failure& failure, Deadline deadline) override {
    auto& followed = static_cast<Followed<backends::PostgresConnection>&>(connection);
    const std::array<backends::SqlParameter, 1> parameters{std::to_string(number)};
    backends::SqlReply reply;
    co_await followed.Get().Execute(insert_, parameters, reply, deadline);
    failure = std::move(reply.failure);
    if (failure) followed.WriteFailed();
  }
  Task<void> Read(backends::Connection& connection, std::vector<std::uint64_t>& numbers,
                  backends::Failure& failure, Deadline deadline) override {
    auto& followed = static_cast<Followed<backends::PostgresConnection>&>(connection);
    backends::SqlReply reply;
    co_await followed.Get().Execute(select_, {}, reply, deadline);
    failure = std::move(reply.failure);
    for (std::size_t row = 0; !failure && row < reply.Rows(); ++row) {
      AddNumber(reply.Value(row, 0).value_or(""), numbers);
    }
  }
  void OnStale(std::function<void()> call) override { connector_->OnStale(std::move(call)); }

 private:
  Ledger& ledger_;
  const backends::SqlStatement insert_{"insert into perfkit_failover values ($1)", 1};
  const backends::SqlStatement select_{"select number from perfkit_failover", 2};
  std::unique_ptr<backends::PostgresConnector> connector_;
};

class RedisWrites final : public WriteTarget {
 public:
  RedisWrites(backends::EventLoop& loop, const std::string& url, Ledger& ledger)
      : ledger_(ledger),
        connector_(backends::MakeRedisConnector(loop, backends::ParseRedisUrl(url))) {}
  Task<backends::Dialled<backends::Connection>> Dial(Deadline deadline) override {
    return DialFollowed<backends::RedisConnection>(*connector_, ledger_, deadline);
  }
  Task<void> Write(backends::Connection& connection, std::uint64_t number,
                   backends::Failure& failure, Deadline deadline) override {
    auto& followed = static_cast<Followed<backends::RedisConnection>&>(connection);
    backends::RedisCommand add;
    add.words = {"SADD", kSet, std::to_string(number)};
    backends::RedisReply reply;
    co_await followed.Get().Execute(add, reply, deadline);
    failure = std::move(reply.failure);
    if (failure) followed.WriteFailed();
  }
  Task<void> Read(backends::Connection& connection, std::vector<std::uint64_t>& numbers,
                  backends::Failure& failure, Deadline deadline) override {
    auto& followed = static_cast<Followed<backends::RedisConnection>&>(connection);
    backends::RedisCommand all;
    all.words = {"SMEMBERS", kSet};
    all.keep_reply = true;
    backends::RedisReply reply;
    co_await followed.Get().Execute(all, reply, deadline);
    failure = std::move(reply.failure);
    if (failure || !reply.value.IsArray()) co_return;
    for (const Json& member : reply.value.AsArray()) AddNumber(member.ToText(), numbers);
  }
  void OnStale(std::function<void()> call) override { connector_->OnStale(std::move(call)); }

 private:
  Ledger& ledger_;
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
