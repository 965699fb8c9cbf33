// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/backends/redis_session.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr std::uint16_t kDefaultPort = 6379;

/// A unix socket's URL has no other place for them than its query.
std::string FromQuery(const Url& url, std::string_view name) {
  for (const std::string_view part : Split(url.query, '&')) {
    if (part.starts_with(name) && part.substr(name.size()).starts_with('=')) {
      return PercentDecode(part.substr(name.size() + 1));
    }
  }
  return {};
}

std::int64_t Database(const Url& url) {
  const std::string text =
      url.scheme == "unix" ? FromQuery(url, "db") : url.path.substr(url.path.empty() ? 0 : 1);
  if (text.empty()) return 0;
  const auto number = ParseInteger(text);
  if (!number || *number < 0) {
    throw ConfigError(
        fmt::format("Redis URL {}: \"{}\" is not a database number", url.Masked(), text));
  }
  return *number;
}

/// Of kSingle.
class Connector final : public RedisConnector {
 public:
  Connector(EventLoop& loop, const RedisConfig& config);
  Task<Dialled<RedisConnection>> Dial(Deadline deadline) override;
  void OnStale(std::function<void()> listener) override {
    doorway_.generations->OnRetire(std::move(listener));
  }

 private:
  EventLoop& loop_;
  RedisDoorway doorway_;
};

Connector::Connector(EventLoop& loop, const RedisConfig& config)
    : loop_(loop), doorway_(SingleDoorway(config)) {
  doorway_.generations = std::make_shared<RedisGenerations>(loop);
}

Task<Dialled<RedisConnection>> Connector::Dial(Deadline deadline) {
  Dialled<RedisConnection> dialled;
  dialled.connection = co_await DialRedis(loop_, doorway_, dialled.failure, deadline);
  co_return dialled;
}

}  // namespace

void RedisReply::Clear() noexcept {
  failure.Clear();
  timing = {};
  value = Json();
  redirected = 0;
}

RedisConnector::~RedisConnector() = default;

RedisLogin LoginOf(const RedisConfig& config) {
  const Url& url = config.url;
  RedisLogin login;
  const bool socket = url.scheme == "unix";
  login.user = socket ? FromQuery(url, "user") : url.user;
  login.password = socket ? FromQuery(url, "password") : url.password;
  login.database = Database(url);
  if (url.scheme == "rediss") login.tls = HiredisStream::MakeTls(config.tls);
  return login;
}

RedisDoorway SingleDoorway(const RedisConfig& config) {
  RedisDoorway doorway;
  const Url& url = config.url;
  StreamAddress& address = doorway.address;
  if (url.scheme == "unix") {
    address.unix_socket = PercentDecode(url.path);
  } else {
    address.host = url.host.empty() ? "127.0.0.1" : url.host;
    address.port = url.port == 0 ? kDefaultPort : url.port;
  }
  doorway.server_name = address.host;
  doorway.login = LoginOf(config);
  if (config.via_port != 0) address = {"127.0.0.1", config.via_port, ""};
  return doorway;
}

std::unique_ptr<RedisConnector> MakeRedisConnector(EventLoop& loop, RedisConfig config) {
  if (config.layout == RedisLayout::kSingle) return std::make_unique<Connector>(loop, config);
  if (config.via_port != 0) {
    throw ConfigError("one fault proxy cannot stand before several Redis servers");
  }
  if (config.layout == RedisLayout::kCluster) {
    return MakeRedisClusterConnector(loop, std::move(config));
  }
  return MakeRedisRoleConnector(loop, std::move(config));
}

}  // namespace perf::backends
