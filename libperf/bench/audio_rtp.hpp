// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libperf/audio/rtp/payload.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/heard_stream.hpp"
#include "libperf/bench/rtp_content.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

struct AudioRtpOptions {
  bool send = false, receive = false;  // both: to ourselves, unless `to` says otherwise
  std::string to, listen = "127.0.0.1:5004";
  std::size_t streams = 1;  // to send
  RtpShape shape;           // of what is sent
  audio::RtpPayloadMap payloads;
  PlayOptions play;  // of what is received
  Duration duration = std::chrono::seconds(10);
  Duration idle{};  // ends a reception after so much silence; 0: does not
  bool socket_per_stream = false;
  std::size_t threads = 0;  // 0: a core each; a reception alone: one
  std::string file;         // what is sent; empty: a tone, or test packets to ourselves
  std::string sdp;          // where the description of what is sent goes; "-" is standard output
  std::vector<std::string> allow_hosts;
};

/// Sends or receives real RTP over UDP, or both at once, and finds what was lost on the way: by
/// sequence, in the sockets (their drops) and in the kernel (its RcvbufErrors). Only on loopback
/// where a host is not allowed.
/// Throws: UsageError, ConfigError, IoError, UnreachableError, OutputError.
PERF_EXPORT load::Result AudioRtp(const AudioRtpOptions& options, const Context& context);

/// The session description (RFC 8866) of a stream that is sent to `to`, "127.0.0.1:5004".
PERF_EXPORT std::string SessionDescription(const RtpShape& shape, const std::string& to);

}  // namespace perf::bench
