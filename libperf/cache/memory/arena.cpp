// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/arena.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace perf::cache {

/// The head of a page; blocks follow.
struct Arena::Page {
  std::uint32_t number;
  std::uint16_t which;  // the size class
  std::uint16_t live;
  std::uint16_t free;   // offset of the first free block in units of 8 bytes, 0: none
  std::uint16_t fresh;  // from here on nothing was given out yet
  std::uint16_t block;  // units of 8 bytes
  bool linked;
  Page* previous;
  Page* next;

  static constexpr std::uint16_t kFirst = 4;  // units of 8 bytes
  static constexpr std::uint16_t kEnd = PageSource::kPageBytes / 8;

  bool HasRoom() const noexcept { return free != 0 || fresh + block <= kEnd; }
  char* At(std::uint32_t offset) noexcept {
    return reinterpret_cast<char*>(this) + std::size_t{offset} * 8;
  }
};

Arena::Arena(PageSource& source) : source_(source) {
  bases_size_ = 64;
  all_bases_.push_back(std::make_unique<std::atomic<char*>[]>(bases_size_));
  bases_.store(all_bases_.back().get(), std::memory_order_release);
  static_assert(sizeof(Page) <= Page::kFirst * 8);
}

Arena::~Arena() = default;

std::size_t Arena::ClassOf(std::size_t bytes) noexcept {
  if (bytes <= kFine) return (bytes + 7) / 8;
  // Sixteen steps between two powers of two.
  const auto power = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;
  const std::size_t step = ((bytes - 1) >> (power - 4)) & 15;
  return kFine / 8 + 1 + (power - 9) * 16 + step;
}

std::size_t Arena::ClassBytes(std::size_t which) noexcept {
  if (which <= kFine / 8) return which * 8;
  const std::size_t beyond = which - kFine / 8 - 1;
  const std::size_t power = 9 + beyond / 16;
  return (std::size_t{1} << power) + ((beyond % 16 + 1) << (power - 4));
}

std::uint32_t Arena::NewNumber() {
  if (!free_numbers_.empty()) {
    const std::uint32_t number = free_numbers_.back();
    free_numbers_.pop_back();
    return number;
  }
  if (numbers_used_ == kMostPages) throw std::bad_alloc();
  if (numbers_used_ == bases_size_) {
    auto larger = std::make_unique<std::atomic<char*>[]>(bases_size_ * 2);
    free_numbers_.reserve(bases_size_ * 2);  // so that Free cannot fail
    for (std::size_t i = 0; i < bases_size_; ++i) {
      larger[i].store(all_bases_.back()[i].load(std::memory_order_relaxed),
                      std::memory_order_relaxed);
    }
    all_bases_.push_back(std::move(larger));
    bases_size_ *= 2;
    bases_.store(all_bases_.back().get(), std::memory_order_release);
  }
  return numbers_used_++;
}

Arena::Page* Arena::NewPage(std::size_t which) {
  free_numbers_.reserve(bases_size_);
  const std::uint32_t number = NewNumber();
  void* memory = nullptr;
  try {
    memory = source_.Take();
  } catch (const std::bad_alloc&) {
    free_numbers_.push_back(number);
    throw;
  }
  const auto block = static_cast<std::uint16_t>(ClassBytes(which) / 8);
  auto* const page = new (memory)
      Page{number, static_cast<std::uint16_t>(which), 0, 0, Page::kFirst, block, false, nullptr,
           nullptr};
  all_bases_.back()[number].store(static_cast<char*>(memory), std::memory_order_release);
  footprint_ += PageSource::kPageBytes;
  Link(page);
  return page;
}

void Arena::Link(Page* page) noexcept {
  Page*& head = partial_[page->which];
  page->previous = nullptr;
  page->next = head;
  if (head != nullptr) head->previous = page;
  head = page;
  page->linked = true;
}

void Arena::Unlink(Page* page) noexcept {
  (page->previous != nullptr ? page->previous->next : partial_[page->which]) = page->next;
  if (page->next != nullptr) page->next->previous = page->previous;
  page->linked = false;
}

Arena::Block Arena::Allocate(std::size_t bytes) {
  const std::size_t which = ClassOf(bytes);
  Page* page = partial_[which];
  if (page == nullptr) page = NewPage(which);
  std::uint32_t offset = page->free;
  if (offset != 0) {
    page->free = *reinterpret_cast<std::uint16_t*>(page->At(offset));
    FetchBytes(page->At(page->free), std::min<std::size_t>(page->block * 8U, 256));
  } else {
    offset = page->fresh;
    page->fresh = static_cast<std::uint16_t>(page->fresh + page->block);
  }
  ++page->live;
  if (!page->HasRoom()) Unlink(page);
  return {page->At(offset), page->number << kOffsetBits | offset};
}

EntryRef Arena::Adopt(void* block, std::size_t bytes) {
  free_numbers_.reserve(bases_size_);
  const std::uint32_t number = NewNumber();
  all_bases_.back()[number].store(static_cast<char*>(block), std::memory_order_release);
  footprint_ += bytes;
  return number << kOffsetBits;
}

void* Arena::Free(EntryRef ref, std::size_t bytes) noexcept {
  const std::uint32_t number = ref >> kOffsetBits;
  const std::uint32_t offset = ref & kOffsetMask;
  std::atomic<char*>& base = all_bases_.back()[number];
  if (offset == 0) {
    void* const block = base.load(std::memory_order_relaxed);
    base.store(nullptr, std::memory_order_release);
    free_numbers_.push_back(number);
    footprint_ -= bytes;
    return block;
  }
  auto* const page = reinterpret_cast<Page*>(base.load(std::memory_order_relaxed));
  *reinterpret_cast<std::uint16_t*>(page->At(offset)) = page->free;
  page->free = static_cast<std::uint16_t>(offset);
  --page->live;
  if (!page->linked) Link(page);
  // One page with room stays for each class, so that one entry that comes and goes costs no page.
  if (page->live == 0 && (page->next != nullptr || page->previous != nullptr)) {
    Unlink(page);
    base.store(nullptr, std::memory_order_release);
    free_numbers_.push_back(number);
    footprint_ -= PageSource::kPageBytes;
    source_.Give(page);
  }
  return nullptr;
}

}  // namespace perf::cache
