// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "libperf/audio/mirror_ring.hpp"
#include "libperf/audio/pace_wheel.hpp"
#include "libperf/audio/stream.hpp"
#include "libperf/backends/speech_voice.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/load/recorder.hpp"

namespace perf::load {

class Voice;

/// Voices that have ended, on their way from pacers to one loop: a stack without a lock, and an
/// eventfd that becomes readable.
/// Thread safety: Push any thread, noexcept and without allocation; the rest one thread.
class EndedVoices {
 public:
  /// Throws: IoError without a descriptor.
  EndedVoices();
  ~EndedVoices();
  EndedVoices(const EndedVoices&) = delete;
  EndedVoices& operator=(const EndedVoices&) = delete;

  void Push(Voice& voice) noexcept;
  /// All of them, linked by Voice::Next; and the descriptor is no longer readable.
  Voice* TakeAll() noexcept;
  int Descriptor() const noexcept { return descriptor_; }

 private:
  std::atomic<Voice*> first_{nullptr};
  int descriptor_;
};

/// Who plays: one play after another, each a stream of its own that the loop fills and the pacer
/// empties, a packet a period. It stays with its pacer also while it plays nothing, since to leave
/// takes a tick.
///
/// Thread safety: OnDue the pacer's thread; the rest the loop's.
class Voice final : public audio::Paced {
 public:
  /// What is played: bytes that outlive the play (or Stop), or a text that is spoken.
  struct Matter {
    std::span<const std::byte> bytes;
    std::optional<backends::SpokenText> spoken;
    bool mirror = false;  // through a ring of its own; the stream only holds the budget for it
    std::uint64_t Bytes() const noexcept { return spoken ? spoken->Samples() * 2 : bytes.size(); }
  };
  /// Where what it does is counted.
  struct Place {
    std::size_t load = 0;
    std::size_t request = 0;
    bool recorded = true;
  };

  explicit Voice(EndedVoices& ended) noexcept : ended_(ended) {}

  /// Fills the stream, and plays it from the pacer's next beat on. Requires: it plays nothing, and
  /// there is something to play. Throws: IoError without memory for a ring.
  void Begin(audio::StreamRef stream, Matter matter, const Place& where);
  /// As much as there is room for. `scratch` is kept from call to call.
  void Fill(std::string& scratch);
  /// Nothing more is played, and what is to be played is no longer read; it ends with its next
  /// beat.
  void Stop() noexcept;
  /// Adds what happened since the last call.
  void Collect(PlayRecord& record);
  /// After it came out of EndedVoices: when the last packet had sounded. Gives the stream back.
  TimePoint Finish() noexcept;

  void OnDue(TimePoint due) noexcept override;

  const Place& Where() const noexcept { return where_; }
  Duration Period() const noexcept { return period_; }
  Voice* Next() const noexcept { return next_; }

 private:
  friend class EndedVoices;
  enum class State : std::uint8_t { kIdle, kPlaying, kStopping, kEnded };
  /// So many beats, none later than that: one each, unless the loop did not look for long.
  struct Note {
    std::uint32_t late_us = 0;
    std::uint32_t beats = 0;
  };
  static constexpr std::size_t kNotes = 64;  // a power of two

  void TakeNote(Duration late) noexcept;
  void End(TimePoint now) noexcept;
  std::uint32_t Room() const noexcept;
  std::span<std::byte> BeginPacket() noexcept;
  void CommitPacket() noexcept;
  bool PlayPacket() noexcept;
  audio::Xruns Underruns() const noexcept;
  void FillPacket(std::span<std::byte> packet, std::string& scratch);

  EndedVoices& ended_;
  Voice* next_ = nullptr;
  std::atomic<State> state_{State::kIdle};
  audio::StreamRef stream_;
  std::unique_ptr<audio::MirrorRing> ring_;  // instead of the stream's slots
  bool mirror_ = false;
  // The pacer's, while it plays:
  std::uint64_t left_ = 0;  // packets
  Note unwritten_;
  bool dry_ = false;                                    // the ring, at the last beat
  std::atomic<std::uint64_t> dry_beats_{0}, dries_{0};  // of this play
  TimePoint ended_at_{};
  std::array<Note, kNotes> notes_;
  std::atomic<std::uint64_t> written_{0}, read_{0};  // notes
  // The loop's:
  Matter matter_;
  std::uint64_t unfilled_ = 0;  // packets
  bool stopped_ = false;
  Place where_;
  Duration period_{};
  audio::Xruns underruns_, overruns_;  // told so far
};

}  // namespace perf::load
