// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "libperf/audio/slab/mapping.hpp"

namespace perf::audio {

/// Which of many slots are taken: one bit each, and above them two levels of bits that say where
/// all are. The lowest free one is found in four steps; nothing is linked, so that no ABA can
/// happen, and what is not used costs no memory.
///
/// A word's bit above may be late, never for good: who fills a word sets it and looks at the word
/// again; who makes room in a full word clears it afterwards.
/// Thread safety: all methods, lock-free.
class SlotMap {
 public:
  /// Throws: IoError when there is no address space.
  explicit SlotMap(std::uint32_t slots);

  std::uint32_t Slots() const noexcept { return slots_; }
  /// Takes up to out.size() of the lowest free slots; returns how many. Fewer, but not none, where
  /// free ones are thinly spread.
  std::size_t TakeLowest(std::span<std::uint32_t> out) noexcept;
  /// Takes all of [first, last], or none of them.
  bool TakeAll(std::uint32_t first, std::uint32_t last) noexcept;
  void Give(std::span<const std::uint32_t> slots) noexcept;
  void GiveAll(std::uint32_t first, std::uint32_t last) noexcept;

 private:
  static constexpr std::size_t kLevels = 3;
  static constexpr std::uint64_t kFull = ~std::uint64_t{0};
  using Word = std::atomic<std::uint64_t>;
  using Levels = std::array<std::size_t, kLevels>;  // words of each

  static Levels WordsFor(std::uint32_t slots) noexcept;
  static std::size_t BytesFor(std::uint32_t slots) noexcept;
  Word& At(std::size_t level, std::size_t word) const noexcept { return levels_[level][word]; }
  void GiveBits(std::size_t word, std::uint64_t bits) noexcept;
  void MarkFull(std::size_t level, std::size_t word) noexcept;
  void MarkRoom(std::size_t level, std::size_t word) noexcept;
  /// A word of the lowest level that has room, or none.
  std::size_t FindRoom() noexcept;

  const std::uint32_t slots_;
  const Levels words_;
  Mapping memory_;
  std::array<Word*, kLevels> levels_{};
};

}  // namespace perf::audio
