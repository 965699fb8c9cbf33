// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libperf/audio/jitter/concealer.hpp"
#include "libperf/audio/jitter/delay_target.hpp"
#include "libperf/audio/rtp/sequence_window.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

struct JitterBufferOptions {
  std::uint32_t rate = 8000;  ///< of the samples and of the timestamps
  std::size_t channels = 1;
  /// Between which the depth adapts; the same for both fixes it.
  Duration min_delay = std::chrono::milliseconds(40), max_delay = std::chrono::milliseconds(400);
  /// Until it has adapted.
  Duration start_delay = std::chrono::milliseconds(60);
  std::size_t max_packets = 200;
};

/// What came in. `samples` are whole frames; none: it came, but there is nothing to play in it
/// (events, comfort noise, an unknown payload).
struct JitterPacket {
  std::uint32_t ssrc = 0, timestamp = 0;
  std::uint16_t sequence = 0;
  std::span<const std::int16_t> samples;
};

/// Counts under NetEq's and webrtc-stats' names; "samples" are of one channel.
struct JitterBufferStats {
  std::uint64_t packets = 0, duplicates = 0;
  std::uint64_t packets_discarded = 0;  ///< too late, too early, or of another source
  std::uint64_t flushes = 0;            ///< the buffer was emptied, whatever for
  std::uint64_t resyncs = 0;            ///< timestamps began anew
  std::uint64_t ssrc_changes = 0;
  std::uint64_t total_samples = 0;  ///< put out since the first packet was played
  /// Of gaps that lost or late packets left. A gap under way counts until it is known to be a pause
  /// of the sender's.
  std::uint64_t concealed_samples = 0, silent_concealed_samples = 0, concealment_events = 0;
  std::uint64_t interruption_count = 0;  ///< concealments of 150 ms and more
  std::uint64_t interruption_samples = 0;
  /// Put in and left out to change the depth.
  std::uint64_t inserted_samples = 0, removed_samples = 0;
  /// Silence of a sender that sent nothing: a gap of timestamps, but not of sequence numbers.
  std::uint64_t dtx_samples = 0;
  /// Sum over all emitted samples of how long they were here; concealment is not among them.
  std::uint64_t jitter_buffer_delay_us = 0, jitter_buffer_emitted_count = 0;
  Duration target_delay{}, depth{}, depth_max{};
};

/// Takes packets as a network brings them and gives samples as a clock wants them: puts them in
/// order by timestamp, conceals what is missing, adapts its depth to the delays that it sees (and
/// so follows a drifting clock), begins anew on another source or time base.
///
/// A gap with packets behind it is concealed when its time has come; with nothing behind it, time
/// stands still (the depth grows by a late packet instead of dropping it) until the next packet
/// tells loss, lateness and pause apart. Timestamps are extended to 64 bits by signed difference. A
/// timestamp that is far ahead, or 300 ms of nothing but late packets, is another time base, and so
/// is another SSRC: each when a second packet confirms it.
/// Thread safety: none. `now` never falls. Memory: allocated when it is made: samples for
/// max_delay + 1 s, max_packets entries. Never throws then, allocates or locks.
class PERF_EXPORT JitterBuffer {
 public:
  /// Throws: ConfigError for options that make no sense.
  explicit JitterBuffer(const JitterBufferOptions& options);

  void Push(const JitterPacket& packet, TimePoint now) noexcept;
  /// Fills `out` (whole frames) with what is to be played from now on.
  void Pull(TimePoint now, std::span<std::int16_t> out) noexcept;

  /// Of one channel: from what is played next to the end of the last packet; 0 where nothing is.
  std::size_t SamplesAhead() const noexcept {
    return entries_.empty() ? 0 : static_cast<std::size_t>(entries_.back().End() - cursor_);
  }
  JitterBufferStats Stats() const noexcept;

 private:
  struct Entry {
    std::int64_t start = 0;  // extended timestamp
    std::int64_t frames = 0;
    std::int64_t sequence = 0;  // extended
    TimePoint arrival{};
    std::int64_t End() const noexcept { return start + frames; }
  };
  struct Gap {  // a concealment under way
    std::int64_t frames = 0, silent = 0;
  };

  /// How a packet's time stands to what is played.
  enum class Timing : std::uint8_t { kFits, kLate, kLeap, kNewBase };

  // Of Push.
  bool IsOfThisSource(const JitterPacket& packet) noexcept;
  bool NoteSequence(const JitterPacket& packet, std::int64_t& extended) noexcept;
  void Anchor(std::uint32_t timestamp, TimePoint now) noexcept;
  void Flush() noexcept;
  Timing Judge(const Entry& entry, TimePoint now) noexcept;
  void Resume(const Entry& entry, Duration relative, TimePoint now) noexcept;
  void AdaptInPause(const Entry& entry, Duration relative, std::int64_t earliest,
                    TimePoint now) noexcept;
  void Insert(Entry entry, std::span<const std::int16_t> samples) noexcept;
  // Of Pull.
  void Fill(std::span<std::int16_t> out, TimePoint now) noexcept;
  void Conceal(std::span<std::int16_t> out) noexcept;
  void EndGap() noexcept;
  bool ChangeDepth(std::span<std::int16_t> out, TimePoint now) noexcept;
  bool HasUnbroken(std::int64_t frames) const noexcept;
  void Consume(std::int64_t frames, TimePoint now) noexcept;
  void Count(const Gap& gap, JitterBufferStats& stats) const noexcept;

  bool Lossless(std::int64_t after, std::int64_t before) const noexcept;
  std::int64_t FramesOf(Duration time) const noexcept;
  Duration TimeOf(std::int64_t frames) const noexcept;
  Duration WaitOf(std::int64_t start, TimePoint now) const noexcept;
  void CopyOut(std::span<std::int16_t> out) const noexcept;
  Duration Slack() const noexcept;

  JitterBufferOptions options_;
  std::int64_t capacity_;                // frames
  std::vector<std::int16_t> samples_;    // at timestamp modulo capacity
  std::vector<std::int16_t> lookahead_;  // what a change of depth reads
  std::vector<Entry> entries_;           // by start, without overlap
  Concealer concealer_;
  DelayTarget target_;
  SequenceWindow window_;

  bool anchored_ = false, started_ = false, played_ = false, numbered_ = false;
  std::uint32_t ssrc_ = 0, stranger_ = 0;  // this source, the last one that was another
  bool has_stranger_ = false;
  std::int64_t newest_ = 0;         // the highest start so far
  std::int64_t cursor_ = 0;         // what is played next
  std::int64_t last_sequence_ = 0;  // of what was played last
  TimePoint start_at_{}, next_pull_{};
  Duration pull_time_{};
  Duration depth_{};          // what the fastest packet waits
  std::int64_t starved_ = 0;  // frames put out while time stood still
  Gap gap_;
  bool has_leap_ = false;
  std::int64_t leap_ = 0;  // the last start that was too far ahead
  TimePoint late_since_{};
  std::uint64_t late_ = 0;  // packets, one behind the other
  JitterBufferStats stats_;
};

}  // namespace perf::audio
