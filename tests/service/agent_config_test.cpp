// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/agent_config.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/service/agent_settings.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

using Variables = std::map<std::string, std::string>;

config::Environment::Lookup Of(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

AgentConfig Load(Variables variables, std::string path = {}) {
  return AgentConfig::Load({std::move(path), Of(std::move(variables))});
}

std::string ErrorOf(Variables variables, std::string path = {}) {
  try {
    Load(std::move(variables), std::move(path));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

EffectiveSetting Of(const AgentConfig& config, std::string_view variable) {
  for (const EffectiveSetting& one : config.effective) {
    if (one.variable == variable) return one;
  }
  return {};
}

struct Row {
  const char* variable;
  const char* fallback;  // as the contract lists it
  const char* other;     // a good value
  std::vector<const char*> bad;
  double (*read)(const AgentConfig&);
  double is, becomes;
};

const std::vector<Row>& Rows() {
  using C = const AgentConfig&;
  static const std::vector<Row> rows = {
      {"DB_POOL_MIN_SIZE",
       "5",
       "7",
       {"-1", "x", "10001", "5.5", " 5"},
       [](C c) { return double(c.pools.db_min_size); },
       5,
       7},
      {"DB_POOL_MAX_SIZE",
       "20",
       "30",
       {"0", "10001", "many"},
       [](C c) { return double(c.pools.db_max_size); },
       20,
       30},
      {"REDIS_POOL_MAX_CONNECTIONS",
       "25",
       "1",
       {"0", "10001", "1e2"},
       [](C c) { return double(c.pools.redis_max_connections); },
       25,
       1},
      {"HTTP_POOL_MAX_CONNECTIONS",
       "100",
       "10000",
       {"0", "10001", "-5"},
       [](C c) { return double(c.pools.http_max_connections); },
       100,
       10000},
      {"CACHE_MEMORY_MAX_SIZE",
       "1000",
       "0",
       {"-1", "2000000001", "1k"},
       [](C c) { return double(c.cache.memory_max_size); },
       1000,
       0},
      {"CACHE_MEMORY_MAX_BYTES",
       "52428800",
       "1024",
       {"-1", "50MiB"},
       [](C c) { return double(c.cache.memory_max_bytes); },
       52428800,
       1024},
      {"CACHE_DEFAULT_TTL",
       "300",
       "0.5",
       {"0", "-1", "5m", "nan", "inf"},
       [](C c) { return c.cache.default_ttl_seconds; },
       300,
       0.5},
      {"CACHE_REDIS_ENABLED",
       "true",
       "FALSE",
       {"yes", "1", "on"},
       [](C c) { return double(c.cache.redis_enabled); },
       1,
       0},
      {"AUDIO_BUFFER_MAX_SIZE_MB",
       "10",
       "64",
       {"0", "65537", "10MB"},
       [](C c) { return double(c.audio.max_buffer_size_mb); },
       10,
       64},
      {"AUDIO_CHUNK_SIZE",
       "4096",
       "64",
       {"63", "0", "4k"},
       [](C c) { return double(c.audio.chunk_size_bytes); },
       4096,
       64},
      {"AUDIO_GC_THRESHOLD_MB",
       "50",
       "1",
       {"0", "65537",
        ""
        "x"},
       [](C c) { return double(c.audio.gc_threshold_mb); },
       50,
       1},
      {"AUDIO_COMPRESSION_ENABLED",
       "true",
       "false",
       {"no", "0"},
       [](C c) { return double(c.audio.enable_compression); },
       1,
       0},
      {"PERF_SYSTEM_INTERVAL",
       "30",
       "5",
       {"0", "-1", "30s", "86401"},
       [](C c) { return c.performance.system_interval / std::chrono::duration<double>(1); },
       30,
       5},
      {"PERF_APP_INTERVAL",
       "60",
       "10",
       {"0", "1m"},
       [](C c) { return c.performance.app_interval / std::chrono::duration<double>(1); },
       60,
       10},
      {"PERF_MEMORY_THRESHOLD_MB",
       "512",
       "100",
       {"0", "-3", "half"},
       [](C c) { return double(c.performance.memory_threshold_mb); },
       512,
       100},
      {"PERF_CPU_THRESHOLD",
       "80.0",
       "42.5",
       {"-1", "100.1", "80%", "nan"},
       [](C c) { return c.performance.cpu_threshold_percent; },
       80,
       42.5},
      {"PERF_ALERTING_ENABLED",
       "true",
       "False",
       {"maybe"},
       [](C c) { return double(c.performance.alerting_enabled); },
       1,
       0},
      {"MAX_MEMORY_MB",
       "512",
       "0",
       {"-1", "512MiB"},
       [](C c) { return double(c.pools.max_memory_mb); },
       512,
       0},
  };
  return rows;
}

TEST_CASE("agent config: every number and switch: default, override, bad value") {
  for (const Row& row : Rows()) {
    CAPTURE(row.variable);
    const AgentConfig plain = Load({});
    CHECK(row.read(plain) == row.is);
    CHECK(Of(plain, row.variable).value == row.fallback);
    CHECK(Of(plain, row.variable).origin == "default");
    // Set, but empty, is as good as not set.
    CHECK(row.read(Load({{row.variable, ""}})) == row.is);

    const AgentConfig changed = Load({{row.variable, row.other}});
    CHECK(row.read(changed) == row.becomes);
    CHECK(Of(changed, row.variable).value == row.other);
    CHECK(Of(changed, row.variable).origin == "environment");

    for (const char* bad : row.bad) {
      CAPTURE(bad);
      const std::string error = ErrorOf({{row.variable, bad}});
      CHECK(error.find(std::string("environment variable ") + row.variable + ": expected ") == 0);
    }
  }
}

TEST_CASE("agent config: the URLs: default, override, bad value; no secret is shown") {
  struct UrlRow {
    const char* variable;
    const char* good;
    const char* masked;
    std::vector<const char*> bad;
    std::string AgentConfig::* member;
  };
  const std::vector<UrlRow> rows = {
      {"DATABASE_URL",
       "postgres://app:geheim@db.example:5432/calls",
       "postgres://app:***@db.example:5432/calls",
       {"redis://x", "geheim", "postgres://a:geheim@b:99999999/x"},
       &AgentConfig::database_url},
      {"REDIS_URL",
       "redis://:geheim@127.0.0.1/0",
       "redis://:***@127.0.0.1/0",
       {"http://geheim", "geheim"},
       &AgentConfig::redis_url},
      {"SPEECH_URL",
       "https://u:geheim@tts.example/",
       "https://u:***@tts.example/",
       {"postgres://geheim", "tts.example/geheim"},
       &AgentConfig::speech_url},
  };
  for (const UrlRow& row : rows) {
    CAPTURE(row.variable);
    CHECK((Load({}).*row.member).empty());
    CHECK(Of(Load({}), row.variable).origin == "default");
    const AgentConfig config = Load({{row.variable, row.good}});
    CHECK(config.*row.member == row.good);
    CHECK(Of(config, row.variable).value == row.masked);
    CHECK(config.Effective().Dump().find("geheim") == std::string::npos);
    for (const char* bad : row.bad) {
      const std::string error = ErrorOf({{row.variable, bad}});
      CHECK(error.find(std::string("environment variable ") + row.variable) == 0);
      CHECK(error.find("geheim") == std::string::npos);
    }
  }
}

TEST_CASE("agent config: the tables above leave out no variable") {
  std::vector<std::string> tested = {"DATABASE_URL", "REDIS_URL", "SPEECH_URL"};
  for (const Row& row : Rows()) tested.emplace_back(row.variable);
  std::vector<std::string> all;
  for (const Setting& setting : Settings()) {
    if (!setting.variable.empty()) all.emplace_back(setting.variable);
  }
  std::sort(tested.begin(), tested.end());
  std::sort(all.begin(), all.end());
  CHECK(tested == all);
}

TEST_CASE("agent config: the same defaults as the parts have themselves") {
  const config::Environment none(Of(Variables{}));
  const auto pools = backends::ConnectionPoolConfig::FromEnvironment(none);
  const auto cache = cache::CacheConfig::FromEnvironment(none);
  const auto audio = audio::BufferConfig::FromEnvironment(none);
  const auto performance = monitor::PerformanceConfig::FromEnvironment(none);
  const AgentConfig config = Load({});
  CHECK(config.performance.system_interval == performance.system_interval);
  CHECK(config.performance.app_interval == performance.app_interval);
  CHECK(config.performance.memory_threshold_mb == performance.memory_threshold_mb);
  CHECK(config.performance.cpu_threshold_percent == performance.cpu_threshold_percent);
  CHECK(config.performance.alerting_enabled == performance.alerting_enabled);
  CHECK(config.pools.db_min_size == pools.db_min_size);
  CHECK(config.pools.db_max_size == pools.db_max_size);
  CHECK(config.pools.redis_max_connections == pools.redis_max_connections);
  CHECK(config.pools.http_max_connections == pools.http_max_connections);
  CHECK(config.pools.max_memory_mb == pools.max_memory_mb);
  CHECK(config.cache.memory_max_size == cache.memory_max_size);
  CHECK(config.cache.memory_max_bytes == cache.memory_max_bytes);
  CHECK(config.cache.default_ttl_seconds == cache.default_ttl_seconds);
  CHECK(config.cache.redis_enabled == cache.redis_enabled);
  CHECK(config.audio.max_buffer_size_mb == audio.max_buffer_size_mb);
  CHECK(config.audio.chunk_size_bytes == audio.chunk_size_bytes);
  CHECK(config.audio.gc_threshold_mb == audio.gc_threshold_mb);
  CHECK(config.audio.enable_compression == audio.enable_compression);
}

std::string Write(const test::ScratchDir& scratch, const std::string& text) {
  const std::string path = scratch / "perfkit.yaml";
  std::ofstream(path) << text;
  return path;
}

TEST_CASE("agent config: the file is read, the environment wins over it") {
  const test::ScratchDir scratch;
  const std::string path = Write(scratch,
                                 "targets: {redis: 'redis://:geheim@127.0.0.1/1', scrape: "
                                 "['http://127.0.0.1:9100/metrics']}\n"
                                 "pools:\n"
                                 "  database_max: 40\n"
                                 "  redis_max: 7\n"
                                 "service: {listen: '127.0.0.1:9464', audit_max_bytes: 8192}\n"
                                 "monitor: {rules: [rules.yaml], alerting: false}\n");
  const AgentConfig config = Load({{"REDIS_POOL_MAX_CONNECTIONS", "9"}}, path);
  CHECK(config.pools.db_max_size == 40);
  CHECK(Of(config, "DB_POOL_MAX_SIZE").origin == path + ":3:17");
  CHECK(config.pools.redis_max_connections == 9);
  CHECK(Of(config, "REDIS_POOL_MAX_CONNECTIONS").origin == "environment");
  CHECK(config.listen == "127.0.0.1:9464");
  CHECK(config.audit_max_bytes == 8192);
  CHECK_FALSE(config.performance.alerting_enabled);
  CHECK(config.rules == std::vector<std::string>{"rules.yaml"});
  CHECK(config.scrape.size() == 1);
  CHECK(config.Effective().Dump().find("geheim") == std::string::npos);
}

TEST_CASE("agent config: all errors of file and environment are told at once") {
  const test::ScratchDir scratch;
  const std::string path = Write(scratch,
                                 "pools: {database_maximum: 3, redis_max: none}\n"
                                 "servise: {}\n"
                                 "targets: {database: 'postgres://u:geheim@[x', redis: "
                                 "'redis//:geheim@127.0.0.1'}\n");
  const std::string error = ErrorOf({{"PERF_CPU_THRESHOLD", "hot"}, {"MAX_MEMORY_MB", "-1"}}, path);
  CAPTURE(error);
  for (const char* part :
       {"unknown key 'database_maximum'", "did you mean 'database_max'?",
        "pools.redis_max: expected a whole number between 1 and 10000", "unknown key 'servise'",
        "yaml:3:21: error: targets.database: expected a URL of scheme postgres, postgresql",
        "targets.redis: expected a URL of scheme redis, rediss, unix",
        "environment variable PERF_CPU_THRESHOLD: expected a number between 0 and 100",
        "environment variable MAX_MEMORY_MB: expected a whole number between 0 and 1073741824"}) {
    CHECK(error.find(part) != std::string::npos);
  }
  CHECK(error.find(path + ":1:9: error: ") == 0);
  // Of a URL that is none no mask knows which part is the password.
  CHECK(error.find("geheim") == std::string::npos);
}

TEST_CASE("agent config: values that do not go together; files that are not there") {
  CHECK(ErrorOf({{"DB_POOL_MIN_SIZE", "30"}}) ==
        "DB_POOL_MIN_SIZE (pools.database_min) must not exceed DB_POOL_MAX_SIZE "
        "(pools.database_max)");
  const test::ScratchDir scratch;
  CHECK(ErrorOf({}, Write(scratch, "service: {certificate: /x.pem}\n")) ==
        "service.certificate and service.key belong together: set both or none");
  CHECK(ErrorOf({}, scratch / "none.yaml").find("none.yaml") != std::string::npos);
  CHECK(ErrorOf({}, Write(scratch, "service: {listen: 'example.org:80'}\n"))
            .find("service.listen: expected HOST:PORT") != std::string::npos);
}

TEST_CASE("agent config: a file that nobody named is found in its places") {
  const test::ScratchDir scratch;
  std::filesystem::create_directories(scratch / "config/perfkit");
  std::ofstream(scratch / "config/perfkit/perfkit.yaml") << "pools: {http_max: 3}\n";
  const Variables variables = {{"XDG_CONFIG_HOME", scratch / "config"}, {"HOME", "/home/x"}};
  CHECK(Load(variables).pools.http_max_connections == 3);
  CHECK(ConfigPlaces(config::Environment(Of(variables))) ==
        std::vector<std::string>{scratch / "config/perfkit/perfkit.yaml",
                                 "/etc/perfkit/perfkit.yaml"});
  CHECK(ConfigPlaces(config::Environment(Of(Variables{{"HOME", "/home/x"}}))).front() ==
        "/home/x/.config/perfkit/perfkit.yaml");
}

}  // namespace
}  // namespace perf::service
