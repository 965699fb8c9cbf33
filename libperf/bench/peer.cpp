// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/peer.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/backends/dial_with.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/parse.hpp"

namespace perf::bench {
namespace {

constexpr Duration kServersReady = std::chrono::seconds(30);

std::string PathOf(const PeerSpec& spec) {
  if (spec.target.is_private) return "/health";
  const Url url = Url::Parse(spec.line.url);
  const std::string path = url.path.empty() ? "/" : url.path;
  return url.query.empty() ? path : path + "?" + url.query;
}

}  // namespace

const char* KindName(load::TargetKind kind) noexcept {
  constexpr const char* kNames[] = {"http", "postgres", "redis"};
  return kNames[static_cast<int>(kind)];
}

std::vector<PeerSpec> ResolvePeers(const std::vector<load::OneLiner>& lines,
                                   const std::vector<std::string>& allow_hosts) {
  std::vector<PeerSpec> peers;
  for (const load::OneLiner& line : lines) {
    load::ParseOptions parse;
    parse.path = "target";
    parse.text = load::ScenarioText(line);
    parse.allow_hosts = allow_hosts;
    load::Scenario scenario = load::ParseScenario(parse);
    PeerSpec peer{line, std::move(scenario.targets.at(0))};
    peer.target.name = fmt::format("{}{}", KindName(line.kind), peers.size());
    peers.push_back(std::move(peer));
  }
  return peers;
}

backends::PrivateServers StartPrivate(const std::vector<PeerSpec>& peers) {
  std::vector<backends::PrivateSpec> specs;
  for (const PeerSpec& peer : peers) {
    if (!peer.target.is_private) continue;
    backends::PrivateSpec spec;
    spec.name = peer.target.name;
    spec.kind =
        peer.target.kind == load::TargetKind::kPostgres ? backends::PrivateSpec::Kind::kPostgres
        : peer.target.kind == load::TargetKind::kRedis  ? backends::PrivateSpec::Kind::kRedis
                                                        : backends::PrivateSpec::Kind::kSpeech;
    specs.push_back(std::move(spec));
  }
  if (specs.empty()) return {};
  return backends::PrivateServers::Start(specs, Deadline::After(Clock::now(), kServersReady));
}

std::string UrlOf(const PeerSpec& peer, const backends::PrivateServers& servers) {
  return peer.target.is_private ? servers.Url(peer.target.name) : peer.target.url;
}

Peer::Peer(backends::EventLoop& loop, const PeerSpec& spec, const std::string& url) : spec_(spec) {
  switch (spec.target.kind) {
    case load::TargetKind::kHttp: {
      backends::HttpConfig config = spec.target.http;
      config.base = Url::Parse(url);
      encrypted_ = config.base.scheme == "https";
      // HTTP/2 knows no "Connection: close", and one connection would serve all three ways.
      if (config.version == backends::HttpVersion::kAuto) {
        config.version = backends::HttpVersion::k11;
      }
      kept_.method = spec.line.method;
      kept_.target = PathOf(spec);
      kept_.headers = spec.line.headers;
      kept_.body = spec.line.body;
      closed_ = kept_;
      closed_.headers.emplace_back("Connection", "close");
      http_ = backends::MakeHttpConnector(loop, std::move(config));
      break;
    }
    case load::TargetKind::kPostgres: {
      backends::PostgresConfig config;
      config.conninfo = url;
      // A connection for one request has no use for a prepared statement.
      config.prepared = false;
      statement_ = {spec.line.query, 1};
      for (const std::string& word : spec.line.parameters) parameters_.emplace_back(word);
      postgres_ = backends::MakePostgresConnector(loop, std::move(config));
      break;
    }
    case load::TargetKind::kRedis: {
      backends::RedisConfig config = backends::ParseRedisUrl(url);
      encrypted_ = config.url.scheme == "rediss";
      command_.words = spec.line.command;
      redis_ = backends::MakeRedisConnector(loop, std::move(config));
      break;
    }
  }
}

Task<backends::Dialled<backends::Connection>> Peer::Dial(Deadline deadline) {
  if (http_) return backends::DialWith(*http_, deadline);
  if (postgres_) return backends::DialWith(*postgres_, deadline);
  return backends::DialWith(*redis_, deadline);
}

Task<void> Peer::Request(backends::Connection& connection, bool last, backends::Failure& failure,
                         Deadline deadline) {
  if (http_) {
    backends::HttpReply reply;
    const backends::HttpRequest& request = last ? closed_ : kept_;
    co_await static_cast<backends::HttpConnection&>(connection).Exchange(request, reply, deadline);
    failure = std::move(reply.failure);
    if (!failure && reply.status >= 400) {
      failure = {ErrorKind::kStatus, fmt::format("HTTP status {}", reply.status)};
    }
  } else if (postgres_) {
    backends::SqlReply reply;
    co_await static_cast<backends::PostgresConnection&>(connection)
        .Execute(statement_, parameters_, reply, deadline);
    failure = std::move(reply.failure);
  } else {
    backends::RedisReply reply;
    co_await static_cast<backends::RedisConnection&>(connection).Execute(command_, reply, deadline);
    failure = std::move(reply.failure);
  }
}

}  // namespace perf::bench
