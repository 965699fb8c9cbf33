// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/rtp_feed.hpp"

#include <cstring>

#include "libperf/audio/rtp/packet.hpp"
#include "libperf/backends/poller.hpp"
#include "libperf/bench/audio_ends.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::uint8_t kType = 97;  // the packets are nobody's sound

}  // namespace

/// The receiving socket of a core.
class RtpFeed::Ear final : public backends::Poller::Watcher {
 public:
  Ear(backends::RtpSocket& socket, std::span<audio::Stream* const> streams,
      std::size_t packet_bytes)
      : socket_(socket),
        streams_(streams.begin(), streams.end()),
        full_(streams.size()),
        packet_bytes_(packet_bytes),
        inbox_(kBatch, packet_bytes + audio::kRtpHeaderBytes) {}

  void OnEvents(std::uint32_t) override {
    TakeAll(socket_, inbox_, [this](const backends::RtpInbox::Packet& packet) { Write(packet); });
  }
  const WriteTally& Tally() const noexcept { return tally_; }

 private:
  void Write(const backends::RtpInbox::Packet& packet) noexcept {
    audio::RtpPacket rtp;
    if (audio::ParseRtp(packet.bytes, rtp) != audio::RtpFault::kNone ||
        rtp.ssrc >= streams_.size() || rtp.payload.size() != packet_bytes_) {
      return;
    }
    std::byte* const slot = streams_[rtp.ssrc]->BeginWrite();
    if (slot != nullptr) {
      std::memcpy(slot, rtp.payload.data(), packet_bytes_);
      streams_[rtp.ssrc]->CommitWrite();
      ++tally_.written;
    } else {
      ++tally_.overrun_frames;
      if (!full_[rtp.ssrc]) ++tally_.overrun_events;
    }
    full_[rtp.ssrc] = slot == nullptr;
  }

  backends::RtpSocket& socket_;
  std::vector<audio::Stream*> streams_;
  std::vector<bool> full_;  // when a packet last came
  std::size_t packet_bytes_;
  backends::RtpInbox inbox_;
  WriteTally tally_;
};

RtpFeed::RtpFeed(std::span<audio::Stream* const> streams, const TestPackets& packets,
                 Duration period, std::uint64_t first, std::size_t cores)
    : content_(RtpContent::Test(packets)) {
  RtpShape shape;
  shape.type = kType;
  shape.period = period;
  const auto ticks = static_cast<std::size_t>(period / kRtpTick);
  backends::RtpSocketOptions any;
  any.local = backends::ResolveEndpoint("127.0.0.1:0");
  for (std::size_t core = 0; core < cores; ++core) {
    sockets_.push_back(std::make_unique<backends::RtpSocket>(any));
    sockets_.push_back(std::make_unique<backends::RtpSocket>(any));
    backends::RtpSocket& from = *sockets_[2 * core];
    backends::RtpSocket& to = *sockets_[2 * core + 1];
    from.Connect(to.Local());
    to.Connect(from.Local());
    outboxes_.push_back(std::make_unique<backends::RtpOutbox>(kBatch, packets.Bytes()));
    ears_.push_back(std::make_unique<Ear>(to, streams, packets.Bytes()));
    listeners_.push_back(std::make_unique<RtpListener>());
    listeners_.back()->Add(to, *ears_.back());
    paced_listeners_.push_back(listeners_.back().get());
  }
  for (std::size_t i = 0; i < ticks * cores; ++i) {
    senders_.push_back(
        std::make_unique<RtpSendBatch>(*outboxes_[i % cores], shape, content_, first));
    paced_senders_.push_back(senders_.back().get());
  }
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto stream = static_cast<std::uint32_t>(i);
    const std::size_t core = i % cores, tick = i / cores % ticks;
    senders_[tick * cores + core]->Add(*sockets_[2 * core], stream, stream, 0);
  }
}

RtpFeed::~RtpFeed() = default;

void RtpFeed::Count(load::AudioResult& result) const {
  for (const auto& ear : ears_) {
    result.overruns.frames += ear->Tally().overrun_frames;
    result.overruns.events += ear->Tally().overrun_events;
  }
}

}  // namespace perf::bench
