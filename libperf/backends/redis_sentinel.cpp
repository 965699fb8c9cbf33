// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_sentinel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr Duration kOneSentinel = std::chrono::milliseconds(500);

std::optional<StreamAddress> AddressOf(const Json& host, const Json& port) {
  if (!host.IsString() || !port.IsString() || host.AsString().empty()) return std::nullopt;
  const auto number = ParseInteger(port.AsString());
  if (!number || *number < 1 || *number > 65'535) return std::nullopt;
  StreamAddress address;
  address.host = host.AsString();
  address.port = static_cast<std::uint16_t>(*number);
  return address;
}

/// Of a flat list of names and values.
const Json* Field(const Json::Array& list, std::string_view name) {
  for (std::size_t i = 0; i + 1 < list.size(); i += 2) {
    if (list[i].IsString() && list[i].AsString() == name) return &list[i + 1];
  }
  return nullptr;
}

bool IsWell(std::string_view flags) noexcept {
  return flags.find("down") == std::string_view::npos &&
         flags.find("disconnected") == std::string_view::npos;
}

void Fail(Failure& failure, const RedisDoorway& sentinel, std::string_view why) {
  failure = {ErrorKind::kConnect,
             fmt::format("Sentinel {}: {}", Describe(sentinel.address), Excerpt(why, 300))};
}

}  // namespace

SentinelClient::SentinelClient(EventLoop& loop, const RedisConfig& config)
    : loop_(loop), master_name_(config.master_name) {
  RedisLogin login = LoginOf(config);
  login.database = 0;
  // The servers' password is tried here too; Sentinels often have none.
  login.lenient = !config.sentinel_password;
  if (config.sentinel_password) {
    login.user = config.sentinel_user;
    login.password = *config.sentinel_password;
  }
  for (const RedisHost& host : config.hosts) {
    RedisDoorway& sentinel = sentinels_.emplace_back();
    sentinel.address.host = sentinel.server_name = host.host;
    sentinel.address.port = host.port;
    sentinel.login = login;
  }
  if (sentinels_.empty()) throw ConfigError("no Sentinel is named");
}

Task<void> SentinelClient::Ask(Link& link, bool replicas, SentinelAnswer& answer, Failure& failure,
                               Deadline deadline) {
  failure.Clear();
  if (link.session && link.session->Alive()) {
    const Deadline part = Sooner(deadline, Deadline::After(Clock::now(), kOneSentinel));
    co_await AskOne(link, replicas, answer, failure, part);
    if (!failure) co_return;
  }
  std::string why;
  const std::size_t begin = first_;
  const std::size_t count = sentinels_.size();
  for (std::size_t i = 0; i < count && !loop_.Cancelled(); ++i) {
    const TimePoint now = Clock::now();
    if (deadline.Passed(now)) break;
    // What the last one leaves is for the server itself.
    const auto share = deadline.Remaining(now) / static_cast<std::int64_t>(count - i + 1);
    const Deadline part = Deadline::After(now, std::min<Duration>(share, kOneSentinel));
    link.session.reset();
    link.sentinel = (begin + i) % count;
    failure.Clear();
    link.session = co_await DialRedis(loop_, sentinels_[link.sentinel], failure, part);
    if (link.session) {
      co_await AskOne(link, replicas, answer, failure, part);
    } else {
      Fail(failure, sentinels_[link.sentinel], failure.text);
    }
    if (!failure) {
      first_ = link.sentinel;
      co_return;
    }
    why += (why.empty() ? "" : "; ") + failure.text;
  }
  link.session.reset();
  failure = {ErrorKind::kConnect,
             Excerpt(fmt::format("no Sentinel names the primary of '{}': {}", master_name_,
                                 why.empty() ? "there was no time left" : why),
                     500)};
}

Task<void> SentinelClient::AskOne(Link& link, bool replicas, SentinelAnswer& answer,
                                  Failure& failure, Deadline deadline) {
  const RedisDoorway& sentinel = sentinels_[link.sentinel];
  RedisCommand command;
  RedisReply reply;
  command.keep_reply = true;
  command.words = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", master_name_};
  co_await link.session->Execute(command, reply, deadline);
  if (reply.failure) {
    Fail(failure, sentinel, reply.failure.text);
    co_return;
  }
  if (!reply.value.IsArray() || reply.value.AsArray().size() != 2) {
    Fail(failure, sentinel, fmt::format("it watches no master named '{}'", master_name_));
    co_return;
  }
  const auto primary = AddressOf(reply.value.AsArray()[0], reply.value.AsArray()[1]);
  if (!primary) {
    Fail(failure, sentinel, "its answer names no address");
    co_return;
  }
  answer.primary = *primary;
  answer.from = Describe(sentinel.address);
  answer.replicas.clear();
  if (!replicas) co_return;
  co_await AskReplicas(*link.session, answer, failure, deadline);
  if (failure) Fail(failure, sentinel, failure.text);
}

Task<void> SentinelClient::AskReplicas(RedisSession& session, SentinelAnswer& answer,
                                       Failure& failure, Deadline deadline) {
  RedisCommand command;
  RedisReply reply;
  command.keep_reply = true;
  command.words = {"SENTINEL", "REPLICAS", master_name_};
  co_await session.Execute(command, reply, deadline);
  if (reply.failure || !reply.value.IsArray()) {
    failure = {ErrorKind::kConnect,
               reply.failure ? reply.failure.text : "a strange answer about replicas"};
    co_return;
  }
  for (const Json& entry : reply.value.AsArray()) {
    if (!entry.IsArray()) continue;
    const Json* host = Field(entry.AsArray(), "ip");
    const Json* port = Field(entry.AsArray(), "port");
    const Json* flags = Field(entry.AsArray(), "flags");
    if (host == nullptr || port == nullptr) continue;
    if (flags != nullptr && flags->IsString() && !IsWell(flags->AsString())) continue;
    if (auto address = AddressOf(*host, *port)) answer.replicas.push_back(*std::move(address));
  }
}

}  // namespace perf::backends
