// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/managed_pool.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/backends/dial_with.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {
namespace {

class ManagedPostgres final : public ManagedPool {
 public:
  ManagedPostgres(EventLoop& loop, ConnectionPool::Options options, PostgresConfig config,
                  SqlStatement check)
      : check_(std::move(check)) {
    if (config.reset != PostgresReset::kNone) options.reset = ResetPostgres;
    config.most = [this] { return Pool().Core().Bounds().max; };
    connector_ = MakePostgresConnector(loop, std::move(config));
    MakePool(loop, std::move(options),
             [this](Deadline deadline) { return DialWith(*connector_, deadline); });
    connector_->OnStale([this] { Pool().Invalidate(); });
  }
  ~ManagedPostgres() override { DropPool(); }
  std::string_view Kind() const noexcept override { return "postgres"; }

 private:
  Task<void> Ask(Loan& loan, Failure& failure, Deadline deadline) override {
    SqlReply reply;
    co_await loan.As<PostgresConnection>().Execute(check_, {}, reply, deadline);
    failure = std::move(reply.failure);
  }
  std::unique_ptr<PostgresConnector> connector_;
  SqlStatement check_;
};

class ManagedRedis final : public ManagedPool {
 public:
  ManagedRedis(EventLoop& loop, ConnectionPool::Options options, RedisConfig config)
      : connector_(MakeRedisConnector(loop, std::move(config))) {
    ping_.words = {"PING"};
    MakePool(loop, std::move(options),
             [this](Deadline deadline) { return DialWith(*connector_, deadline); });
    connector_->OnStale([this] { Pool().Invalidate(); });
  }
  ~ManagedRedis() override { DropPool(); }
  std::string_view Kind() const noexcept override { return "redis"; }

 private:
  Task<void> Ask(Loan& loan, Failure& failure, Deadline deadline) override {
    RedisReply reply;
    co_await loan.As<RedisConnection>().Execute(ping_, reply, deadline);
    failure = std::move(reply.failure);
  }
  std::unique_ptr<RedisConnector> connector_;
  RedisCommand ping_;
};

class ManagedHttp final : public ManagedPool {
 public:
  ManagedHttp(EventLoop& loop, ConnectionPool::Options options, HttpConfig config, std::string path)
      : connector_(MakeHttpConnector(loop, std::move(config))) {
    head_.method = "HEAD";
    head_.target = std::move(path);
    MakePool(loop, std::move(options),
             [this](Deadline deadline) { return DialWith(*connector_, deadline); });
  }
  ~ManagedHttp() override { DropPool(); }
  std::string_view Kind() const noexcept override { return "http"; }

 private:
  Task<void> Ask(Loan& loan, Failure& failure, Deadline deadline) override {
    HttpReply reply;
    co_await loan.As<HttpConnection>().Exchange(head_, reply, deadline);
    failure = std::move(reply.failure);
    if (failure || reply.status < 500) co_return;
    failure.kind = ErrorKind::kStatus;
    failure.text = fmt::format("HEAD {} was answered with status {}", head_.target, reply.status);
  }
  // A dial of curl's is only a permit.
  Task<void> Reach(Failure& failure, Deadline deadline) override {
    co_await connector_->Probe(failure, deadline);
  }
  std::unique_ptr<HttpConnector> connector_;
  HttpRequest head_;
};

}  // namespace

ManagedPool::~ManagedPool() = default;

void ManagedPool::MakePool(EventLoop& loop, ConnectionPool::Options options,
                           ConnectionPool::Dial dial) {
  options.breaker = breaker_;
  options.times = times_;
  pool_ = std::make_unique<ConnectionPool>(loop, std::move(options), std::move(dial));
}

Task<void> ManagedPool::Reach(Failure& failure, Deadline deadline) {
  failure = co_await pool_->Probe(deadline);
}

Task<void> ManagedPool::Open(Deadline deadline) {
  Failure failure;
  const TimePoint start = Clock::now();
  co_await Reach(failure, deadline);
  if (failure) {
    Note(failure, Duration{}, Clock::now());
    co_return;
  }
  co_await Check(deadline.Remaining(start));
}

Task<void> ManagedPool::Check(Duration timeout) {
  // Where all connections are lent it waits in the queue as anybody does; others do not pile up
  // behind it.
  if (checking_) co_return;
  checking_ = true;
  ConnectionPool::Acquired acquired = co_await pool_->Borrow(Clock::now());
  Failure failure = std::move(acquired.failure);
  const TimePoint start = Clock::now();
  if (!failure) co_await Ask(acquired.loan, failure, Deadline::After(start, timeout));
  const TimePoint end = Clock::now();
  if (failure && acquired.loan) acquired.loan.MarkFailed();
  Note(failure, failure ? Duration{} : end - start, end);
  checking_ = false;
}

void ManagedPool::Note(const Failure& failure, Duration latency, TimePoint now) {
  health_.checked = true;
  health_.ok = !failure;
  health_.latency = latency;
  health_.at = now;
  health_.error = MaskSecrets(failure.text);
  health_.failures_in_row = failure ? health_.failures_in_row + 1 : 0;
}

Json ManagedPool::ToJson(TimePoint now) const {
  const pool::Counts counts = pool_->Core().Now();
  const pool::Statistics totals = pool_->Core().Totals();
  const auto count = [](std::uint64_t value) { return Json(value); };
  Json health = Json::MakeObject();
  health["status"] = !health_.checked ? "unknown" : health_.ok ? "up" : "down";
  if (health_.checked) {
    health["latency_ms"] = health_.ok ? Json(ToMs(health_.latency)) : Json();
    health["checked_ms_ago"] = ToMs(now - health_.at);
    health["failures_in_row"] = health_.failures_in_row;
  }
  if (!health_.error.empty()) health["error"] = health_.error;
  Json json = Json::MakeObject();
  json["kind"] = Kind();
  json["min"] = count(pool_->Core().Bounds().min);
  json["max"] = count(pool_->Core().Bounds().max);
  json["idle"] = count(counts.idle);
  json["in_use"] = count(counts.in_use);
  json["dialling"] = count(counts.dialling);
  json["waiting"] = count(counts.waiting);
  json["acquired"] = count(totals.acquired);
  json["waited"] = count(totals.waited);
  json["dialled"] = count(totals.dialled);
  json["dial_failures"] = count(totals.dial_failures);
  json["discarded"] = count(totals.discarded);
  json["most_in_use"] = count(totals.most_in_use);
  json["health"] = std::move(health);
  Json& breaker = json["breaker"];
  breaker["state"] = pool::Name(breaker_->Now());
  const std::string why = breaker_->WhyOpen(now);
  if (!why.empty()) breaker["why"] = why;
  return json;
}

pool::PoolFigures ManagedPool::Figures() const {
  pool::PoolFigures figures;
  figures.pool = Name();
  // OpenTelemetry's name of the system.
  figures.backend = Kind() == "postgres" ? "postgresql" : std::string(Kind());
  figures.now = pool_->Core().Now();
  figures.totals = pool_->Core().Totals();
  const pool::Limits limits = pool_->Core().Bounds();
  figures.min = limits.min;
  figures.max = limits.max;
  figures.times = times_.get();
  figures.breaker = breaker_->Snapshot(Clock::now());
  return figures;
}

std::unique_ptr<ManagedPool> MakeManagedPostgres(EventLoop& loop, ConnectionPool::Options options,
                                                 PostgresConfig config, SqlStatement check) {
  return std::make_unique<ManagedPostgres>(loop, std::move(options), std::move(config),
                                           std::move(check));
}

std::unique_ptr<ManagedPool> MakeManagedRedis(EventLoop& loop, ConnectionPool::Options options,
                                              RedisConfig config) {
  return std::make_unique<ManagedRedis>(loop, std::move(options), std::move(config));
}

std::unique_ptr<ManagedPool> MakeManagedHttp(EventLoop& loop, ConnectionPool::Options options,
                                             HttpConfig config, std::string path) {
  return std::make_unique<ManagedHttp>(loop, std::move(options), std::move(config),
                                       std::move(path));
}

}  // namespace perf::backends
