// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {
namespace {

constexpr config::Range<std::int64_t> kEntries{0, 2'000'000'000};
constexpr config::Range<std::int64_t> kBytes{0, std::int64_t{1} << 50};
constexpr double kTenYears = 10 * 365 * 86400.0;
constexpr config::Range<double> kTtl{1e-6, kTenYears};
constexpr config::Range<double> kSpan{0, kTenYears};
constexpr config::Range<double> kTimeout{1e-3, 3600};

std::vector<std::string_view> Policies() {
  std::vector<std::string_view> names;
  for (const PolicyKind& kind : PolicyKinds()) {
    if (kind.online) names.push_back(kind.name);
  }
  return names;
}

std::vector<std::string_view> Codecs() { return {"lz4", "zstd"}; }

bool OneOf(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Duration Seconds(double seconds) {
  return Duration(static_cast<std::int64_t>(std::llround(seconds * 1e9)));
}

/// Reads one variable of words; it is in no way a secret, so a near miss may be told.
void ReadWord(const config::Environment& environment, const std::string& name,
              const std::vector<std::string_view>& words, std::string& value) {
  const auto text = environment.Text(name);
  if (!text) return;
  if (!OneOf(words, *text)) {
    throw ConfigError(
        fmt::format("environment variable {}: expected one of {}", name, fmt::join(words, ", ")));
  }
  value = *text;
}

void Require(bool good, const char* what) {
  if (!good) throw ConfigError(what);
}

template <typename T, typename U>
bool Within(T value, config::Range<U> range) noexcept {
  // Written so that NaN is outside.
  return static_cast<U>(value) >= range.min && static_cast<U>(value) <= range.max;
}

}  // namespace

CacheConfig CacheConfig::FromEnvironment(const config::Environment& environment) {
  CacheConfig config;
  const auto whole = [&](const char* name, std::uint64_t& value,
                         config::Range<std::int64_t> range) {
    if (const auto read = environment.Integer(name, range)) {
      value = static_cast<std::uint64_t>(*read);
    }
  };
  const auto number = [&](const char* name, double& value, config::Range<double> range) {
    value = environment.Number(name, range).value_or(value);
  };
  whole("CACHE_MEMORY_MAX_SIZE", config.memory_max_size, kEntries);
  whole("CACHE_MEMORY_MAX_BYTES", config.memory_max_bytes, kBytes);
  number("CACHE_DEFAULT_TTL", config.default_ttl_seconds, kTtl);
  number("CACHE_TTL_JITTER", config.ttl_jitter, config::kUnitFraction);
  number("CACHE_STALE_SECONDS", config.stale_seconds, kSpan);
  number("CACHE_FAIL_SAFE_SECONDS", config.fail_safe_seconds, kSpan);
  ReadWord(environment, "CACHE_POLICY", Policies(), config.policy);
  config.redis_enabled = environment.Bool("CACHE_REDIS_ENABLED").value_or(config.redis_enabled);
  number("CACHE_REDIS_SOFT_TIMEOUT", config.redis_soft_timeout_seconds, kTimeout);
  number("CACHE_REDIS_HARD_TIMEOUT", config.redis_hard_timeout_seconds, kTimeout);
  config.compression_enabled =
      environment.Bool("CACHE_COMPRESSION_ENABLED").value_or(config.compression_enabled);
  ReadWord(environment, "CACHE_COMPRESSION_CODEC", Codecs(), config.compression_codec);
  whole("CACHE_COMPRESSION_THRESHOLD", config.compression_threshold_bytes, kBytes);
  if (config.redis_soft_timeout_seconds > config.redis_hard_timeout_seconds) {
    throw ConfigError("CACHE_REDIS_SOFT_TIMEOUT must not exceed CACHE_REDIS_HARD_TIMEOUT");
  }
  return config;
}

void Validate(const CacheConfig& config) {
  Require(Within(config.memory_max_size, kEntries), "memory_max_size must be 0 to 2000000000");
  Require(Within(config.memory_max_bytes, kBytes), "memory_max_bytes must be at most 1 PiB");
  Require(Within(config.default_ttl_seconds, kTtl),
          "default_ttl_seconds must be above 0 and at most 10 years");
  Require(Within(config.ttl_jitter, config::kUnitFraction), "ttl_jitter must be 0 to 1");
  Require(Within(config.stale_seconds, kSpan), "stale_seconds must be 0 to 10 years");
  Require(Within(config.fail_safe_seconds, kSpan), "fail_safe_seconds must be 0 to 10 years");
  if (!OneOf(Policies(), config.policy)) {
    throw ConfigError(fmt::format("policy must be one of {}", fmt::join(Policies(), ", ")));
  }
  if (config.compression_enabled && !OneOf(Codecs(), config.compression_codec)) {
    throw ConfigError(fmt::format("compression_codec must be {}", fmt::join(Codecs(), " or ")));
  }
  Require(Within(config.redis_soft_timeout_seconds, kTimeout) &&
              Within(config.redis_hard_timeout_seconds, kTimeout) &&
              config.redis_soft_timeout_seconds <= config.redis_hard_timeout_seconds,
          "timeouts of the second tier must be 1 ms to 1 h, the soft one not above the hard one");
}

CacheOptions CacheConfig::OptionsFor(std::string name) const {
  Validate(*this);
  CacheOptions options;
  options.name = std::move(name);
  options.policy = policy;
  options.max_entries = memory_max_size;
  options.max_bytes = memory_max_bytes;
  options.entry.ttl = Seconds(default_ttl_seconds);
  options.entry.jitter = ttl_jitter;
  options.entry.stale_while_revalidate = Seconds(stale_seconds);
  options.entry.stale_if_error = Seconds(fail_safe_seconds);
  options.tier.soft_timeout = Seconds(redis_soft_timeout_seconds);
  options.tier.hard_timeout = Seconds(redis_hard_timeout_seconds);
  if (compression_enabled) {
    options.compression.codec = compression_codec == "lz4" ? Codec::kLz4 : Codec::kZstd;
    options.compression.threshold_bytes = static_cast<std::size_t>(compression_threshold_bytes);
  }
  return options;
}

}  // namespace perf::cache
