// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libperf/audio/pace_wheel.hpp"
#include "libperf/audio/rtp/packet.hpp"
#include "libperf/backends/poller.hpp"
#include "libperf/backends/rtp_batch.hpp"
#include "libperf/backends/rtp_demux.hpp"
#include "libperf/backends/rtp_socket.hpp"
#include "libperf/bench/heard_stream.hpp"
#include "libperf/bench/rtp_content.hpp"

namespace perf::bench {

/// Streams that are sent in the same tick of a period, as few system calls as there are sockets.
/// Thread safety: none; its pacer's. Lifetime: borrows sockets, shape and content; shares the
/// outbox with others on the same thread.
class RtpSendBatch final : public audio::Paced {
 public:
  /// `number`: of the packet that is sent first.
  RtpSendBatch(backends::RtpOutbox& outbox, const RtpShape& shape, const RtpContent& content,
               std::uint64_t number = 0)
      : outbox_(outbox),
        content_(content),
        type_(shape.type),
        frames_(shape.Frames()),
        number_(number) {}

  /// A stream over a connected socket. `first`: of its sequence numbers and timestamps.
  void Add(backends::RtpSocket& socket, std::uint32_t stream, std::uint32_t ssrc,
           std::uint32_t first);
  void OnDue(TimePoint due) noexcept override;

  std::size_t Size() const noexcept { return members_.size(); }
  std::uint64_t Sent() const noexcept { return sent_; }
  /// What the kernel did not take.
  std::uint64_t Unsent() const noexcept { return unsent_; }

 private:
  struct Member {
    backends::RtpSocket* socket;
    std::uint32_t stream, ssrc, first;
  };
  void Flush(backends::RtpSocket& socket) noexcept;

  backends::RtpOutbox& outbox_;
  const RtpContent& content_;
  std::vector<Member> members_;
  std::uint8_t type_;
  std::size_t frames_;
  std::uint64_t number_;  // of the packet, the same for all members
  std::uint64_t sent_ = 0, unsent_ = 0;
};

/// How what comes in is taken.
struct HearOptions {
  PlayOptions play, count_only{std::nullopt, std::chrono::milliseconds(20), false};
  std::size_t most_played = 64;        // the others are only counted
  std::size_t most_streams = 100'000;  // of a socket
  const TestPackets* test = nullptr;   // what is expected; its streams are SSRCs above `first_ssrc`
  std::uint32_t first_ssrc = 0;
};

/// Everything that comes over one socket, told apart by who sends it and its SSRC.
/// Thread safety: none; its pacer's. Lifetime: borrows all but the streams.
class RtpEar final : public backends::Poller::Watcher {
 public:
  RtpEar(backends::RtpSocket& socket, backends::RtpInbox& inbox,
         const audio::RtpPayloadMap& payloads, const HearOptions& options, TimePoint start);

  void OnEvents(std::uint32_t events) override;

  backends::RtpSocket& Socket() const noexcept { return socket_; }
  const std::vector<std::unique_ptr<HeardStream>>& Streams() const noexcept { return streams_; }
  const PacketTally& Tally() const noexcept { return tally_; }
  std::uint64_t Rtcp() const noexcept { return rtcp_; }
  std::uint64_t Other() const noexcept { return other_; }
  std::uint64_t CutPackets() const noexcept { return cut_; }
  /// Any thread: RTP packets so far.
  std::uint64_t Packets() const noexcept { return packets_.load(std::memory_order_relaxed); }

 private:
  void Hear(const backends::RtpInbox::Packet& packet);

  backends::RtpSocket& socket_;
  backends::RtpInbox& inbox_;
  const audio::RtpPayloadMap& payloads_;
  const HearOptions& options_;
  TimePoint start_;
  backends::RtpDemux demux_;
  std::vector<std::unique_ptr<HeardStream>> streams_;
  std::vector<std::uint64_t> next_;  // numbers of test packets
  PacketTally tally_;
  std::uint64_t rtcp_ = 0, other_ = 0, cut_ = 0;
  std::atomic<std::uint64_t> packets_{0};
};

/// Takes all that waits at a socket, up to a bound: then others have their turn.
template <typename Each>
void TakeAll(backends::RtpSocket& socket, backends::RtpInbox& inbox, Each each) {
  constexpr int kMostBatches = 32;
  for (int batch = 0; batch < kMostBatches; ++batch) {
    const std::size_t count = socket.Receive(inbox);
    for (std::size_t i = 0; i < count; ++i) each(inbox.At(i));
    if (count < inbox.Room()) return;
  }
}

/// Looks after the sockets of one thread once a tick.
/// Thread safety: none. Lifetime: borrows the ears.
class RtpListener final : public audio::Paced {
 public:
  /// Throws: IoError.
  void Add(const backends::RtpSocket& socket, backends::Poller::Watcher& ear);
  void OnDue(TimePoint due) noexcept override;

 private:
  backends::Poller poller_;
};

}  // namespace perf::bench
