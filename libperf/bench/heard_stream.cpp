// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/heard_stream.hpp"

#include <algorithm>

namespace perf::bench {
namespace {

/// Over a longer gap the clock jumps: a damaged time must not be played through.
constexpr Duration kMostGap = std::chrono::minutes(1);
constexpr std::uint64_t kFnvPrime = 0x100000001b3;

TimePoint At(Duration at) noexcept { return TimePoint() + at; }

audio::JitterBufferOptions BufferOptions(const PlayOptions& options,
                                         const audio::RtpPayload& payload) {
  audio::JitterBufferOptions buffer;
  buffer.rate = payload.clock_rate;
  buffer.channels = payload.channels;
  if (options.buffer) {
    buffer.min_delay = buffer.max_delay = buffer.start_delay = *options.buffer;
  }
  return buffer;
}

}  // namespace

HeardStream::HeardStream(const StreamKey& key, const audio::RtpPayloadMap& payloads,
                         const PlayOptions& options)
    : key_(key), payloads_(payloads), options_(options), reception_(0) {}

void HeardStream::Add(const audio::RtpPacket& packet, std::size_t wire_payload, Duration at) {
  if (!reception_.Started()) first_type_ = packet.payload_type;
  reception_.LearnClockRate(payloads_.At(packet.payload_type).clock_rate);
  reception_.Add(packet.sequence, packet.timestamp, at, wire_payload);
  last_ = at;
  if (!options_.play) return;
  const std::span<const std::int16_t> samples = Decode(packet, wire_payload);
  if (buffer_ == nullptr) return;
  PlayUntil(at);
  buffer_->Push({packet.ssrc, packet.timestamp, packet.sequence, samples}, At(now_));
}

/// Empty where there is nothing to play in it.
std::span<const std::int16_t> HeardStream::Decode(const audio::RtpPacket& packet,
                                                  std::size_t wire_payload) {
  const audio::RtpPayload& payload = payloads_.At(packet.payload_type);
  if (payload.Decodable() && buffer_ == nullptr) {
    format_ = {audio::SampleType::kS16, payload.clock_rate, payload.channels};
    buffer_ = std::make_unique<audio::JitterBuffer>(BufferOptions(options_, payload));
    type_ = packet.payload_type;
    period_frames_ = std::max<std::uint64_t>(1, format_.FramesIn(options_.period));
    now_ = last_;
    StartClock(last_);
  }
  if (!payload.Decodable() || payload.clock_rate != format_.Rate() ||
      payload.channels != format_.Channels()) {
    if (payload.codec == audio::RtpPayload::Codec::kComfortNoise) return {};
    ++undecodable_;
    undecodable_type_ = packet.payload_type;
    return {};
  }
  // What a capture cut off is silence: it was there for the receiver.
  decoded_.assign(wire_payload / payload.BytesPerFrame() * payload.channels, 0);
  audio::DecodePayload(payload, packet.payload, decoded_);
  return decoded_;
}

void HeardStream::StartClock(Duration at) {
  clock_start_ = next_pull_ = at;
  pulled_ = 0;
}

/// What is due before `at`; a packet that comes when samples are due comes in time.
void HeardStream::PlayUntil(Duration at) {
  if (at - next_pull_ > kMostGap) StartClock(at - kMostGap);
  while (next_pull_ < at) Pull(period_frames_);
  now_ = std::max(now_, at);
}

void HeardStream::Pull(std::uint64_t frames) {
  now_ = std::max(now_, next_pull_);
  out_.resize(frames * format_.Channels());
  buffer_->Pull(At(now_), out_);
  for (const std::int16_t sample : out_) {
    const auto bits = static_cast<std::uint16_t>(sample);
    hash_ = (hash_ ^ (bits & 0xff)) * kFnvPrime;
    hash_ = (hash_ ^ (bits >> 8)) * kFnvPrime;
  }
  pulled_ += period_frames_;
  next_pull_ = clock_start_ + format_.TimeOf(pulled_);
}

void HeardStream::Finish() {
  if (buffer_ == nullptr) return;
  while (const std::size_t ahead = buffer_->SamplesAhead()) {
    Pull(std::min<std::uint64_t>(period_frames_, ahead));
  }
}

std::optional<audio::JitterBufferStats> HeardStream::Played() const {
  return buffer_ ? std::optional(buffer_->Stats()) : std::nullopt;
}

std::string HeardStream::Payload() const {
  return payloads_.At(type_.value_or(first_type_)).ToString();
}

}  // namespace perf::bench
