// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace perf::audio {

/// Fills in for what is missing: repeats the last pitch period, at full volume for 10 ms, fading
/// out until 60 ms, then silence (in the manner of G.711, Appendix I). Thread safety: none. Memory:
/// 45 ms of samples, allocated when it is made.
class Concealer {
 public:
  Concealer(std::uint32_t rate, std::size_t channels);

  /// What was put out last; whole frames.
  void Remember(std::span<const std::int16_t> played) noexcept;
  /// Fills `out`, which follows what it filled last or what was remembered last; how many frames of
  /// it are silence.
  std::size_t Conceal(std::span<std::int16_t> out) noexcept;
  bool Running() const noexcept { return running_; }
  /// The end of a gap: what follows it begins with `fresh`, whose first 5 ms become a transition.
  void Join(std::span<std::int16_t> fresh) noexcept;
  /// The end of a gap without a transition.
  void Stop() noexcept { running_ = false; }

 private:
  void Begin() noexcept;
  void Generate(std::int16_t* out, std::size_t frame) const noexcept;

  std::uint32_t rate_;
  std::size_t channels_, history_frames_;
  std::vector<std::int16_t> history_, period_;
  std::size_t lag_ = 0;
  std::size_t done_ = 0;  // frames of the gap so far
  bool running_ = false;
};

}  // namespace perf::audio
