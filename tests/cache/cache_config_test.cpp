// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_config.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <string>

#include "libperf/base/error.hpp"

using namespace perf;
using namespace perf::cache;
using namespace std::chrono_literals;

namespace {

config::Environment Variables(std::map<std::string, std::string> values) {
  return config::Environment([values = std::move(values)](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string Complaint(const std::string& name, const std::string& value) {
  try {
    CacheConfig::FromEnvironment(Variables({{name, value}}));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("cache config: the defaults are those of the contract") {
  const CacheConfig config = CacheConfig::FromEnvironment(Variables({}));
  CHECK(config.memory_max_size == 1000);
  CHECK(config.memory_max_bytes == 52428800);
  CHECK(config.default_ttl_seconds == 300);
  CHECK(config.redis_enabled);
  CHECK(config.compression_enabled);
  CHECK(config.policy == "adaptive");
  CHECK_NOTHROW(Validate(config));
  const CacheOptions options = config.OptionsFor("guests");
  CHECK(options.name == "guests");
  CHECK(options.entry.ttl == 300s);
  CHECK(options.max_entries == 1000);
  CHECK(options.compression.codec == Codec::kZstd);
  CHECK(options.tier.hard_timeout == 250ms);
}

TEST_CASE("cache config: the environment wins") {
  const CacheConfig config = CacheConfig::FromEnvironment(Variables({
      {"CACHE_MEMORY_MAX_SIZE", "5000"},
      {"CACHE_MEMORY_MAX_BYTES", "0"},
      {"CACHE_DEFAULT_TTL", "0.5"},
      {"CACHE_TTL_JITTER", "0.1"},
      {"CACHE_STALE_SECONDS", "30"},
      {"CACHE_FAIL_SAFE_SECONDS", "60"},
      {"CACHE_POLICY", "s3fifo"},
      {"CACHE_REDIS_ENABLED", "False"},
      {"CACHE_REDIS_SOFT_TIMEOUT", "0.001"},
      {"CACHE_REDIS_HARD_TIMEOUT", "1"},
      {"CACHE_COMPRESSION_CODEC", "lz4"},
      {"CACHE_COMPRESSION_THRESHOLD", "4096"},
  }));
  CHECK(!config.redis_enabled);
  const CacheOptions options = config.OptionsFor("x");
  CHECK(options.max_entries == 5000);
  CHECK(options.max_bytes == 0);
  CHECK(options.policy == "s3fifo");
  CHECK(options.entry.ttl == 500ms);
  CHECK(options.entry.jitter == 0.1);
  CHECK(options.entry.stale_while_revalidate == 30s);
  CHECK(options.entry.stale_if_error == 60s);
  CHECK(options.tier.soft_timeout == 1ms);
  CHECK(options.tier.hard_timeout == 1s);
  CHECK(options.compression.codec == Codec::kLz4);
  CHECK(options.compression.threshold_bytes == 4096);
  CHECK(CacheConfig::FromEnvironment(Variables({{"CACHE_COMPRESSION_ENABLED", "false"}}))
            .OptionsFor("x")
            .compression.codec == Codec::kNone);
}

TEST_CASE("cache config: a bad value is refused with its variable's name and never shown") {
  const std::map<std::string, std::string> bad{
      {"CACHE_MEMORY_MAX_SIZE", "-1"},
      {"CACHE_MEMORY_MAX_BYTES", "50MiB"},
      {"CACHE_DEFAULT_TTL", "0"},
      {"CACHE_TTL_JITTER", "1.5"},
      {"CACHE_STALE_SECONDS", "-1"},
      {"CACHE_FAIL_SAFE_SECONDS", "nan"},
      {"CACHE_POLICY", "hunter2"},
      {"CACHE_REDIS_ENABLED", "yes"},
      {"CACHE_REDIS_SOFT_TIMEOUT", "0"},
      {"CACHE_REDIS_HARD_TIMEOUT", "1h"},
      {"CACHE_COMPRESSION_ENABLED", "1"},
      {"CACHE_COMPRESSION_CODEC", "gzip"},
      {"CACHE_COMPRESSION_THRESHOLD", "1e99"},
  };
  for (const auto& [name, value] : bad) {
    CAPTURE(name);
    const std::string complaint = Complaint(name, value);
    CHECK(complaint.find(name) != std::string::npos);
    if (value.size() > 3) CHECK(complaint.find(value) == std::string::npos);
  }
  // The optimal policies need the future: they are for simulation only.
  CHECK(Complaint("CACHE_POLICY", "opt").find("adaptive") != std::string::npos);
  CHECK(Complaint("CACHE_REDIS_SOFT_TIMEOUT", "0.5").find("CACHE_REDIS_HARD_TIMEOUT") !=
        std::string::npos);
}

TEST_CASE("cache config: what is set by a program is checked as well") {
  const auto refused = [](auto change) {
    CacheConfig config;
    change(config);
    CHECK_THROWS_AS(Validate(config), ConfigError);
    CHECK_THROWS_AS(config.OptionsFor("x"), ConfigError);
  };
  refused([](CacheConfig& c) { c.default_ttl_seconds = 0; });
  refused([](CacheConfig& c) { c.default_ttl_seconds = std::numeric_limits<double>::quiet_NaN(); });
  refused([](CacheConfig& c) { c.default_ttl_seconds = 1e300; });
  refused([](CacheConfig& c) { c.ttl_jitter = -0.1; });
  refused([](CacheConfig& c) { c.policy = "none"; });
  refused([](CacheConfig& c) { c.compression_codec = "snappy"; });
  refused([](CacheConfig& c) { c.memory_max_size = 1ULL << 63; });
  refused([](CacheConfig& c) { c.redis_soft_timeout_seconds = 3; });
}
