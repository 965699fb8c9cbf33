// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/audio_config.hpp"

#include <fmt/format.h>

#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

constexpr config::Range<std::int64_t> kMegabytes{1, 65'536};
constexpr config::Range<std::int64_t> kChunk{64, std::int64_t{1} << 30};

void Require(std::uint64_t value, config::Range<std::int64_t> range, const char* name) {
  if (value >= static_cast<std::uint64_t>(range.min) &&
      value <= static_cast<std::uint64_t>(range.max)) {
    return;
  }
  throw ConfigError(fmt::format("{} must be {} to {}", name, range.min, range.max));
}

}  // namespace

BufferConfig BufferConfig::FromEnvironment(const config::Environment& environment) {
  BufferConfig config;
  const auto whole = [&](const char* name, std::uint64_t& value,
                         config::Range<std::int64_t> range) {
    if (const auto read = environment.Integer(name, range)) {
      value = static_cast<std::uint64_t>(*read);
    }
  };
  whole("AUDIO_BUFFER_MAX_SIZE_MB", config.max_buffer_size_mb, kMegabytes);
  whole("AUDIO_CHUNK_SIZE", config.chunk_size_bytes, kChunk);
  whole("AUDIO_GC_THRESHOLD_MB", config.gc_threshold_mb, kMegabytes);
  config.enable_compression =
      environment.Bool("AUDIO_COMPRESSION_ENABLED").value_or(config.enable_compression);
  return config;
}

void Validate(const BufferConfig& config) {
  Require(config.max_buffer_size_mb, kMegabytes, "max_buffer_size_mb");
  Require(config.chunk_size_bytes, kChunk, "chunk_size_bytes");
  Require(config.gc_threshold_mb, kMegabytes, "gc_threshold_mb");
  Require(config.spill_threshold_mb, kMegabytes, "spill_threshold_mb");
}

}  // namespace perf::audio
