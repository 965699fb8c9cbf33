// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/tier_server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "libperf/backends/redis_tier.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/bench/peer.hpp"
#include "libperf/bench/redis_shell.hpp"

namespace perf::bench {

TierServer::TierServer(const TierServerOptions& options) : owner_(::getpid()) {
  load::OneLiner line;
  line.kind = load::TargetKind::kRedis;
  line.url = options.url;
  const std::vector<PeerSpec> peers = ResolvePeers({line}, options.allow_hosts);
  private_ = peers.front().target.is_private;
  servers_ = StartPrivate(peers);
  name_ = peers.front().target.name;
  url_ = UrlOf(peers.front(), servers_);
  prefix_ = fmt::format("perfkit:cachebench:{}-{}:", owner_,
                        Clock::now().time_since_epoch().count() / 1'000'000);
  // An unreachable server is known before anything starts. The shell goes with its thread-free
  // loop: children may still be forked.
  if (!private_) {
    try {
      RedisShell(url_).Do({"PING"});
    } catch (const IoError& error) {
      throw UnreachableError(error.what());
    }
  }
}

TierServer::~TierServer() {
  if (private_ || ::getpid() != owner_) return;
  try {
    RedisShell shell(url_);
    std::string cursor = "0";
    do {
      const Json page = shell.Do({"SCAN", cursor, "MATCH", prefix_ + "*", "COUNT", "1000"});
      cursor = page.AsArray().at(0).ToText();
      std::vector<std::string> gone{"UNLINK"};
      for (const Json& key : page.AsArray().at(1).AsArray()) gone.push_back(key.ToText());
      if (gone.size() > 1) shell.Do(std::move(gone));
    } while (cursor != "0");
  } catch (const std::exception& error) {
    Log(LogLevel::kWarn, "keys below {} stay in Redis: {}", prefix_, error.what());
  }
}

void TierServer::Act(backends::ServerAction action, Deadline deadline) {
  servers_.Act(name_, action, std::nullopt, deadline);
}

std::shared_ptr<cache::SecondTier> TierServer::Tier(const std::string& name,
                                                    const std::string& url) const {
  backends::RedisTierOptions options;
  options.prefix = prefix_ + name + ":";
  return std::make_shared<backends::RedisTier>(url.empty() ? url_ : url, std::move(options));
}

bool AwaitCoherent(const cache::SecondTier& tier, Deadline deadline) {
  while (!tier.Reachable() || !tier.Coherent()) {
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace perf::bench
