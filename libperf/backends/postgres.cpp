// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/postgres.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/failure_text.hpp"
#include "libperf/backends/pg_role.hpp"
#include "libperf/backends/pg_session.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/random.hpp"
#include "libperf/base/text.hpp"
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

/// A host that failed is tried after the others for so long.
constexpr Duration kDistrust = std::chrono::seconds(10);
/// Of one host only: what its errors say about it is believed at most once in that time, because
/// the next connections will lead to the same server.
constexpr Duration kBetweenAlarms = std::chrono::seconds(1);

class Connector final : public PostgresConnector {
 public:
  Connector(EventLoop& loop, const PostgresConfig& config)
      : loop_(loop), servers_(SplitPgServers(MakePgOptions(config))), most_(config.most) {
    family_->prepared = config.prepared;
    family_->reset = config.reset;
    family_->init = config.init;
    if (most_) family_->farewell = std::make_unique<PgFarewell>(loop);
    family_->role = servers_.role;
    family_->several = servers_.Several();
    family_->on_stale = [this](std::string_view why) { Stale(why); };
    failed_.resize(servers_.hosts.size());
    if (servers_.Several() && Writes(servers_.role)) {
      watch_ = std::make_unique<PgRoleWatch>(
          loop_, servers_,
          PgRoleWatch::Calls{[this](std::size_t) { HurryOthers(); },
                             [this](std::string_view why) { Stale(why); },
                             [this](std::size_t host) { AbandonReplaced(host); }});
    }
  }
  ~Connector() override {
    family_->on_stale = nullptr;
    *call_ = nullptr;
  }

  void OnStale(std::function<void()> call) override { *call_ = std::move(call); }
  Task<Dialled<PostgresConnection>> Dial(Deadline deadline) override;

 private:
  /// A dial under way: in the frame of TryHost.
  struct Attempt {
    Connector& owner;
    std::size_t host;
    PgSession* session = nullptr;
    Attempt* next;
    Attempt** place;
    Attempt(Connector& connector, std::size_t index)
        : owner(connector), host(index), next(connector.attempts_), place(&connector.attempts_) {
      if (next != nullptr) next->place = &next;
      owner.attempts_ = this;
    }
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() {
      if (next != nullptr) next->place = place;
      *place = next;
    }
  };

  std::vector<std::size_t> Order(TimePoint now);
  Task<void> TryAll(PgRole role, Dialled<PostgresConnection>& dialled, Deadline deadline);
  Task<void> TryHost(std::size_t index, PgRole role, Dialled<PostgresConnection>& dialled,
                     Deadline deadline);
  Task<void> AwaitPlace(std::size_t index, Failure& failure, Deadline deadline);
  bool HasPlace(std::size_t index) const;
  Task<void> AwaitPrimary(Dialled<PostgresConnection>& dialled, Deadline deadline);
  void HurryOthers();
  void AbandonReplaced(std::size_t host);
  void Stale(std::string_view why);

  EventLoop& loop_;
  PgServers servers_;
  const std::function<std::size_t()> most_;
  std::shared_ptr<PgFamily> family_ = std::make_shared<PgFamily>();
  // Shared, because it is called on a later turn.
  std::shared_ptr<std::function<void()>> call_ = std::make_shared<std::function<void()>>();
  std::vector<TimePoint> failed_;  // until when a host is not trusted
  Attempt* attempts_ = nullptr;
  TimePoint told_{};
  bool down_ = false;  // the last dial failed
  Random random_{0x70671};
  std::unique_ptr<PgRoleWatch> watch_;
};

/// The primary first where it is known, then in the conninfo's order those that did not fail.
std::vector<std::size_t> Connector::Order(TimePoint now) {
  std::vector<std::size_t> order(servers_.hosts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (servers_.shuffle) {
    for (std::size_t i = order.size(); i > 1; --i) {
      const auto other = random_.Int(0, static_cast<std::int64_t>(i) - 1);
      std::swap(order[i - 1], order[static_cast<std::size_t>(other)]);
    }
  }
  const auto best = watch_ ? watch_->Primary() : std::nullopt;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto rank = [&](std::size_t host) {
      return host == best ? 0 : failed_[host] > now ? 2 : 1;
    };
    return rank(a) < rank(b);
  });
  return order;
}

Task<Dialled<PostgresConnection>> Connector::Dial(Deadline deadline) {
  Dialled<PostgresConnection> dialled;
  if (watch_) watch_->Start();
  const bool prefer = servers_.role == PgRole::kPreferStandby;
  co_await TryAll(prefer ? PgRole::kStandby : servers_.role, dialled, deadline);
  if (prefer && !dialled.connection && !deadline.Passed(Clock::now())) {
    co_await TryAll(PgRole::kAny, dialled, deadline);
  }
  // The first failure is told at once; those after it would only come again and again until there
  // is a primary.
  if (watch_ && down_ && !dialled.connection) co_await AwaitPrimary(dialled, deadline);
  down_ = !dialled.connection;
  co_return dialled;
}

Task<void> Connector::AwaitPrimary(Dialled<PostgresConnection>& dialled, Deadline deadline) {
  constexpr Duration kLook = std::chrono::milliseconds(10);
  while (watch_->Missing()) {
    const TimePoint next = Clock::now() + kLook;
    if (deadline.Passed(next) || loop_.Cancelled()) co_return;
    co_await loop_.SleepUntil(next);
  }
  const auto found = watch_->Primary();
  if (found) co_await TryHost(*found, servers_.role, dialled, deadline);
}

Task<void> Connector::TryAll(PgRole role, Dialled<PostgresConnection>& dialled, Deadline deadline) {
  const TimePoint began = Clock::now();
  std::vector<std::size_t> order = Order(began);
  // No host gets more than its part of the whole, so that a dead one leaves time for the others.
  Duration most = deadline.Remaining(began) / static_cast<std::int64_t>(order.size());
  if (servers_.host_timeout > Duration::zero()) most = std::min(most, servers_.host_timeout);
  if (!servers_.Several()) most = deadline.Remaining(began);
  const auto known = watch_ ? watch_->Primary() : std::nullopt;
  std::string texts;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const TimePoint now = Clock::now();
    const Deadline part = Sooner(deadline, Deadline::After(now, most));
    co_await TryHost(order[i], role, dialled, part);
    failed_[order[i]] = dialled.failure ? Clock::now() + kDistrust : TimePoint{};
    if (!dialled.failure) co_return;
    texts += (texts.empty() ? "" : "; ") + dialled.failure.text;
    const auto found = watch_ ? watch_->Primary() : std::nullopt;
    // Found meanwhile, perhaps behind our back: that one once more, and nobody else.
    if (found && found != known && i + 1 <= order.size() && order.back() != *found) {
      order.resize(i + 1);
      order.push_back(*found);
    }
  }
  dialled.failure.text = Excerpt(texts, 500);
}

Task<void> Connector::TryHost(std::size_t index, PgRole role, Dialled<PostgresConnection>& dialled,
                              Deadline deadline) {
  const PgHost& host = servers_.hosts[index];
  std::vector<std::string> addresses;
  dialled.failure.Clear();
  co_await FindPgAddresses(loop_, host, addresses, dialled.failure, deadline);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (most_) co_await AwaitPlace(index, dialled.failure, deadline);
    if (most_ && !HasPlace(index)) co_return;
    const TimePoint now = Clock::now();
    const auto share = deadline.Remaining(now) / static_cast<std::int64_t>(addresses.size() - i);
    const Deadline part = deadline.IsNever() ? deadline : Deadline::After(now, share);
    auto session = std::make_unique<PgSession>(loop_, family_, index);
    const PgOptions options = OptionsFor(servers_, host, addresses[i], role);
    Attempt attempt(*this, index);
    attempt.session = session.get();
    dialled.failure = co_await session->Open(options, part);
    if (!dialled.failure) {
      dialled.connection = std::move(session);
      co_return;
    }
    if (dialled.failure.text.find("timed out") == 0 && servers_.Several()) {
      dialled.failure.text = host.Label() + ": " + dialled.failure.text;
    }
  }
}

/// Sessions that live or begin, and those that were closed.
bool Connector::HasPlace(std::size_t index) const {
  const auto ours = [index](const PgSession* session) { return session->Host() == index; };
  const auto live = std::count_if(family_->members.begin(), family_->members.end(), ours);
  return static_cast<std::size_t>(live) + family_->farewell->Of(index).count < most_();
}

/// A server may not have more of our sessions than a pool may have connections, whatever it does
/// with those that were closed: rather no connection than one too many.
Task<void> Connector::AwaitPlace(std::size_t index, Failure& failure, Deadline deadline) {
  while (!HasPlace(index)) {
    const TimePoint now = Clock::now();
    const auto primary = watch_ ? watch_->Primary() : std::nullopt;
    const bool in_vain = primary && *primary != index;
    if (!in_vain && !deadline.Passed(now) && !loop_.Cancelled()) {
      co_await family_->farewell->Await(deadline);
      continue;
    }
    const PgFarewell::Left left = family_->farewell->Of(index);
    failure = {ErrorKind::kConnect,
               fmt::format("farewell overdue: {} has not ended {} session(s) that were closed, the "
                           "first of them {} ms ago; with more it would have over {}",
                           servers_.hosts[index].Label(), left.count,
                           left.count > 0 ? (now - left.since) / std::chrono::milliseconds(1) : 0,
                           most_())};
    co_return;
  }
}

/// Whoever waits for a host that is not the primary waits in vain.
void Connector::HurryOthers() {
  const auto best = watch_->Primary();
  for (Attempt* attempt = attempts_; attempt != nullptr; attempt = attempt->next) {
    if (attempt->host != best && attempt->session != nullptr) attempt->session->HurryOpen();
  }
}

/// What waits for an answer of a server that hangs and was replaced would wait to its deadline.
void Connector::AbandonReplaced(std::size_t host) {
  const std::string why =
      fmt::format("{} does not answer, and {} is the primary now", servers_.hosts[host].Label(),
                  servers_.hosts[*watch_->Primary()].Label());
  const auto is_replaced = [&](const PgSession* session) {
    return session->Host() == host && session->Replaced();
  };
  std::vector<PgSession*> replaced;
  std::copy_if(family_->members.begin(), family_->members.end(), std::back_inserter(replaced),
               is_replaced);
  // Whoever awaits one of them goes on at once, and may destroy any; a new one may lie there then.
  for (PgSession* session : replaced) {
    if (family_->members.contains(session) && is_replaced(session)) session->Abandon(why);
  }
}

void Connector::Stale(std::string_view why) {
  const TimePoint now = Clock::now();
  if (!servers_.Several() && told_ != TimePoint{} && now < told_ + kBetweenAlarms) return;
  told_ = now;
  ++family_->epoch;
  Log(LogLevel::kInfo, "postgres: all connections are replaced: {}", why);
  loop_.Soon([call = call_] {
    if (*call) (*call)();
  });
}

}  // namespace

PostgresConnector::~PostgresConnector() = default;

Task<bool> ResetPostgres(Connection& connection, Deadline deadline) {
  const bool fit = co_await static_cast<PostgresConnection&>(connection).Reset(deadline);
  co_return fit;
}

std::unique_ptr<PostgresConnector> MakePostgresConnector(EventLoop& loop, PostgresConfig config) {
  return std::make_unique<Connector>(loop, config);
}

}  // namespace perf::backends
