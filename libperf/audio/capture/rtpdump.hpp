// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// The file format of rtpdump (rtpplay1.0, of the RTP tools): a line of text, a header of 16 bytes,
/// then records of a length, the length of the packet on the wire (0: RTCP) and milliseconds since
/// the start, all big-endian, with the packet behind.

/// The head of such a file.
PERF_EXPORT std::string RtpdumpHead();
/// One record. Requires: a packet of at most 65,527 bytes; `at` not negative, below 49 days.
PERF_EXPORT void AppendRtpdump(std::string& file, std::span<const std::byte> packet, Duration at,
                               bool control = false);

}  // namespace perf::audio
