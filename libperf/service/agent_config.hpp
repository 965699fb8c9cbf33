// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libperf/audio/audio_config.hpp"
#include "libperf/backends/pool_manager_config.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/cache/cache_config.hpp"
#include "libperf/config/environment.hpp"
#include "libperf/monitor/performance_config.hpp"

namespace perf::service {

/// One setting as it came out.
struct EffectiveSetting {
  std::string key;       // in the file: "pools.database_max"
  std::string variable;  // of the environment; empty where there is none
  std::string value;     // passwords masked
  std::string origin;    // "default", "FILE:LINE:COLUMN" or "environment"
};

/// What the agent is told by its file and by the environment, which wins.
/// A value.
struct PERF_EXPORT AgentConfig {
  // Empty: no such target.
  std::string database_url, redis_url, speech_url;
  std::vector<std::string> scrape;  // URLs of Prometheus endpoints

  backends::ConnectionPoolConfig pools;
  cache::CacheConfig cache;
  audio::BufferConfig audio;

  monitor::PerformanceConfig performance;
  std::vector<std::string> rules;  // files of alert rules

  std::string listen;       // HOST:PORT; empty: the unix socket only
  std::string tokens;       // file; empty: nobody has one
  std::string certificate;  // PEM; both or none
  std::string key;
  std::string run_directory;  // empty: RunDirectory's own choice
  std::string audit;          // file; empty: below the state directory
  std::uint64_t audit_max_bytes = 16U << 20U;
  std::string state_directory;  // empty: $XDG_STATE_HOME/perfkit

  std::vector<EffectiveSetting> effective;
  std::string file;  // that was read; empty: none

  struct Source {
    std::string path;                    // of --config; empty: the places of the contract
    config::Environment::Lookup lookup;  // empty: the environment of the process
  };
  /// Reads file and environment, and looks at all of it together.
  /// Throws: ConfigError with every error, one line each, that names the place in the file or the
  /// variable, and the rule, but no value. Thread safety: reads the environment.
  static AgentConfig Load(const Source& source);
  static AgentConfig Load() { return Load(Source{}); }

  /// {file, settings: [{key, variable?, value, origin}]}.
  Json Effective() const;
};

/// Where Load looks for a file that nobody named, in this order; variables that are not set are
/// left out.
PERF_EXPORT std::vector<std::string> ConfigPlaces(const config::Environment& environment);

}  // namespace perf::service
