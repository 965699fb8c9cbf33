// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/watch/watch.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/http_server.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/watch/figures.hpp"

using namespace perf;
using namespace perf::monitor;
using namespace std::chrono_literals;

namespace {

using State = WatchStatus::State;

Deadline Soon() { return Deadline::After(Clock::now(), 60s); }

/// Told of changes by a Watcher; waits for them.
class Changes {
 public:
  explicit Changes(Watcher& watcher) {
    watcher.OnChange([this](const WatchStatus& status) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(status);
      changed_.notify_all();
    });
  }
  /// The newest state of a target, once it is that one; nothing if it never was.
  std::optional<WatchStatus> Await(const std::string& name, State state) {
    std::unique_lock lock(mutex_);
    std::optional<WatchStatus> last;
    const bool came = changed_.wait_until(lock, Soon().At(), [&] {
      for (const WatchStatus& status : seen_) {
        if (status.name == name) last = status;
      }
      return last && last->state == state;
    });
    return came ? last : std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<WatchStatus> seen_;
};

/// A bound loopback socket; nobody is answered before it listens.
class Port {
 public:
  Port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    number_ = ntohs(address.sin_port);
  }
  int Number() const noexcept { return number_; }
  /// For an HttpServer, which adopts it.
  int Listen() const {
    REQUIRE(::listen(fd_, 16) == 0);
    return fd_;
  }

 private:
  int fd_;
  int number_ = 0;
};

/// Serves what `text` says at /metrics, by our own HTTP server.
class MetricsServer {
 public:
  MetricsServer(const Port& port, std::string text, std::string type)
      : text_(std::move(text)),
        type_(std::move(type)),
        server_(port.Listen(),
                [this](const backends::ServedRequest& request, backends::ServedReply& reply) {
                  if (request.path == "/broken") reply.status = 503;
                  if (request.path == "/nowhere") reply.status = 404;
                  reply.content_type = type_;
                  reply.own_body = text_;
                }),
        thread_([this] { server_.Run(); }) {}
  ~MetricsServer() {
    server_.Stop();
    thread_.join();
  }

 private:
  const std::string text_, type_;
  backends::HttpServer server_;
  std::thread thread_;
};

std::string Http(const Port& port, const std::string& path = "") {
  return "http://127.0.0.1:" + std::to_string(port.Number()) + path;
}

/// PostgreSQL and Redis, or nothing where they are not installed.
std::optional<backends::PrivateServers> StartServers() {
  std::array<backends::PrivateSpec, 2> specs;
  specs[0].name = "db";
  specs[0].kind = backends::PrivateSpec::Kind::kPostgres;
  specs[1].name = "kv";
  specs[1].kind = backends::PrivateSpec::Kind::kRedis;
  try {
    return backends::PrivateServers::Start(specs, Soon());
  } catch (const UnreachableError& error) {
    MESSAGE("skipped: " << error.what());
    return std::nullopt;
  }
}

WatchTarget Target(const std::string& name, WatchKind kind, const std::string& url) {
  WatchTarget target;
  target.name = name;
  target.kind = kind;
  target.url = url;
  return target;
}

}  // namespace

TEST_CASE("real servers: down with a reason, up when they start, down when they are killed") {
  auto servers = StartServers();
  if (!servers) return;
  for (const char* name : {"db", "kv"}) {
    servers->Act(name, backends::ServerAction::kKill, {}, Soon());
  }
  WatchOptions options;
  options.timeout = 30s;  // on a machine that stands still a probe may well take its usual time
  Watcher watcher(options);
  Changes changes(watcher);
  watcher.Add(Target("db", WatchKind::kPostgres, servers->Url("db")));
  watcher.Add(Target("kv", WatchKind::kRedis, servers->Url("kv")));
  metrics::Registry registry;
  const auto registration = watcher.RegisterMetrics(registry);
  watcher.Start();
  for (const char* name : {"db", "kv"}) {
    const auto down = changes.Await(name, State::kDown);
    REQUIRE(down);
    CHECK_FALSE(down->reason.empty());
    CHECK(down->reason.find('\\') == std::string::npos);  // no escaped ends of lines
    MESSAGE(std::string(name) << " is down: " << down->reason);
  }
  std::string text = metrics::Expose(registry.Gather());
  CHECK(text.find("perfkit_target_up{target=\"db\",kind=\"postgresql\"} 0") != std::string::npos);
  CHECK(text.find("perfkit_postgresql_") == std::string::npos);  // absence, not 0
  for (const char* name : {"db", "kv"}) {
    servers->Act(name, backends::ServerAction::kRestart, {}, Soon());
    const TimePoint start = Clock::now();
    const auto up = changes.Await(name, State::kUp);
    REQUIRE(up);
    CHECK(up->reason.empty());
    CHECK(up->latency > Duration{});
    MESSAGE(std::string(name) << " is up " << ToMs(up->at - start) << " ms after it answered");
  }
  const metrics::MetricsSnapshot now = registry.Gather();
  CHECK(now.errors.empty());
  text = metrics::Expose(now);
  for (const char* series :
       {"perfkit_target_up{target=\"db\",kind=\"postgresql\"} 1",
        "perfkit_target_up{target=\"kv\",kind=\"redis\"} 1",
        "perfkit_postgresql_connections{target=\"db\",state=\"idle\"} ",
        "perfkit_postgresql_transactions_total{target=\"db\",result=\"commit\"} ",
        "perfkit_postgresql_in_recovery{target=\"db\"} 0",
        "perfkit_redis_clients{target=\"kv\",state=\"connected\"} ",
        "perfkit_redis_primary{target=\"kv\"} 1", "perfkit_redis_commands_total{target=\"kv\"} "}) {
    CHECK_MESSAGE(text.find(series) != std::string::npos, series);
  }
  for (const char* name : {"db", "kv"}) {
    servers->Act(name, backends::ServerAction::kKill, {}, Soon());
    const TimePoint killed = Clock::now();
    const auto down = changes.Await(name, State::kDown);
    REQUIRE(down);
    MESSAGE(std::string(name) << " is down " << ToMs(down->at - killed)
                              << " ms after it was killed: " << down->reason);
  }
  CHECK(watcher.Stop(Soon()));
}

TEST_CASE("what a server says twice counts once") {
  ProbeResult result;
  const Figures figures(result);
  figures.Gauge("perfkit_redis_primary", "1 for a primary.", 1);
  figures.Gauge("perfkit_redis_primary", "1 for a primary.", 0);
  figures.Gauge("perfkit_redis_clients", "Clients.", 2, {{"state", "connected"}});
  figures.Gauge("perfkit_redis_clients", "Clients.", 3, {{"state", "blocked"}});
  REQUIRE(result.figures.size() == 3);
  CHECK(result.figures[0].second.value == 1);
  CHECK(result.figures[2].second.value == 3);
}

TEST_CASE("a server that hangs is down by the time-out, and up when it goes on") {
  auto servers = StartServers();
  if (!servers) return;
  Watcher watcher;
  Changes changes(watcher);
  watcher.Add(Target("kv", WatchKind::kRedis, servers->Url("kv")));
  watcher.Start();
  REQUIRE(changes.Await("kv", State::kUp));
  servers->Act("kv", backends::ServerAction::kStop, {}, Soon());
  const TimePoint stopped = Clock::now();
  const auto down = changes.Await("kv", State::kDown);
  REQUIRE(down);
  MESSAGE("down " << ToMs(down->at - stopped) << " ms after it hung: " << down->reason);
  servers->Act("kv", backends::ServerAction::kContinue, {}, Soon());
  CHECK(changes.Await("kv", State::kUp));
}

TEST_CASE("a scraped endpoint: its series with the target's label, and why it is down") {
  const Port port;
  WatchOptions options;
  options.interval = 20ms;
  options.most_backoff = 40ms;
  Watcher watcher(options);
  Changes changes(watcher);
  watcher.Add(Target("web", WatchKind::kScrape, Http(port)));
  watcher.Add(Target("missing", WatchKind::kScrape, Http(port, "/nowhere")));
  watcher.Add(Target("page", WatchKind::kHttp, Http(port, "/nowhere?token=secret")));
  watcher.Add(Target("broken", WatchKind::kHttp, Http(port, "/broken?token=secret")));
  metrics::Registry registry;
  const auto registration = watcher.RegisterMetrics(registry);
  watcher.Start();
  REQUIRE(changes.Await("web", State::kDown));
  {
    const MetricsServer server(port,
                               "# TYPE hits_total counter\nhits_total{code=\"200\"} 5\n"
                               "# TYPE took_seconds histogram\ntook_seconds_bucket{le=\"0.5\"} 2\n"
                               "took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 1.5\n"
                               "took_seconds_count 3\n",
                               "text/plain; version=0.0.4");
    REQUIRE(changes.Await("web", State::kUp));
    REQUIRE(changes.Await("page", State::kUp));  // 404 is an answer, if no metrics
    metrics::MetricsSnapshot scraped;
    watcher.AddScraped(scraped);
    REQUIRE(scraped.families.size() == 2);
    CHECK(scraped.families[0].samples.at(0).labels ==
          metrics::Labels{{"code", "200"}, {"target", "web"}});
    CHECK(scraped.families[1].samples.at(0).histogram->Count() == 3);
    const auto reason_of = [&](const std::string& name) {
      for (const WatchStatus& status : watcher.Status()) {
        CHECK(status.url.find("secret") == std::string::npos);
        if (status.name == name && status.state == State::kDown) return status.reason;
      }
      return std::string();
    };
    const Deadline soon = Soon();
    while (reason_of("missing").find("404") == std::string::npos ||
           reason_of("broken").find("503") == std::string::npos) {
      REQUIRE_FALSE(soon.Passed(Clock::now()));
      std::this_thread::yield();
    }
    CHECK(reason_of("broken").find("secret") == std::string::npos);
    const std::string text = metrics::Expose(registry.Gather());
    CHECK(text.find("hits_total") == std::string::npos);  // ours holds no foreign names
    CHECK(text.find("perfkit_target_scraped_series{target=\"web\"} 5") != std::string::npos);
    CHECK(text.find("perfkit_http_probe_status{target=\"page\"} 404") != std::string::npos);
  }
  const auto down = changes.Await("web", State::kDown);
  REQUIRE(down);
  CHECK_FALSE(down->reason.empty());
  metrics::MetricsSnapshot scraped;
  watcher.AddScraped(scraped);
  CHECK(scraped.families.empty());
  CHECK(watcher.Stop(Soon()));
}

TEST_CASE("a hostile endpoint is down with what is wrong, and bounded") {
  const Port good_port;
  const Port long_port;
  const MetricsServer bad(good_port, "fine 1\nnot fine at all\n", "text/plain");
  const MetricsServer longer(long_port, std::string(100'000, '\n'), "text/plain");
  WatchOptions options;
  options.interval = 20ms;
  options.limits.bytes = 50'000;
  Watcher watcher(options);
  Changes changes(watcher);
  watcher.Add(Target("bad", WatchKind::kScrape, Http(good_port)));
  watcher.Add(Target("long", WatchKind::kScrape, Http(long_port)));
  watcher.Start();
  const auto bad_status = changes.Await("bad", State::kDown);
  REQUIRE(bad_status);
  CHECK(bad_status->reason.find("line 2") != std::string::npos);
  const auto long_status = changes.Await("long", State::kDown);
  REQUIRE(long_status);
  CHECK(long_status->reason.find("50000 bytes") != std::string::npos);
}

TEST_CASE("targets that cannot be are refused by name, without their secret") {
  Watcher watcher;
  watcher.Add(Target("a", WatchKind::kHttp, "http://127.0.0.1:1/"));
  const auto refused = [&](const WatchTarget& target) -> std::string {
    try {
      watcher.Add(target);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refused(Target("a", WatchKind::kHttp, "http://127.0.0.1:2/")).find("two targets") !=
        std::string::npos);
  CHECK_FALSE(refused(Target("", WatchKind::kHttp, "http://127.0.0.1:2/")).empty());
  const std::string why = refused(Target("kv", WatchKind::kRedis, "redis://u:hunter2@:x"));
  CHECK(why.find("kv") != std::string::npos);
  CHECK(why.find("hunter2") == std::string::npos);
  CHECK_FALSE(refused(Target("ftp", WatchKind::kScrape, "redis://127.0.0.1/")).empty());
  CHECK_FALSE(refused(Target("pg", WatchKind::kPostgres, "no=such_option")).empty());
  CHECK(watcher.Stop(Soon()));  // it was never started
}
