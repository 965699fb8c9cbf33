// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/base/export.hpp"
#include "libperf/config/environment.hpp"

namespace perf::audio {

/// What an AudioMemoryOptimizer makes of its streams. A value. MB are MiB.
struct PERF_EXPORT BufferConfig {
  std::uint64_t max_buffer_size_mb = 10;  // AUDIO_BUFFER_MAX_SIZE_MB, of one stream, 1 to 65536
  std::uint64_t chunk_size_bytes = 4096;  // AUDIO_CHUNK_SIZE, of processing, 64 to 1 GiB
  std::uint64_t gc_threshold_mb = 50;     // AUDIO_GC_THRESHOLD_MB: more free memory goes back
  bool enable_compression = true;         // AUDIO_COMPRESSION_ENABLED: of what waits long
  bool enable_memory_mapping = true;      // whether what waits long may go to a file
  std::uint64_t spill_threshold_mb = 1;   // and from how much in memory on

  /// The defaults, with what the environment says instead.
  /// Throws: ConfigError that names the variable and what it may be, never the value.
  static BufferConfig FromEnvironment(
      const config::Environment& environment = config::Environment());
};

/// Throws: ConfigError for what cannot work.
PERF_EXPORT void Validate(const BufferConfig& config);

}  // namespace perf::audio
