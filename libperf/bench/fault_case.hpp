// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/audio/streams.hpp"

namespace perf::bench {

/// What one case of `faults` tries, and what it finds.
class FaultCase {
 public:
  explicit FaultCase(std::uint64_t rounds) : rounds_(rounds) {}

  /// One thing that must be so; the first that is not is told.
  void Expect(bool holds, std::string_view what) {
    ++tries_;
    if (holds) return;
    if (failures_++ == 0) text_ = what;
  }
  /// What is worth knowing where all went well.
  void Note(std::string text) { note_ = std::move(text); }

  std::uint64_t Rounds() const noexcept { return rounds_; }
  std::uint64_t Tries() const noexcept { return tries_; }
  std::uint64_t Failures() const noexcept { return failures_; }
  const std::string& Text() const noexcept { return failures_ > 0 ? text_ : note_; }

 private:
  std::uint64_t rounds_;
  std::uint64_t tries_ = 0, failures_ = 0;
  std::string text_, note_;
};

/// A stream of a home of its own.
struct LoneStream {
  explicit LoneStream(const audio::StreamOptions& options = {})
      : home(audio::Streams::Options{}), stream(home.Open(options).stream) {}
  audio::Streams home;
  audio::StreamRef stream;
};

/// Bytes that are told by their place.
inline std::vector<std::byte> Pattern(std::size_t bytes) {
  std::vector<std::byte> pattern(bytes);
  for (std::size_t i = 0; i < bytes; ++i) pattern[i] = std::byte((i * 31 + (i >> 8U)) & 0xffU);
  return pattern;
}

// In fault_buffers.cpp: what buffers got wrong.
void FaultIndexWrap(FaultCase& found);
void FaultMemoryOrder(FaultCase& found);
void FaultOddBytes(FaultCase& found);
void FaultPartialFrame(FaultCase& found);
void FaultMirror(FaultCase& found);
// In fault_world.cpp: what came from outside.
void FaultRate(FaultCase& found);
void FaultFullDisk(FaultCase& found);
void FaultCloseWhileBlocked(FaultCase& found);
void FaultSequenceJump(FaultCase& found);
void FaultClockAndFiles(FaultCase& found);

}  // namespace perf::bench
