// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_role_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kLongest = 500;
// Sentinels find out within a second that the one they promoted is the primary now.
constexpr Duration kContest = std::chrono::seconds(2);

StreamAddress AddressOf(const RedisHost& host) {
  StreamAddress address;
  address.host = host.host;
  address.port = host.port;
  return address;
}

}  // namespace

RedisRoleState::RedisRoleState(EventLoop& the_loop, RedisConfig the_config)
    : loop(the_loop), config(std::move(the_config)), login(LoginOf(config)) {
  if (config.hosts.empty()) throw ConfigError("no Redis server is named");
  if (config.layout == RedisLayout::kSentinel) sentinels.emplace(loop, config);
}

bool RedisRoleState::IsCurrent() const noexcept {
  return current && current_generation == generations->Now();
}

void RedisRoleState::Retire(std::string why) {
  why_retired = std::move(why);
  // What still waits for a server that does not answer would wait for ever.
  if (mute) generations->AbandonBefore(generations->Now() + 1, why_retired);
  mute = false;
  current.reset();
  monitor.reset();
  generations->Retire();
}

bool RedisRoleState::IsContested(const StreamAddress& primary, TimePoint now) const {
  return !usurper.empty() && usurper != Describe(primary) && now < usurped_at + kContest;
}

Task<void> RedisRoleState::Find(std::vector<StreamAddress>& found, Failure& failure,
                                Deadline deadline) {
  found.clear();
  if (sentinels) {
    SentinelClient::Link fresh;
    SentinelAnswer answer;
    co_await sentinels->Ask(fresh, config.role != RedisRole::kPrimary, answer, failure, deadline);
    if (failure) co_return;
    if (primary.empty()) primary = Describe(answer.primary);
    if (config.role == RedisRole::kPrimary && IsContested(answer.primary, Clock::now())) {
      failure = {
          ErrorKind::kConnect,
          fmt::format("{} says that it is the primary of '{}' now, Sentinel {} still names {}",
                      usurper, config.master_name, answer.from, Describe(answer.primary))};
      co_return;
    }
    if (config.role != RedisRole::kPrimary) found = std::move(answer.replicas);
    if (config.role != RedisRole::kReplica) found.push_back(std::move(answer.primary));
    if (found.empty()) {
      failure = {ErrorKind::kConnect,
                 fmt::format("Sentinel {} names no replica of '{}' that is well", answer.from,
                             config.master_name)};
      co_return;
    }
  } else {
    for (const RedisHost& host : config.hosts) found.push_back(AddressOf(host));
  }
  // A primary is looked for where it was last; replicas share the connections.
  const std::size_t begin = config.role == RedisRole::kPrimary ? turn : turn++;
  std::rotate(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(begin % found.size()),
              found.end());
}

Task<std::unique_ptr<RedisSession>> RedisRoleState::Try(
    const StreamAddress& address, RedisRole wanted,
    const std::shared_ptr<RedisGenerations>& members_of, Failure& failure, Deadline deadline) {
  failure.Clear();
  RedisDoorway doorway;
  doorway.address = address;
  doorway.server_name = address.host;
  doorway.login = login;
  doorway.generations = members_of;
  if (config.may_dial && !config.may_dial(address.host)) {
    failure = {ErrorKind::kConnect,
               fmt::format("{} is not this machine: it needs `allow: [{}]` in the scenario or "
                           "--allow-host",
                           Describe(address), address.host)};
    co_return nullptr;
  }
  std::unique_ptr<RedisSession> session = co_await DialRedis(loop, doorway, failure, deadline);
  if (!session) co_return nullptr;
  RoleAnswer role;
  co_await AskRole(*session, role, deadline);
  if (role.Fits(wanted)) {
    if (wanted != RedisRole::kPrimary) session->ExpectReadOnly();
    co_return session;
  }
  failure = {ErrorKind::kConnect,
             role.kind == RoleAnswer::Kind::kSilent
                 ? fmt::format("{} does not tell its role: {}", Describe(address), role.text)
                 : fmt::format("{} is not {} now, it says \"{}\"", Describe(address), Text(wanted),
                               role.text)};
  co_return nullptr;
}

/// A dial that was begun in `generation` led there.
void RedisRoleState::Settle(const StreamAddress& address, std::uint64_t generation) {
  if (generation != generations->Now()) return;
  const bool moved =
      config.role == RedisRole::kPrimary && IsCurrent() && Describe(*current) != Describe(address);
  // This dial learnt it before the watch did; its connection goes with the others.
  if (moved) return Retire(fmt::format("the primary moved to {}", Describe(address)));
  current = address;
  current_generation = generation;
}

Task<std::unique_ptr<RedisSession>> RedisRoleState::Dial(Failure& failure, Deadline deadline) {
  const std::uint64_t generation = generations->Now();
  std::vector<StreamAddress> found;
  co_await Find(found, failure, deadline);
  if (failure) co_return nullptr;
  std::string why;
  for (std::size_t i = 0; i < found.size() && !loop.Cancelled(); ++i) {
    const TimePoint now = Clock::now();
    if (deadline.Passed(now)) break;
    const auto share = deadline.Remaining(now) / static_cast<std::int64_t>(found.size() - i);
    const Deadline part = Deadline::After(now, share);
    std::unique_ptr<RedisSession> session =
        co_await Try(found[i], config.role, generations, failure, part);
    if (session) {
      Settle(found[i], generation);
      if (!sentinels && config.role == RedisRole::kPrimary) {
        turn = (turn + i) % config.hosts.size();
      }
      co_return session;
    }
    why += (why.empty() ? "" : "; ") + failure.text;
  }
  failure = {ErrorKind::kConnect,
             Excerpt(why.empty() ? "there was no time left to find the server" : why, kLongest)};
  co_return nullptr;
}

}  // namespace perf::backends
