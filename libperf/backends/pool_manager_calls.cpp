// SPDX-License-Identifier: Apache-2.0
// What other threads ask of a PoolManager: they wait, the loop works.
#include <fmt/format.h>

#include <exception>
#include <future>
#include <utility>

#include "libperf/backends/pool_manager.hpp"
#include "libperf/backends/pool_manager_state.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kMostStatements = 4'096;
constexpr Duration kAnswer = std::chrono::seconds(1);  // of the loop, to a question for its state
constexpr Duration kUnwind = std::chrono::seconds(1);  // of a call whose deadline has come

/// What a waiting thread and its task share; whichever goes last frees it.
struct Waiting {
  std::function<Task<void>()> body;
  std::exception_ptr failure;  // handed over by `done`
  std::promise<void> done;
};

Task<void> RunThenTell(std::shared_ptr<Waiting> waiting) {
  try {
    co_await waiting->body();
  } catch (...) {
    waiting->failure = std::current_exception();
  }
  waiting->done.set_value();
}

/// One blocking call: borrows, asks, gives back. Lives until its task ends, also when its caller
/// has gone.
template <typename Request, typename Reply>
struct Exchange {
  Request request;
  Reply reply;
  Failure failure;
};

Failure Late(const std::string& pool) {
  return Failure{ErrorKind::kTimeout, fmt::format("pool {} gave no answer in time", pool)};
}

void Copy(const SqlReply& reply, SqlRows& rows) {
  rows.failure = reply.failure;
  rows.sqlstate = reply.sqlstate;
  rows.affected = reply.failure ? 0 : reply.Affected();
  for (std::size_t c = 0; c < reply.Columns(); ++c) rows.columns.emplace_back(reply.ColumnName(c));
  rows.rows.resize(reply.Rows());
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    for (std::size_t c = 0; c < rows.columns.size(); ++c) {
      const auto value = reply.Value(r, c);
      rows.rows[r].push_back(value ? SqlParameter(std::string(*value)) : std::nullopt);
    }
  }
}

/// Whether the circuit breaker should hear of it: not of what the server answered in good health.
bool TargetFailed(const Failure& failure) noexcept {
  return failure.kind == ErrorKind::kConnect || failure.kind == ErrorKind::kTimeout ||
         failure.kind == ErrorKind::kProtocol;
}

struct SqlRequest {
  SqlStatement statement;
  std::vector<SqlParameter> parameters;
};

Task<void> Do(ConnectionPool& pool, Exchange<SqlRequest, SqlRows>& exchange, Deadline deadline) {
  ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now());
  exchange.failure = std::move(acquired.failure);
  if (exchange.failure) co_return;
  SqlReply reply;
  co_await acquired.loan.As<PostgresConnection>().Execute(
      exchange.request.statement, exchange.request.parameters, reply, deadline);
  if (TargetFailed(reply.failure)) acquired.loan.MarkFailed();
  Copy(reply, exchange.reply);
}

Task<void> Do(ConnectionPool& pool, Exchange<RedisCommand, RedisReply>& exchange,
              Deadline deadline) {
  ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now());
  exchange.failure = std::move(acquired.failure);
  if (exchange.failure) co_return;
  co_await acquired.loan.As<RedisConnection>().Execute(exchange.request, exchange.reply, deadline);
  if (TargetFailed(exchange.reply.failure)) acquired.loan.MarkFailed();
}

Task<void> Do(ConnectionPool& pool, Exchange<HttpRequest, HttpReply>& exchange, Deadline deadline) {
  ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now());
  exchange.failure = std::move(acquired.failure);
  if (exchange.failure) co_return;
  co_await acquired.loan.As<HttpConnection>().Exchange(exchange.request, exchange.reply, deadline);
  if (TargetFailed(exchange.reply.failure)) acquired.loan.MarkFailed();
}

template <typename Request, typename Reply>
Reply Ask(PoolManager& manager, ConnectionPool& pool, Request request, Deadline deadline) {
  auto exchange = std::make_shared<Exchange<Request, Reply>>();
  exchange->request = std::move(request);
  const bool ended =
      manager.Run([exchange, &pool, deadline] { return Do(pool, *exchange, deadline); }, deadline);
  Reply reply;
  if (!ended) {
    // The task may be writing its reply now; ours is another.
    reply.failure = Late(pool.Settings().name);
    return reply;
  }
  reply = std::move(exchange->reply);
  if (exchange->failure) reply.failure = std::move(exchange->failure);
  return reply;
}

}  // namespace

std::uint32_t PoolManager::StatementId(const std::string& text) {
  auto statements = state_->statements.Lock();
  const auto found = statements->find(text);
  if (found != statements->end()) return found->second;
  if (statements->size() >= kMostStatements) {
    throw Error("too many different statements: pass what varies as parameters");
  }
  const auto id = static_cast<std::uint32_t>(statements->size());
  statements->emplace(text, id);
  return id;
}

bool PoolManager::Run(std::function<Task<void>()> body, Deadline deadline) {
  State& state = *state_;
  if (state.OnLoop()) throw Error("a blocking call on the pool manager's own loop");
  if (state.stopping.load() || !state.started.load())
    throw Error("the pool manager is not running");
  auto waiting = std::make_shared<Waiting>();
  waiting->body = std::move(body);
  std::future<void> done = waiting->done.get_future();
  state.loop.Post([&state, waiting] { state.loop.Spawn(RunThenTell(waiting)); });
  // What has a deadline itself ends at it, and says more than a wait that ends.
  const TimePoint end = Saturated(deadline.At(), kUnwind);
  if (done.wait_until(end) != std::future_status::ready) return false;
  // Moved, so that the exception belongs to this thread alone.
  if (const std::exception_ptr failure = std::move(waiting->failure)) {
    std::rethrow_exception(failure);
  }
  return true;
}

SqlRows PoolManager::Query(const std::string& pool, const std::string& text,
                           std::vector<SqlParameter> parameters, Deadline deadline) {
  ManagedPool& managed = state_->Find(pool);
  if (managed.Kind() != "postgres") throw Error(fmt::format("pool {} is no PostgreSQL", pool));
  SqlRequest request;
  request.statement.text = text;
  request.statement.id = StatementId(text);
  request.parameters = std::move(parameters);
  return Ask<SqlRequest, SqlRows>(*this, managed.Pool(), std::move(request), deadline);
}

RedisReply PoolManager::Command(const std::string& pool, std::vector<std::string> words,
                                Deadline deadline) {
  ManagedPool& managed = state_->Find(pool);
  if (managed.Kind() != "redis") throw Error(fmt::format("pool {} is no Redis", pool));
  RedisCommand command;
  command.words = std::move(words);
  command.keep_reply = true;
  return Ask<RedisCommand, RedisReply>(*this, managed.Pool(), std::move(command), deadline);
}

HttpReply PoolManager::Fetch(const std::string& pool, HttpRequest request, Deadline deadline) {
  ManagedPool& managed = state_->Find(pool);
  if (managed.Kind() != "http") throw Error(fmt::format("pool {} is no HTTP", pool));
  return Ask<HttpRequest, HttpReply>(*this, managed.Pool(), std::move(request), deadline);
}

std::vector<metrics::Registry::Registration> PoolManager::RegisterMetrics(
    metrics::Registry& registry, pool::PoolNames names) {
  std::vector<metrics::Registry::Registration> registrations;
  for (const auto& [name, managed] : state_->pools) {
    registrations.push_back(pool::RegisterPoolMetrics(
        registry, name, [managed = managed.get()] { return managed->Figures(); }, names));
  }
  return registrations;
}

Json PoolManager::Snapshot() {
  State* state = state_.get();
  if (state->OnLoop()) return state->ToJson();
  if (!state->stopping.load() && state->started.load()) {
    auto answer = std::make_shared<std::promise<Json>>();
    std::future<Json> given = answer->get_future();
    state->loop.Post([state, answer] { answer->set_value(state->ToJson()); });
    if (given.wait_for(kAnswer) == std::future_status::ready) return given.get();
  }
  auto kept = state->last_snapshot.Lock();
  Json last = *kept;
  last["stale"] = true;
  return last;
}

}  // namespace perf::backends
