// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slab/slot_map.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>

namespace perf::audio {
namespace {

constexpr std::size_t kBits = 64;
constexpr std::size_t kNowhere = ~std::size_t{0};

constexpr std::uint64_t Bit(std::size_t place) noexcept { return std::uint64_t{1} << place; }

/// Bits [first, last].
constexpr std::uint64_t Bits(std::size_t first, std::size_t last) noexcept {
  const std::uint64_t up_to_last = ~std::uint64_t{0} >> (kBits - 1 - last);
  return up_to_last & (~std::uint64_t{0} << first);
}

/// The lowest `count` bits of `bits`.
std::uint64_t Lowest(std::uint64_t bits, std::size_t count) noexcept {
  std::uint64_t rest = bits;
  for (; count > 0 && rest != 0; --count) rest &= rest - 1;
  return bits ^ rest;
}

}  // namespace

SlotMap::Levels SlotMap::WordsFor(std::uint32_t slots) noexcept {
  Levels words{};
  std::size_t below = slots;
  for (std::size_t& count : words) {
    count = (below + kBits - 1) / kBits;
    below = count;
  }
  return words;
}

std::size_t SlotMap::BytesFor(std::uint32_t slots) noexcept {
  std::size_t bytes = 0;
  for (const std::size_t words : WordsFor(slots)) bytes += RoundUp(words * sizeof(Word), kBits);
  return bytes;
}

SlotMap::SlotMap(std::uint32_t slots)
    : slots_(slots), words_(WordsFor(slots)), memory_(BytesFor(slots)) {
  std::byte* at = memory_.Data();
  std::size_t below = slots;
  for (std::size_t level = 0; level < kLevels; ++level) {
    levels_[level] = reinterpret_cast<Word*>(at);  // zeroes are words without a bit
    at += RoundUp(words_[level] * sizeof(Word), kBits);
    // What is past the end is taken for ever.
    if (below % kBits != 0) {
      At(level, words_[level] - 1).store(Bits(below % kBits, kBits - 1));
    }
    below = words_[level];
  }
}

void SlotMap::MarkFull(std::size_t level, std::size_t word) noexcept {
  for (; level + 1 < kLevels; ++level, word /= kBits) {
    const std::uint64_t before = At(level + 1, word / kBits).fetch_or(Bit(word % kBits));
    if (At(level, word).load() != kFull) {
      MarkRoom(level, word);
      return;
    }
    if ((before | Bit(word % kBits)) != kFull) return;
  }
}

void SlotMap::MarkRoom(std::size_t level, std::size_t word) noexcept {
  for (; level + 1 < kLevels; ++level, word /= kBits) {
    if (At(level + 1, word / kBits).fetch_and(~Bit(word % kBits)) != kFull) return;
  }
}

std::size_t SlotMap::FindRoom() noexcept {
  std::size_t top = 0;
  while (top < words_[kLevels - 1]) {
    std::size_t word = top;
    std::size_t level = kLevels - 1;
    while (true) {
      const std::uint64_t bits = At(level, word).load(std::memory_order_relaxed);
      if (bits == kFull) break;
      if (level == 0) return word;
      word = word * kBits + static_cast<std::size_t>(std::countr_one(bits));
      --level;
    }
    // The bit above was late.
    if (level == kLevels - 1) {
      ++top;
    } else {
      MarkFull(level, word);
    }
  }
  return kNowhere;
}

std::size_t SlotMap::TakeLowest(std::span<std::uint32_t> out) noexcept {
  constexpr int kMostWords = 8;
  std::size_t got = 0;
  for (int looked = 0; got < out.size() && (got == 0 || looked < kMostWords); ++looked) {
    const std::size_t word = FindRoom();
    if (word == kNowhere) break;
    std::uint64_t now = At(0, word).load(std::memory_order_relaxed);
    std::uint64_t mine = 0;
    do {
      mine = Lowest(~now, out.size() - got);
    } while (mine != 0 && !At(0, word).compare_exchange_weak(now, now | mine));
    if (mine == 0) {
      MarkFull(0, word);
      continue;
    }
    if ((now | mine) == kFull) MarkFull(0, word);
    for (; mine != 0; mine &= mine - 1) {
      out[got++] = static_cast<std::uint32_t>(word * kBits +
                                              static_cast<std::size_t>(std::countr_zero(mine)));
    }
  }
  return got;
}

bool SlotMap::TakeAll(std::uint32_t first, std::uint32_t last) noexcept {
  for (std::size_t at = first; at <= last;) {
    const std::size_t word = at / kBits;
    const std::size_t end = std::min<std::size_t>(last, word * kBits + kBits - 1);
    const std::uint64_t mine = Bits(at % kBits, end % kBits);
    std::uint64_t now = At(0, word).load(std::memory_order_relaxed);
    do {
      if ((now & mine) != 0) {
        if (at > first) GiveAll(first, static_cast<std::uint32_t>(at - 1));
        return false;
      }
    } while (!At(0, word).compare_exchange_weak(now, now | mine));
    if ((now | mine) == kFull) MarkFull(0, word);
    at = end + 1;
  }
  return true;
}

void SlotMap::GiveBits(std::size_t word, std::uint64_t bits) noexcept {
  if (At(0, word).fetch_and(~bits) == kFull) MarkRoom(0, word);
}

void SlotMap::GiveAll(std::uint32_t first, std::uint32_t last) noexcept {
  for (std::size_t at = first; at <= last;) {
    const std::size_t word = at / kBits;
    const std::size_t end = std::min<std::size_t>(last, word * kBits + kBits - 1);
    GiveBits(word, Bits(at % kBits, end % kBits));
    at = end + 1;
  }
}

void SlotMap::Give(std::span<const std::uint32_t> slots) noexcept {
  for (std::size_t i = 0; i < slots.size();) {
    const std::size_t word = slots[i] / kBits;
    std::uint64_t bits = 0;
    // Slots that were taken together come back together.
    for (; i < slots.size() && slots[i] / kBits == word; ++i) bits |= Bit(slots[i] % kBits);
    GiveBits(word, bits);
  }
}

}  // namespace perf::audio
