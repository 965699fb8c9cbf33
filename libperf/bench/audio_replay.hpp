// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/audio/rtp/payload.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/heard_stream.hpp"
#include "libperf/bench/replay_source.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

struct AudioReplayOptions {
  std::string file;
  audio::RtpPayloadMap payloads;
  PlayOptions play;
  Impairment impairment;  // its seed is the context's
};

/// Reads an rtpdump, a pcap or a sound file, and plays each RTP stream in it through a jitter
/// buffer in virtual time: the same file, options and seed give the same rows on every machine.
/// rows[0] is the one stream, or the total of all; then there is a row for each. Memory: at most
/// 1,024 streams at a time. Throws: UsageError, ConfigError.
PERF_EXPORT load::Result AudioReplay(const AudioReplayOptions& options, const Context& context);

}  // namespace perf::bench
