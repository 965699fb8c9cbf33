// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libperf/audio/pace_wheel.hpp"
#include "libperf/audio/stream.hpp"
#include "libperf/backends/rtp_batch.hpp"
#include "libperf/backends/rtp_socket.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/bench/rtp_content.hpp"
#include "libperf/bench/rtp_ends.hpp"
#include "libperf/load/audio_result.hpp"

namespace perf::bench {

/// Writes streams over real UDP: on each core one socket sends their packets to another, and what
/// comes there goes into the stream that its SSRC tells.
/// Thread safety: none but that of its ends. Lifetime: borrows streams and packets; the streams
/// stay open as long as its ends run.
class RtpFeed {
 public:
  /// `first`: number of the packet that each stream gets first. Throws: IoError.
  RtpFeed(std::span<audio::Stream* const> streams, const TestPackets& packets, Duration period,
          std::uint64_t first, std::size_t cores);
  ~RtpFeed();
  RtpFeed(const RtpFeed&) = delete;
  RtpFeed& operator=(const RtpFeed&) = delete;

  /// To be paced once a period, and once a tick; the i-th belongs to core i % cores.
  std::span<audio::Paced* const> Senders() const noexcept { return paced_senders_; }
  std::span<audio::Paced* const> Listeners() const noexcept { return paced_listeners_; }
  /// Adds the packets for which a stream had no room. Requires: no end runs.
  void Count(load::AudioResult& result) const;

 private:
  class Ear;

  const RtpContent content_;
  std::vector<std::unique_ptr<backends::RtpSocket>> sockets_;
  std::vector<std::unique_ptr<backends::RtpOutbox>> outboxes_;
  std::vector<std::unique_ptr<RtpSendBatch>> senders_;
  std::vector<std::unique_ptr<Ear>> ears_;
  std::vector<std::unique_ptr<RtpListener>> listeners_;
  std::vector<audio::Paced*> paced_senders_, paced_listeners_;
};

}  // namespace perf::bench
