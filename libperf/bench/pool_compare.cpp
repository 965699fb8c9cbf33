// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/peer.hpp"

namespace perf::bench {
namespace {

constexpr Duration kTurn = std::chrono::milliseconds(50);
constexpr Duration kLongest = std::chrono::seconds(10);  // of one request
constexpr Duration kFirstDial = std::chrono::milliseconds(2500);

enum Way : std::size_t { kUnpooled, kPooled, kHeld, kWays };

/// Requests of one way, and the time that they took.
struct Spent {
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;
  double ms = 0;
  double Mean() const noexcept { return requests > 0 ? ms / static_cast<double>(requests) : 0; }
  void Add(const Spent& other) noexcept {
    requests += other.requests;
    failed += other.failed;
    ms += other.ms;
  }
};

double SavedShare(double unpooled, double pooled, double held) {
  return unpooled > held ? (unpooled - pooled) / (unpooled - held) : 0;
}

/// One target: its loop, its pool and the connections that are held.
class Comparison {
 public:
  Comparison(const PeerSpec& spec, const std::string& url, std::size_t users, std::uint64_t seed);
  ~Comparison();
  /// Throws: UnreachableError.
  void Open(const std::string& shown_url);
  /// One turn of one way by all users.
  Spent Turn(Way way);
  const Peer& Target() const noexcept { return peer_; }
  const std::string& FirstError() const noexcept { return first_error_; }

 private:
  using Connections = std::vector<std::unique_ptr<backends::Connection>>;
  Task<void> OpenAll(backends::Failure& failure);
  Task<void> User(Way way, std::size_t user, TimePoint end, Spent& spent);
  Task<void> Once(Way way, std::size_t user, backends::Failure& failure);
  void Ended() {
    if (--running_ == 0) loop_.Stop();
  }

  backends::EventLoop loop_;
  Peer peer_;
  std::size_t users_;
  backends::ConnectionPool pool_;
  Connections held_;
  std::size_t running_ = 0;
  std::string first_error_;
};

backends::ConnectionPool::Options PoolOptions(const PeerSpec& spec, std::size_t users,
                                              std::uint64_t seed) {
  backends::ConnectionPool::Options options;
  options.name = spec.target.name;
  options.limits.min = options.limits.max = options.limits.max_dials = users;
  options.acquire_timeout = kLongest;
  options.connect_timeout = spec.target.connect_timeout;
  options.seed = seed;
  return options;
}

Comparison::Comparison(const PeerSpec& spec, const std::string& url, std::size_t users,
                       std::uint64_t seed)
    : peer_(loop_, spec, url),
      users_(users),
      pool_(loop_, PoolOptions(spec, users, seed),
            [this](Deadline deadline) { return peer_.Dial(deadline); }) {}

Comparison::~Comparison() {
  held_.clear();
  loop_.CancelAll();
  loop_.Drain(Deadline::After(Clock::now(), std::chrono::seconds(2)));
  pool_.CloseIdle();
}

Task<void> Comparison::OpenAll(backends::Failure& failure) {
  const Deadline deadline = Deadline::After(Clock::now(), kFirstDial);
  for (std::size_t i = 0; i < users_ && !failure; ++i) {
    auto dialled = co_await peer_.Dial(deadline);
    failure = std::move(dialled.failure);
    if (!dialled.connection) continue;
    held_.push_back(std::move(dialled.connection));
    co_await peer_.Request(*held_.back(), false, failure, deadline);
  }
  loop_.Stop();
}

void Comparison::Open(const std::string& shown_url) {
  backends::Failure failure;
  loop_.Spawn(OpenAll(failure));
  loop_.Run();
  if (failure) {
    throw UnreachableError(
        fmt::format("{} is unreachable: {}", shown_url, MaskSecrets(failure.text)));
  }
  pool_.Prefill();
}

Task<void> Comparison::Once(Way way, std::size_t user, backends::Failure& failure) {
  const TimePoint now = Clock::now();
  const Deadline deadline = Deadline::After(now, kLongest);
  if (way == kHeld) {
    co_await peer_.Request(*held_[user], false, failure, deadline);
  } else if (way == kPooled) {
    auto acquired = co_await pool_.Borrow(now);
    failure = std::move(acquired.failure);
    if (failure) co_return;
    auto& connection = acquired.loan.As<backends::Connection>();
    co_await peer_.Request(connection, false, failure, deadline);
  } else {
    auto dialled = co_await peer_.Dial(deadline);
    failure = std::move(dialled.failure);
    if (failure) co_return;
    co_await peer_.Request(*dialled.connection, true, failure, deadline);
  }
}

Task<void> Comparison::User(Way way, std::size_t user, TimePoint end, Spent& spent) {
  backends::Failure failure;
  for (TimePoint before = Clock::now(); before < end;) {
    co_await Once(way, user, failure);
    const TimePoint after = Clock::now();
    ++spent.requests;
    spent.ms += ToMs(after - before);
    before = after;
    if (!failure) continue;
    ++spent.failed;
    if (first_error_.empty()) first_error_ = MaskSecrets(failure.text);
    failure.Clear();
    break;  // the rest of the turn would only be more of the same
  }
  Ended();
}

Spent Comparison::Turn(Way way) {
  Spent spent;
  running_ = users_;
  const TimePoint end = Clock::now() + kTurn;
  for (std::size_t i = 0; i < users_; ++i) loop_.Spawn(User(way, i, end, spent));
  loop_.Run();
  return spent;
}

void AddRow(const PeerSpec& spec, const Comparison& comparison, std::size_t users,
            const std::array<Spent, kWays>& total, std::vector<double> shares, Findings& findings,
            double saved_least) {
  std::sort(shares.begin(), shares.end());
  const auto at = [&](double q) {
    return shares.empty() ? Json()
                          : Json(shares[static_cast<std::size_t>(
                                q * static_cast<double>(shares.size() - 1) + 0.5)]);
  };
  const double saved =
      SavedShare(total[kUnpooled].Mean(), total[kPooled].Mean(), total[kHeld].Mean());
  const std::uint64_t failed =
      total[kUnpooled].failed + total[kPooled].failed + total[kHeld].failed;
  Json row = Json::MakeObject();
  row["kind"] = KindName(spec.target.kind);
  row["tls"] = comparison.Target().Encrypted();
  row["users"] = std::uint64_t{users};
  row["unpooled_ms"] = total[kUnpooled].Mean();
  row["pooled_ms"] = total[kPooled].Mean();
  row["held_ms"] = total[kHeld].Mean();
  row["saved"] = saved;
  row["saved_low"] = at(0.1);
  row["saved_high"] = at(0.9);
  row["unpooled"] = total[kUnpooled].requests;
  row["pooled"] = total[kPooled].requests;
  row["held"] = total[kHeld].requests;
  row["failed"] = failed;
  row["error"] = comparison.FirstError();
  findings.AddRow(std::move(row));
  const std::string what = fmt::format("{}{}", KindName(spec.target.kind),
                                       comparison.Target().Encrypted() ? " with TLS" : "");
  findings.AtLeast(what + ": saved", saved, saved_least, "", shares.size());
  findings.Never(what + ": failed requests", failed, total[kPooled].requests);
}

void CompareOne(const PeerSpec& spec, const std::string& url, const CompareOptions& options,
                const Context& context, Findings& findings) {
  const std::string shown = spec.target.is_private
                                ? fmt::format("the private {}", KindName(spec.target.kind))
                                : MaskSecrets(url);
  context.Phase(fmt::format("{}: unpooled, pooled and held in turns", shown));
  Comparison comparison(spec, url, options.users, context.seed);
  comparison.Open(shown);
  std::array<Spent, kWays> total;
  std::vector<double> shares;
  const auto rounds = std::max<Duration::rep>(1, options.length / kTurn);
  for (Duration::rep round = -1; round < rounds && !context.Stopped(); ++round) {
    std::array<Spent, kWays> spent;
    for (std::size_t i = 0; i < kWays; ++i) {
      const std::size_t way = (i + static_cast<std::size_t>(round + 1)) % kWays;
      spent[way] = comparison.Turn(static_cast<Way>(way));
    }
    if (round < 0) continue;  // everything is opened, looked up and cached in the first
    for (std::size_t way = 0; way < kWays; ++way) total[way].Add(spent[way]);
    shares.push_back(
        SavedShare(spent[kUnpooled].Mean(), spent[kPooled].Mean(), spent[kHeld].Mean()));
  }
  AddRow(spec, comparison, options.users, total, std::move(shares), findings, options.saved_least);
}

}  // namespace

load::Result PoolCompare(const CompareOptions& options, const Context& context) {
  if (options.targets.empty()) throw UsageError("no target to compare on");
  const std::vector<PeerSpec> peers = ResolvePeers(options.targets, options.allow_hosts);
  Findings findings("poolbench", "compare-unpooled", context.seed);
  context.Phase("starting private servers");
  const backends::PrivateServers servers = StartPrivate(peers);
  for (const PeerSpec& peer : peers) {
    if (!context.Stopped()) CompareOne(peer, UrlOf(peer, servers), options, context, findings);
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
