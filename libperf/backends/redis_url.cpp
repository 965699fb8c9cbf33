// SPDX-License-Identifier: Apache-2.0
// The URLs of Redis, of one server and of several.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libperf/backends/redis.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr std::uint16_t kServerPort = 6379;
constexpr std::uint16_t kSentinelPort = 26379;
constexpr std::size_t kMostHosts = 100;

[[noreturn]] void Fail(std::string_view why) {
  throw ConfigError(fmt::format("invalid Redis URL: {}", why));
}

struct Parameter {
  std::string name;
  std::string value;
};

std::vector<Parameter> ParametersOf(std::string_view query) {
  std::vector<Parameter> parameters;
  if (query.empty()) return parameters;
  for (const std::string_view pair : Split(query, '&')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) Fail("after '?' stand NAME=VALUE pairs");
    parameters.push_back(
        {std::string(pair.substr(0, equals)), PercentDecode(pair.substr(equals + 1))});
  }
  return parameters;
}

RedisRole RoleOf(std::string_view text) {
  if (text == "primary") return RedisRole::kPrimary;
  if (text == "replica") return RedisRole::kReplica;
  if (text == "any") return RedisRole::kAny;
  Fail("role is primary, replica or any");
}

/// scheme://[userinfo@]host[,host…][/path][?query], cut at its marks.
struct Pieces {
  std::string scheme;  // redis or rediss
  std::string layout;  // sentinel, cluster, or empty
  std::string userinfo;
  std::vector<std::string_view> hosts;
  std::string path;
  std::string_view query;
};

Pieces Cut(std::string_view text) {
  Pieces pieces;
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) Fail("a scheme such as redis:// is missing");
  const std::string scheme = ToLower(text.substr(0, mark));
  text.remove_prefix(mark + 3);
  const std::size_t plus = std::min(scheme.find('+'), scheme.size());
  pieces.scheme = scheme.substr(0, plus);
  pieces.layout = scheme.substr(std::min(plus + 1, scheme.size()));
  const std::size_t question = std::min(text.find('?'), text.size());
  pieces.query = text.substr(std::min(question + 1, text.size()));
  text = text.substr(0, question);
  const std::size_t slash = std::min(text.find('/'), text.size());
  pieces.path = std::string(text.substr(slash));
  text = text.substr(0, slash);
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    pieces.userinfo = std::string(text.substr(0, at + 1));
    text.remove_prefix(at + 1);
  }
  pieces.hosts = Split(text, ',');
  return pieces;
}

void CheckScheme(const Pieces& pieces) {
  constexpr std::array<std::string_view, 2> kSchemes{"redis", "rediss"};
  constexpr std::array<std::string_view, 3> kLayouts{"", "sentinel", "cluster"};
  if (std::find(kSchemes.begin(), kSchemes.end(), pieces.scheme) == kSchemes.end() ||
      std::find(kLayouts.begin(), kLayouts.end(), pieces.layout) == kLayouts.end()) {
    Fail(
        "its scheme is none of redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster, "
        "rediss+cluster, unix");
  }
}

void ReadParameters(const Pieces& pieces, RedisConfig& config) {
  const bool sentinel = config.layout == RedisLayout::kSentinel;
  for (const Parameter& parameter : ParametersOf(pieces.query)) {
    if (parameter.name == "role" && config.layout != RedisLayout::kCluster) {
      config.role = RoleOf(parameter.value);
    } else if (parameter.name == "db" && sentinel) {
      config.url.path = "/" + parameter.value;
    } else if (parameter.name == "sentinel_user" && sentinel) {
      config.sentinel_user = parameter.value;
    } else if (parameter.name == "sentinel_password" && sentinel) {
      config.sentinel_password = parameter.value;
    } else {
      Fail(fmt::format("unknown parameter '{}'", Excerpt(parameter.name, 40)));
    }
  }
  if (!config.sentinel_user.empty() && !config.sentinel_password) {
    Fail("sentinel_user needs its sentinel_password");
  }
}

void ReadHosts(const Pieces& pieces, RedisConfig& config) {
  if (pieces.hosts.size() > kMostHosts) Fail("too many hosts");
  const std::uint16_t port = config.layout == RedisLayout::kSentinel ? kSentinelPort : kServerPort;
  for (const std::string_view host : pieces.hosts) {
    // Every one by the same rules, and the first with the user in front.
    const bool first = config.hosts.empty();
    Url url =
        Url::Parse(fmt::format("{}://{}{}", pieces.scheme, first ? pieces.userinfo : "", host));
    if (url.port == 0) url.port = port;
    config.hosts.push_back({url.host, url.port});
    if (first) config.url = std::move(url);
  }
}

/// One server whose role does not matter: the form that always was.
bool IsPlain(std::string_view text) {
  if (ToLower(text.substr(0, 5)) == "unix:") return true;
  const std::string_view front = text.substr(0, text.find('?'));
  const std::string_view scheme = front.substr(0, front.find(':'));
  if (scheme.find('+') != std::string_view::npos) return false;
  const std::size_t at = front.rfind('@');
  const std::string_view hosts = front.substr(at == std::string_view::npos ? 0 : at + 1);
  return hosts.find(',') == std::string_view::npos && text.find("?role=") == std::string_view::npos;
}

}  // namespace

RedisConfig ParseRedisUrl(std::string_view text) {
  RedisConfig config;
  if (IsPlain(text)) {
    config.url = Url::Parse(text);
    if (config.url.scheme != "redis" && config.url.scheme != "rediss" &&
        config.url.scheme != "unix") {
      Fail("a Redis is redis://…, rediss://… or unix:///…");
    }
    return config;
  }
  const Pieces pieces = Cut(text);
  CheckScheme(pieces);
  config.layout = pieces.layout == "sentinel"  ? RedisLayout::kSentinel
                  : pieces.layout == "cluster" ? RedisLayout::kCluster
                                               : RedisLayout::kHosts;
  ReadHosts(pieces, config);
  if (config.layout == RedisLayout::kSentinel) {
    config.master_name = PercentDecode(
        std::string_view(pieces.path).substr(std::min<std::size_t>(1, pieces.path.size())));
    if (config.master_name.empty()) Fail("after the Sentinels stands /MASTER_NAME");
    if (config.master_name.find_first_of("/ ") != std::string::npos) {
      Fail("the master's name has no '/'; a database is written ?db=N");
    }
  } else if (config.layout == RedisLayout::kCluster) {
    if (pieces.path.size() > 1 && pieces.path != "/0") Fail("a cluster has database 0 only");
  } else {
    config.url.path = pieces.path;
  }
  ReadParameters(pieces, config);
  return config;
}

}  // namespace perf::backends
