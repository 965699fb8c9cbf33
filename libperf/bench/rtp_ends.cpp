// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/rtp_ends.hpp"

#include <sys/epoll.h>

#include "libperf/base/error.hpp"

namespace perf::bench {

void RtpSendBatch::Add(backends::RtpSocket& socket, std::uint32_t stream, std::uint32_t ssrc,
                       std::uint32_t first) {
  members_.push_back({&socket, stream, ssrc, first});
}

void RtpSendBatch::OnDue(TimePoint) noexcept {
  backends::RtpSocket* open = nullptr;
  for (const Member& member : members_) {
    if (open != nullptr && (open != member.socket || outbox_.Full())) Flush(*open);
    open = member.socket;
    audio::RtpPacket packet;
    packet.payload_type = type_;
    packet.marker = number_ == 0;
    packet.sequence = static_cast<std::uint16_t>(member.first + number_);
    packet.timestamp = static_cast<std::uint32_t>(member.first + number_ * frames_);
    packet.ssrc = member.ssrc;
    packet.payload = content_.Payload(outbox_.PayloadRoom(), member.stream, number_);
    outbox_.Add(packet);
  }
  if (open != nullptr) Flush(*open);
  ++number_;
}

void RtpSendBatch::Flush(backends::RtpSocket& socket) noexcept {
  const std::size_t all = outbox_.Size(), left = socket.Send(outbox_);
  sent_ += all - left;
  unsent_ += left;
}

RtpEar::RtpEar(backends::RtpSocket& socket, backends::RtpInbox& inbox,
               const audio::RtpPayloadMap& payloads, const HearOptions& options, TimePoint start)
    : socket_(socket),
      inbox_(inbox),
      payloads_(payloads),
      options_(options),
      start_(start),
      demux_(options.most_streams) {}

void RtpEar::OnEvents(std::uint32_t) {
  TakeAll(socket_, inbox_, [this](const backends::RtpInbox::Packet& packet) { Hear(packet); });
}

void RtpEar::Hear(const backends::RtpInbox::Packet& packet) {
  if (audio::IsRtcp(packet.bytes)) {
    ++rtcp_;
    return;
  }
  audio::RtpPacket rtp;
  const bool whole = packet.bytes.size() == packet.size;
  if (audio::ParseRtp(packet.bytes, rtp, whole) != audio::RtpFault::kNone) {
    ++other_;
    return;
  }
  if (!whole) ++cut_;
  const auto number = demux_.Find(packet.source, rtp.ssrc);
  if (!number) {
    ++other_;
    return;
  }
  if (*number == streams_.size()) {
    streams_.push_back(std::make_unique<HeardStream>(
        StreamKey{packet.source, socket_.Local(), rtp.ssrc}, payloads_,
        streams_.size() < options_.most_played ? options_.play : options_.count_only));
    next_.push_back(0);
  }
  streams_[*number]->Add(rtp, rtp.payload.size() + (packet.size - packet.bytes.size()),
                         packet.arrival - start_);
  packets_.fetch_add(1, std::memory_order_relaxed);
  if (options_.test == nullptr) return;
  if (rtp.payload.size() != options_.test->Bytes()) {
    ++tally_.torn;
    return;
  }
  tally_.Count(options_.test->Look(rtp.payload.data()), rtp.ssrc - options_.first_ssrc,
               next_[*number]);
}

void RtpListener::Add(const backends::RtpSocket& socket, backends::Poller::Watcher& ear) {
  if (!poller_.Add(socket.Descriptor(), EPOLLIN, ear)) {
    throw IoError("a socket cannot be watched");
  }
}

void RtpListener::OnDue(TimePoint) noexcept { poller_.Poll(Duration::zero()); }

}  // namespace perf::bench
