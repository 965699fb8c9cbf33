// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_role.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/backends/pg_session.hpp"
#include "libperf/base/log.hpp"

namespace perf::backends {
namespace {

/// A name of its own: these sessions are not the pool's.
constexpr const char* kName = "perfkit role watch";
/// Of a dial and of an answer; a server that needs longer is not known to be anything.
constexpr Duration kPatience = std::chrono::seconds(1);

const std::string& Question() {
  static const std::string text =
      "select pg_is_in_recovery(), current_setting('transaction_read_only'), "
      "extract(epoch from pg_postmaster_start_time())::text, case when pg_is_in_recovery() "
      "then '' else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end";
  return text;
}

/// For servers that speak PostgreSQL's protocol and lack its functions.
const std::string& PlainQuestion() {
  static const std::string text = "show transaction_read_only";
  return text;
}

std::string Text(const SqlReply& reply, std::size_t column) {
  return std::string(reply.Value(0, column).value_or(""));
}

}  // namespace

PgRoleWatch::PgRoleWatch(EventLoop& loop, const PgServers& servers, Calls calls)
    : loop_(loop),
      servers_(servers),
      read_write_(servers.role == PgRole::kReadWrite),
      calls_(std::move(calls)),
      family_(std::make_shared<PgFamily>()),
      nodes_(servers.hosts.size()),
      alarm_(loop, [this] { Tick(); }) {
  std::erase_if(servers_.options,
                [](const auto& option) { return option.first == "application_name"; });
  servers_.options.emplace_back("application_name", kName);
  family_->prepared = false;
}

PgRoleWatch::~PgRoleWatch() = default;

void PgRoleWatch::Start() {
  if (!alarm_.Armed()) Tick();
}

void PgRoleWatch::Tick() {
  if (loop_.Cancelled()) return;
  alarm_.Arm(Deadline::After(Clock::now(), Missing() ? kHurry : kPeriod));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].asking) continue;
    nodes_[i].asking = true;
    loop_.Spawn(Ask(i));
  }
}

bool PgRoleWatch::Missing() const noexcept {
  return found_ && (!primary_ || nodes_[*primary_].state != State::kPrimary);
}

Task<void> PgRoleWatch::Open(std::size_t index, Failure& failure, Deadline deadline) {
  const PgHost& host = servers_.hosts[index];
  std::vector<std::string> addresses;
  co_await FindPgAddresses(loop_, host, addresses, failure, deadline);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const TimePoint now = Clock::now();
    const Deadline part = Deadline::After(
        now, deadline.Remaining(now) / static_cast<std::int64_t>(addresses.size() - i));
    auto session = std::make_unique<PgSession>(loop_, family_);
    const PgOptions options = OptionsFor(servers_, host, addresses[i], PgRole::kAny);
    failure = co_await session->Open(options, part);
    if (failure) continue;
    nodes_[index].session = std::move(session);
    co_return;
  }
}

Task<void> PgRoleWatch::Ask(std::size_t index) {
  Node& node = nodes_[index];
  const Deadline deadline = Deadline::After(Clock::now(), kPatience);
  Failure failure;
  if (node.session == nullptr) co_await Open(index, failure, deadline);
  SqlReply reply;
  if (!failure && node.session != nullptr) {
    co_await node.session->RunText(Question(), reply, deadline);
    if (reply.failure && node.session->Reusable()) {
      co_await node.session->RunText(PlainQuestion(), reply, deadline);
    }
    if (reply.failure || !node.session->Reusable()) node.session.reset();
  }
  node.state = State::kUnknown;
  if (node.session != nullptr && reply.Rows() == 1) {
    const bool full = reply.Columns() == 4;
    const bool standby = full && Text(reply, 0) == "t";
    const bool read_only = Text(reply, full ? 1 : 0) == "on";
    node.state = standby || (read_only && read_write_) ? State::kOther : State::kPrimary;
    node.started = full ? Text(reply, 2) : "";
    node.timeline = full ? Text(reply, 3) : "";
  }
  node.asking = false;
  Judge();
  // Not one that refuses: whoever has a session with it will hear.
  const bool hangs = node.state == State::kUnknown && deadline.Passed(Clock::now());
  if (hangs && primary_ && primary_ != index && !Missing()) calls_.on_mute(index);
}

void PgRoleWatch::Judge() {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].state != State::kPrimary) continue;
    const bool stays = primary_ == i && best && nodes_[i].timeline == nodes_[*best].timeline;
    if (!best || nodes_[i].timeline > nodes_[*best].timeline || stays) best = i;
  }
  if (!best) {
    if (!primary_ || nodes_[*primary_].state != State::kOther) return;
    const std::string why = servers_.hosts[*primary_].Label() + " takes no writes any more";
    primary_.reset();
    calls_.on_replaced(why);
    return;
  }
  // One that answers nothing now stays until another one is found; one that was restarted has lost
  // all its sessions.
  const bool same = primary_ == best && started_ == nodes_[*best].started;
  if (same) return;
  const bool replaces = primary_.has_value();
  const bool moved = primary_ != best;
  primary_ = best;
  found_ = true;
  started_ = nodes_[*best].started;
  const std::string why = fmt::format("{} {}", servers_.hosts[*best].Label(),
                                      moved ? "is the primary now" : "was restarted");
  Log(LogLevel::kInfo, "postgres: {}", why);
  if (replaces) calls_.on_replaced(why);
  if (moved) calls_.on_primary(*best);
}

}  // namespace perf::backends
