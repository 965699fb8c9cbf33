// SPDX-License-Identifier: Apache-2.0
// The table of the agent's settings: one row for each, from which reading, messages, `config show`
// and the tests are made.
#include "libperf/service/agent_settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"
#include "libperf/service/address.hpp"
#include "libperf/service/agent_config.hpp"

namespace perf::service {
namespace {

using Value = SettingValue;
using Config = AgentConfig;
using enum SettingKind;

constexpr double kMost = 1e15;  // bytes
constexpr double kTenYears = 10 * 365 * 86400.0;

std::uint64_t Count(const Value& value) { return static_cast<std::uint64_t>(value.whole); }

Duration Seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

constexpr std::array kSettings = {
    Setting{"targets.database", "DATABASE_URL", "", kUrl, 0, 0, "postgres|postgresql",
            [](Config& c, const Value& v) { c.database_url = v.text; }},
    Setting{"targets.redis", "REDIS_URL", "", kUrl, 0, 0, "redis|rediss|unix",
            [](Config& c, const Value& v) { c.redis_url = v.text; }},
    Setting{"targets.speech", "SPEECH_URL", "", kUrl, 0, 0, "http|https",
            [](Config& c, const Value& v) { c.speech_url = v.text; }},
    Setting{"pools.database_min", "DB_POOL_MIN_SIZE", "5", kWhole, 0, 10'000, "",
            [](Config& c, const Value& v) { c.pools.db_min_size = Count(v); }},
    Setting{"pools.database_max", "DB_POOL_MAX_SIZE", "20", kWhole, 1, 10'000, "",
            [](Config& c, const Value& v) { c.pools.db_max_size = Count(v); }},
    Setting{"pools.redis_max", "REDIS_POOL_MAX_CONNECTIONS", "25", kWhole, 1, 10'000, "",
            [](Config& c, const Value& v) { c.pools.redis_max_connections = Count(v); }},
    Setting{"pools.http_max", "HTTP_POOL_MAX_CONNECTIONS", "100", kWhole, 1, 10'000, "",
            [](Config& c, const Value& v) { c.pools.http_max_connections = Count(v); }},
    Setting{"pools.memory_mb", "MAX_MEMORY_MB", "512", kWhole, 0, 1 << 30, "",
            [](Config& c, const Value& v) { c.pools.max_memory_mb = Count(v); }},
    Setting{"cache.max_entries", "CACHE_MEMORY_MAX_SIZE", "1000", kWhole, 0, 2e9, "",
            [](Config& c, const Value& v) { c.cache.memory_max_size = Count(v); }},
    Setting{"cache.max_bytes", "CACHE_MEMORY_MAX_BYTES", "52428800", kWhole, 0, kMost, "",
            [](Config& c, const Value& v) { c.cache.memory_max_bytes = Count(v); }},
    Setting{"cache.default_ttl_seconds", "CACHE_DEFAULT_TTL", "300", kNumber, 1e-6, kTenYears, "",
            [](Config& c, const Value& v) { c.cache.default_ttl_seconds = v.number; }},
    Setting{"cache.redis", "CACHE_REDIS_ENABLED", "true", kBool, 0, 0, "",
            [](Config& c, const Value& v) { c.cache.redis_enabled = v.flag; }},
    Setting{"audio.max_buffer_mb", "AUDIO_BUFFER_MAX_SIZE_MB", "10", kWhole, 1, 65'536, "",
            [](Config& c, const Value& v) { c.audio.max_buffer_size_mb = Count(v); }},
    Setting{"audio.chunk_bytes", "AUDIO_CHUNK_SIZE", "4096", kWhole, 64, 1 << 30, "",
            [](Config& c, const Value& v) { c.audio.chunk_size_bytes = Count(v); }},
    Setting{"audio.gc_threshold_mb", "AUDIO_GC_THRESHOLD_MB", "50", kWhole, 1, 65'536, "",
            [](Config& c, const Value& v) { c.audio.gc_threshold_mb = Count(v); }},
    Setting{"audio.compression", "AUDIO_COMPRESSION_ENABLED", "true", kBool, 0, 0, "",
            [](Config& c, const Value& v) { c.audio.enable_compression = v.flag; }},
    Setting{"monitor.system_interval_seconds", "PERF_SYSTEM_INTERVAL", "30", kNumber, 1, 86'400, "",
            [](Config& c, const Value& v) { c.performance.system_interval = Seconds(v.number); }},
    Setting{"monitor.app_interval_seconds", "PERF_APP_INTERVAL", "60", kNumber, 1, 86'400, "",
            [](Config& c, const Value& v) { c.performance.app_interval = Seconds(v.number); }},
    Setting{"monitor.memory_threshold_mb", "PERF_MEMORY_THRESHOLD_MB", "512", kWhole, 1, 1 << 30,
            "", [](Config& c, const Value& v) { c.performance.memory_threshold_mb = Count(v); }},
    Setting{"monitor.cpu_threshold_percent", "PERF_CPU_THRESHOLD", "80.0", kNumber, 0, 100, "",
            [](Config& c, const Value& v) { c.performance.cpu_threshold_percent = v.number; }},
    Setting{"monitor.alerting", "PERF_ALERTING_ENABLED", "true", kBool, 0, 0, "",
            [](Config& c, const Value& v) { c.performance.alerting_enabled = v.flag; }},
    Setting{"service.listen", "", "", kAddress, 0, 0, "",
            [](Config& c, const Value& v) { c.listen = v.text; }},
    Setting{"service.tokens", "", "", kPath, 0, 0, "",
            [](Config& c, const Value& v) { c.tokens = v.text; }},
    Setting{"service.certificate", "", "", kPath, 0, 0, "",
            [](Config& c, const Value& v) { c.certificate = v.text; }},
    Setting{"service.key", "", "", kPath, 0, 0, "",
            [](Config& c, const Value& v) { c.key = v.text; }},
    Setting{"service.run_directory", "", "", kPath, 0, 0, "",
            [](Config& c, const Value& v) { c.run_directory = v.text; }},
    Setting{"service.state_directory", "", "", kPath, 0, 0, "",
            [](Config& c, const Value& v) { c.state_directory = v.text; }},
    Setting{"service.audit", "", "", kPath, 0, 0, "",
            [](Config& c, const Value& v) { c.audit = v.text; }},
    Setting{"service.audit_max_bytes", "", "16777216", kWhole, 4096, kMost, "",
            [](Config& c, const Value& v) { c.audit_max_bytes = Count(v); }},
};

bool OneOf(std::string_view words, std::string_view word) {
  const auto all = Split(words, '|');
  return std::find(all.begin(), all.end(), word) != all.end();
}

bool GoodUrl(const Setting& setting, std::string_view text) {
  try {
    return OneOf(setting.words, Url::Parse(text).scheme);
  } catch (const ConfigError&) {
    return false;
  }
}

std::string Number(double value) {
  return value == static_cast<double>(static_cast<std::int64_t>(value))
             ? fmt::format("{}", static_cast<std::int64_t>(value))
             : fmt::format("{}", value);
}

}  // namespace

std::span<const Setting> Settings() noexcept { return kSettings; }

std::optional<SettingValue> ReadSetting(const Setting& setting, std::string_view text) {
  SettingValue value;
  value.text = text;
  const auto within = [&](double number) { return number >= setting.min && number <= setting.max; };
  switch (setting.kind) {
    case kWhole: {
      const auto whole = ParseInteger(text);
      if (!whole || !within(static_cast<double>(*whole))) return std::nullopt;
      value.whole = *whole;
      return value;
    }
    case kNumber: {
      const auto number = ParseNumber(text);
      if (!number || !within(*number)) return std::nullopt;
      value.number = *number;
      return value;
    }
    case kBool:
      value.flag = EqualsIgnoreCase(text, "true");
      if (!value.flag && !EqualsIgnoreCase(text, "false")) return std::nullopt;
      return value;
    case kWord: return OneOf(setting.words, text) ? std::optional(value) : std::nullopt;
    case kUrl: return GoodUrl(setting, text) ? std::optional(value) : std::nullopt;
    case kPath:
      return text.front() == '/' && text.find('\0') == text.npos ? std::optional(value)
                                                                 : std::nullopt;
    case kAddress: return ParseAddress(text) ? std::optional(value) : std::nullopt;
  }
  return std::nullopt;
}

std::string RuleOf(const Setting& setting) {
  switch (setting.kind) {
    case kWhole:
      return fmt::format("expected a whole number between {} and {}", Number(setting.min),
                         Number(setting.max));
    case kNumber:
      return fmt::format("expected a number between {} and {}", Number(setting.min),
                         Number(setting.max));
    case kBool: return "expected true or false";
    case kWord:
      return fmt::format("expected one of {}", fmt::join(Split(setting.words, '|'), ", "));
    case kUrl:
      return fmt::format("expected a URL of scheme {}", fmt::join(Split(setting.words, '|'), ", "));
    case kPath: return "expected an absolute path";
    case kAddress: return "expected HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464";
  }
  return {};
}

}  // namespace perf::service
