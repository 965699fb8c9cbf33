// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libperf/audio/capture/capture.hpp"
#include "libperf/audio/rtp/payload.hpp"
#include "libperf/base/clock.hpp"

namespace perf::bench {

/// What a network does to packets on their way: loses a share of them, delays each by an
/// exponentially distributed time of this mean (at most a second), which puts them out of order.
struct Impairment {
  double loss = 0;  // 0 to 1
  Duration jitter{};
  std::uint64_t seed = 1;

  bool Any() const noexcept { return loss > 0 || jitter > Duration::zero(); }
};

/// Opens what can be replayed: a capture ("-": of standard input), or a sound file (WAV, FLAC, Ogg)
/// as an even RTP stream of 20 ms packets, whose payload type is added to `payloads`. Throws:
/// ConfigError naming the file and what it could be.
std::unique_ptr<audio::CaptureReader> OpenReplay(const std::string& path,
                                                 audio::RtpPayloadMap& payloads);
/// `source` through a network. Memory: what a second of it brings.
std::unique_ptr<audio::CaptureReader> Impaired(std::unique_ptr<audio::CaptureReader> source,
                                               const Impairment& impairment);

}  // namespace perf::bench
