// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/herd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/dial_with.hpp"
#include "libperf/backends/fault_proxy.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"

namespace perf::bench {
namespace {

constexpr Duration kServersReady = std::chrono::seconds(30);
constexpr Duration kPatience = std::chrono::seconds(20);
constexpr Duration kLook = std::chrono::milliseconds(2);

/// The unix socket of a private PostgreSQL: "host=/dir user=postgres dbname=postgres".
std::string SocketOf(const std::string& conninfo) {
  const std::size_t begin = conninfo.find("host=") + 5;
  return conninfo.substr(begin, conninfo.find(' ', begin) - begin) + "/.s.PGSQL.5432";
}

backends::FaultProxyOptions ProxyOptions(const std::string& conninfo, std::uint64_t seed) {
  backends::FaultProxyOptions options;
  options.upstream.unix_socket = SocketOf(conninfo);
  options.seed = seed;
  return options;
}

/// Borrowers, pool and proxy on their loops.
class Storm {
 public:
  Storm(const StormOptions& options, const std::string& conninfo, const Context& context)
      : options_(options),
        context_(context),
        proxy_(ProxyOptions(conninfo, context.seed)),
        connector_(backends::MakePostgresConnector(loop_, Config())),
        pool_(loop_, Settings(),
              [this](Deadline deadline) { return backends::DialWith(*connector_, deadline); }),
        replied_(options.conns) {}
  ~Storm() {
    loop_.CancelAll();
    loop_.Drain(Deadline::After(Clock::now(), kPatience));
    pool_.CloseIdle();
  }

  Herd Run() {
    loop_.Spawn(Drive());
    loop_.Run();
    const backends::FaultCounters counters = proxy_.Counters();
    herd_.accepted = counters.accepted;
    herd_.most_dialling = counters.most_dialling;
    return herd_;
  }

 private:
  backends::PostgresConfig Config() const {
    backends::PostgresConfig config;
    config.conninfo = fmt::format(
        "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=disable "
        "gssencmode=disable",
        proxy_.Address().port);
    config.application_name = "perfkit-storm";
    config.most = [this] { return options_.conns; };
    return config;
  }
  backends::ConnectionPool::Options Settings() const {
    backends::ConnectionPool::Options settings;
    settings.name = "storm";
    settings.limits.min = settings.limits.max = options_.conns;
    settings.limits.max_dials = options_.dials;
    settings.acquire_timeout = settings.connect_timeout = kPatience;
    settings.seed = context_.seed;
    return settings;
  }

  /// Asks again and again; notes when it had a reply last.
  Task<void> Borrower(std::size_t number) {
    backends::SqlReply reply;
    const backends::SqlStatement statement{"select 1", 1};
    while (!ending_ && !loop_.Cancelled()) {
      backends::Failure failure;
      const TimePoint now = Clock::now();
      {
        auto acquired = co_await pool_.Borrow(now);
        failure = std::move(acquired.failure);
        if (!failure) {
          reply.Clear();
          auto& connection = acquired.loan.As<backends::PostgresConnection>();
          co_await connection.Execute(statement, {}, reply, Deadline::After(now, kPatience));
          failure = std::move(reply.failure);
        }
      }
      if (!failure) replied_[number] = Clock::now();
      if (failure) Note(failure);
      // Also after a refusal: whoever asks again at once would only measure its own loop.
      co_await loop_.SleepUntil(Clock::now() + kLook);
    }
    --borrowers_;
  }

  void Note(const backends::Failure& failure) {
    if (ending_) return;
    ++herd_.failed;
    if (herd_.first_error.empty()) herd_.first_error = MaskSecrets(failure.text);
  }

  std::size_t RepliedSince(TimePoint at) const {
    return static_cast<std::size_t>(
        std::count_if(replied_.begin(), replied_.end(), [&](TimePoint last) { return last > at; }));
  }

  /// Until all have had a reply after `at`.
  Task<void> AwaitReplies(TimePoint at) {
    const TimePoint end = Clock::now() + kPatience;
    while (RepliedSince(at) < options_.conns && Clock::now() < end && !context_.Stopped()) {
      co_await loop_.SleepUntil(Clock::now() + kLook);
    }
  }

  Task<void> Drive() {
    backends::Fault slow;
    slow.down.latency = options_.latency;
    proxy_.Set(slow);
    pool_.Prefill();
    borrowers_ = options_.conns;
    for (std::size_t i = 0; i < options_.conns; ++i) loop_.Spawn(Borrower(i));
    co_await AwaitReplies(TimePoint{});
    const TimePoint open_by = Clock::now() + kPatience;
    while (proxy_.Counters().open < options_.conns && Clock::now() < open_by) {
      co_await loop_.SleepUntil(Clock::now() + kLook);
    }
    const std::uint64_t broken_before = proxy_.Counters().broken;
    const TimePoint struck = Clock::now();
    proxy_.Strike(backends::Harm::kReset);
    herd_.broken = proxy_.Counters().broken - broken_before;
    co_await AwaitReplies(Clock::now());
    herd_.recovered = RepliedSince(struck);
    herd_.recovered_ms = ToMs(Clock::now() - struck);
    ending_ = true;
    while (borrowers_ > 0) co_await loop_.SleepUntil(Clock::now() + kLook);
    loop_.Stop();
  }

  const StormOptions& options_;
  const Context& context_;
  backends::FaultProxy proxy_;
  backends::EventLoop loop_;
  std::unique_ptr<backends::PostgresConnector> connector_;
  backends::ConnectionPool pool_;
  std::vector<TimePoint> replied_;  // by borrower, the last time
  std::size_t borrowers_ = 0;
  bool ending_ = false;
  Herd herd_;
};

}  // namespace

Herd BreakAndRecover(const StormOptions& options, const Context& context) {
  backends::PrivateSpec spec;
  spec.name = "db";
  spec.kind = backends::PrivateSpec::Kind::kPostgres;
  context.Phase("starting a private PostgreSQL");
  const backends::PrivateServers servers =
      backends::PrivateServers::Start({&spec, 1}, Deadline::After(Clock::now(), kServersReady));
  context.Phase(fmt::format("{} borrowers, then all connections break", options.conns));
  return Storm(options, servers.Url("db"), context).Run();
}

}  // namespace perf::bench
