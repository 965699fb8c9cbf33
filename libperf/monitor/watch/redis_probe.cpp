// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/backends/redis.hpp"
#include "libperf/base/text.hpp"
#include "libperf/monitor/watch/exposition_line.hpp"
#include "libperf/monitor/watch/figures.hpp"
#include "libperf/monitor/watch/kept_connection.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {
namespace {

using backends::RedisConnection;

struct Field {
  std::string_view key;  // of INFO
  FigureSpec figure;
};

constexpr auto kGauge = metrics::Type::kGauge;
constexpr auto kCounter = metrics::Type::kCounter;
constexpr const char* kClients = "Clients by state.";
constexpr const char* kLookups = "Look-ups of keys by result.";
constexpr const char* kGone = "Keys that went by reason.";
constexpr Field kFields[] = {
    {"connected_clients", "perfkit_redis_clients", kClients, kGauge, "state", "connected"},
    {"blocked_clients", "perfkit_redis_clients", kClients, kGauge, "state", "blocked"},
    {"maxclients", "perfkit_redis_clients_max", "Most clients.", kGauge, nullptr, nullptr},
    {"used_memory", "perfkit_redis_memory_used_bytes", "Memory that it holds.", kGauge, nullptr,
     nullptr},
    {"used_memory_rss", "perfkit_redis_memory_resident_bytes", "Its resident memory.", kGauge,
     nullptr, nullptr},
    {"maxmemory", "perfkit_redis_memory_limit_bytes", "Memory that it may hold; 0: no limit.",
     kGauge, nullptr, nullptr},
    {"total_connections_received", "perfkit_redis_connections_total", "Connections accepted.",
     kCounter, nullptr, nullptr},
    {"rejected_connections", "perfkit_redis_rejected_connections_total",
     "Connections refused, as the limit was reached.", kCounter, nullptr, nullptr},
    {"total_commands_processed", "perfkit_redis_commands_total", "Commands carried out.", kCounter,
     nullptr, nullptr},
    {"keyspace_hits", "perfkit_redis_lookups_total", kLookups, kCounter, "result", "hit"},
    {"keyspace_misses", "perfkit_redis_lookups_total", kLookups, kCounter, "result", "miss"},
    {"evicted_keys", "perfkit_redis_keys_removed_total", kGone, kCounter, "reason", "evicted"},
    {"expired_keys", "perfkit_redis_keys_removed_total", kGone, kCounter, "reason", "expired"},
    {"uptime_in_seconds", "perfkit_redis_uptime_seconds", "Time since its start.", kGauge, nullptr,
     nullptr},
    {"loading", "perfkit_redis_loading", "1 while it loads its data.", kGauge, nullptr, nullptr},
    {"connected_slaves", "perfkit_redis_replicas", "Replicas that are connected.", kGauge, nullptr,
     nullptr},
};

/// "keys=5,expires=1,avg_ttl=0" of one database.
double KeysOf(std::string_view text) {
  for (const std::string_view part : Split(text, ',')) {
    if (part.starts_with("keys=")) return ReadGoNumber(part.substr(5)).value_or(0);
  }
  return 0;
}

/// Gives whether it was an INFO at all.
bool ReadInfo(std::string_view info, ProbeResult& result) {
  const Figures figures(result);
  double keys = 0;
  bool seen = false;
  for (std::string_view line : Split(info, '\n')) {
    line = Trim(line);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.starts_with('#')) continue;
    const std::string_view key = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 1);
    if (key == "redis_version") seen = true;
    if (key.starts_with("db") && value.starts_with("keys=")) keys += KeysOf(value);
    if (key == "role") {
      figures.Gauge("perfkit_redis_primary", "1 for a primary, 0 for a replica.",
                    value == "master" ? 1 : 0);
    }
    if (key == "master_link_status") {
      figures.Gauge("perfkit_redis_replication_up", "1 while a replica has its primary.",
                    value == "up" ? 1 : 0);
    }
    for (const Field& field : kFields) {
      if (field.key != key) continue;
      if (const auto number = ReadGoNumber(value)) figures.Add(field.figure, *number);
    }
  }
  figures.Gauge("perfkit_redis_keys", "Keys of all databases.", keys);
  return seen;
}

class RedisProbe final : public Probe {
 public:
  explicit RedisProbe(std::unique_ptr<backends::RedisConnector> connector)
      : connection_(std::move(connector)) {
    info_.words = {"INFO"};
    info_.keep_reply = true;
  }
  void Close() noexcept override { connection_.Close(); }

  Task<void> Ask(ProbeResult& result, Deadline deadline) override {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const bool is_new = co_await connection_.Ready(result.failure, deadline);
      if (result.failure) co_return;
      backends::RedisReply reply;
      co_await connection_.Get().Execute(info_, reply, deadline);
      result.failure = std::move(reply.failure);
      if (!result.failure &&
          !(reply.value.IsString() && ReadInfo(reply.value.AsString(), result))) {
        result.figures.clear();
        result.failure = {ErrorKind::kProtocol, "INFO was answered with something else"};
      }
      if (!connection_.RetryAfter(result.failure, is_new)) co_return;
    }
  }

 private:
  backends::RedisCommand info_;
  KeptConnection<backends::RedisConnector, RedisConnection> connection_;
};

}  // namespace

std::unique_ptr<Probe> MakeRedisProbe(backends::EventLoop& loop, const WatchTarget& target) {
  return std::make_unique<RedisProbe>(
      backends::MakeRedisConnector(loop, backends::ParseRedisUrl(target.url)));
}

}  // namespace perf::monitor
