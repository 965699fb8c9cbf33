// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libperf/audio/capture/capture.hpp"
#include "libperf/audio/format.hpp"
#include "libperf/audio/jitter_buffer.hpp"
#include "libperf/audio/rtp/packet.hpp"
#include "libperf/audio/rtp/payload.hpp"
#include "libperf/audio/rtp/reception.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/json.hpp"

namespace perf::bench {

/// Who sends to whom.
struct StreamKey {
  audio::Endpoint source, destination;
  std::uint32_t ssrc = 0;
  friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

/// How streams are played.
struct PlayOptions {
  /// The depth of buffers; nothing: it adapts.
  std::optional<Duration> buffer;
  Duration period = std::chrono::milliseconds(20);  // that is pulled at a time
  bool play = true;                                 // else packets are only counted
};

/// One RTP stream out of a file or a socket: counted as it comes, and played through a jitter
/// buffer in the time that its packets tell. Thread safety: none. Lifetime: borrows `payloads` and
/// `options`.
class HeardStream {
 public:
  HeardStream(const StreamKey& key, const audio::RtpPayloadMap& payloads,
              const PlayOptions& options);

  /// The next packet in the order of the file; `wire_payload`: bytes of its payload before a
  /// capture cut it.
  void Add(const audio::RtpPacket& packet, std::size_t wire_payload, Duration at);
  /// Plays what is left.
  void Finish();

  const StreamKey& Key() const noexcept { return key_; }
  bool Confirmed() const noexcept { return reception_.Confirmed(); }
  Duration Last() const noexcept { return last_; }
  audio::ReceptionStats Reception() const noexcept { return reception_.Stats(); }
  /// Nothing where no packet could be decoded.
  std::optional<audio::JitterBufferStats> Played() const;
  /// Of what is played.
  const audio::AudioFormat& Format() const noexcept { return format_; }
  /// Packets that could not be decoded, and of which type the last one was.
  std::uint64_t Undecodable() const noexcept { return undecodable_; }
  std::uint8_t UndecodableType() const noexcept { return undecodable_type_; }
  /// Of most of what came first: "PCMU/8000/2".
  std::string Payload() const;
  /// FNV-1a of all samples that were played, as little-endian bytes.
  std::uint64_t Hash() const noexcept { return hash_; }

 private:
  std::span<const std::int16_t> Decode(const audio::RtpPacket& packet, std::size_t wire_payload);
  void PlayUntil(Duration at);
  void StartClock(Duration at);
  void Pull(std::uint64_t frames);

  StreamKey key_;
  const audio::RtpPayloadMap& payloads_;
  const PlayOptions& options_;
  audio::Reception reception_;
  audio::AudioFormat format_;
  std::unique_ptr<audio::JitterBuffer> buffer_;
  std::optional<std::uint8_t> type_;  // that is played
  std::uint8_t first_type_ = 0, undecodable_type_ = 0;
  std::uint64_t undecodable_ = 0;
  Duration last_{}, now_{};
  Duration clock_start_{}, next_pull_{};
  std::uint64_t pulled_ = 0, period_frames_ = 0;  // since the clock's start, at a time
  std::vector<std::int16_t> decoded_, out_;
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace perf::bench
