// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libperf/cache/memory/handle.hpp"
#include "libperf/cache/memory/pages.hpp"

namespace perf::cache {

/// Where an entry lies, in 4 bytes: number of its page, and its offset there in units of 8 bytes.
/// 0 is nowhere.
using EntryRef = std::uint32_t;

/// Tells the processor that the cache lines of some bytes will be wanted; may be past what is
/// there.
inline void FetchBytes(const void* from, std::size_t bytes) noexcept {
  const char* const at = static_cast<const char*>(from);
  for (std::size_t i = 0; i <= bytes; i += 64) __builtin_prefetch(at + i, 1);
}

/// The memory of the entries of one shard: size classes in steps of 8 bytes (then of a sixteenth),
/// each in pages of its own, which go back when they are empty; beyond kLargest a block of malloc.
/// Thread safety: Resolve all; the rest under the lock of the shard.
class Arena {
 public:
  static constexpr std::size_t kLargest = 4096;

  struct Block {
    void* address = nullptr;
    EntryRef ref = 0;
  };

  explicit Arena(PageSource& source);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Null for a reference that is stale. What it gives may be freed unless a hazard holds it.
  Entry* Resolve(EntryRef ref) const noexcept {
    const auto base = reinterpret_cast<std::uintptr_t>(
        bases_.load(std::memory_order_acquire)[ref >> kOffsetBits].load(std::memory_order_acquire));
    return reinterpret_cast<Entry*>(base + ((ref & kOffsetMask) << 3));
  }
  /// Requires: bytes <= kLargest. Throws: std::bad_alloc, also when it has no page numbers left.
  Block Allocate(std::size_t bytes);
  /// Takes a block of std::malloc over. Throws: as Allocate; then it is still the caller's.
  EntryRef Adopt(void* block, std::size_t bytes);
  /// A block of malloc that is to be freed by the caller, who may let go of the lock first.
  void* Free(EntryRef ref, std::size_t bytes) noexcept;
  /// Whether it is a block of malloc.
  static bool IsBlock(EntryRef ref) noexcept { return (ref & kOffsetMask) == 0; }
  /// What all of it takes, in use or not.
  std::size_t Footprint() const noexcept { return footprint_; }

 private:
  static constexpr unsigned kOffsetBits = 13;
  static constexpr std::uint32_t kOffsetMask = (1U << kOffsetBits) - 1;
  static constexpr std::size_t kMostPages = std::size_t{1} << (32 - kOffsetBits);
  static constexpr std::size_t kFine = 512;  // up to it, classes differ by 8 bytes
  static constexpr std::size_t kClasses = kFine / 8 + 1 + 3 * 16;
  struct Page;
  using Bases = std::unique_ptr<std::atomic<char*>[]>;

  static std::size_t ClassOf(std::size_t bytes) noexcept;
  static std::size_t ClassBytes(std::size_t which) noexcept;
  std::uint32_t NewNumber();
  Page* NewPage(std::size_t which);
  void Link(Page* page) noexcept;
  void Unlink(Page* page) noexcept;

  PageSource& source_;
  std::atomic<std::atomic<char*>*> bases_;
  std::vector<Bases> all_bases_;  // old ones stay: readers may still look at them
  std::size_t bases_size_ = 0;
  std::uint32_t numbers_used_ = 1;
  std::vector<std::uint32_t> free_numbers_;
  std::array<Page*, kClasses> partial_{};  // pages of a class that have room
  std::size_t footprint_ = 0;
};

}  // namespace perf::cache
