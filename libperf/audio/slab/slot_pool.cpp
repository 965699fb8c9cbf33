// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slab/slot_pool.hpp"

#include <algorithm>
#include <bit>
#include <span>

namespace perf::audio {
namespace {

constexpr std::size_t kBits = 64;
constexpr std::size_t kBatch = SlotPool::kMagazineSlots / 2;

}  // namespace

SlotPool::SlotPool(std::uint32_t stride, std::uint32_t slots)
    : stride_(stride),
      page_shift_(static_cast<std::uint32_t>(std::countr_zero(PageBytes()))),
      memory_(std::size_t{slots} * stride),
      resident_words_((memory_.Size() >> page_shift_) / 8 + sizeof(Word)),
      resident_(reinterpret_cast<Word*>(resident_words_.Data())),
      map_(slots) {
  base_ = memory_.Data();
  magazines_.back().limit = 0;
}

std::uint32_t SlotPool::Refill(Magazine& mine) noexcept {
  std::array<std::uint32_t, kBatch> batch;
  const std::size_t want = mine.limit > 0 ? batch.size() : 1;
  const std::size_t got = map_.TakeLowest(std::span(batch).first(want));
  if (got == 0) return kNone;
  taken_.fetch_add(got, std::memory_order_relaxed);
  for (std::size_t i = got; i-- > 1;) {
    MarkResident(batch[i]);
    mine.slots[mine.count++] = batch[i];
  }
  MarkResident(batch[0]);
  return batch[0];
}

void SlotPool::Flush(Magazine& mine, std::uint32_t slot) noexcept {
  if (mine.count < kMagazineSlots) {  // above the ceiling, or of a thread without a magazine
    map_.Give(std::span(&slot, 1));
    taken_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  // The oldest go: the newest are still in this core's cache.
  map_.Give(std::span(mine.slots).first(kBatch));
  taken_.fetch_sub(kBatch, std::memory_order_relaxed);
  std::copy(mine.slots.begin() + kBatch, mine.slots.begin() + mine.count, mine.slots.begin());
  mine.count -= kBatch;
  mine.slots[mine.count++] = slot;
}

std::size_t SlotPool::TakenBytes() const noexcept {
  return taken_.load(std::memory_order_relaxed) * stride_;
}

std::size_t SlotPool::ResidentBytes() const noexcept {
  return resident_pages_.load(std::memory_order_relaxed) << page_shift_;
}

std::uint32_t SlotPool::FirstOn(std::size_t page) const noexcept {
  return static_cast<std::uint32_t>((page << page_shift_) / stride_);
}

std::uint32_t SlotPool::LastOn(std::size_t page) const noexcept {
  return std::min(static_cast<std::uint32_t>((((page + 1) << page_shift_) - 1) / stride_),
                  map_.Slots() - 1);
}

bool SlotPool::IsResident(std::size_t page) const noexcept {
  return (resident_[page / kBits].load(std::memory_order_relaxed) >> (page % kBits) & 1) != 0;
}

void SlotPool::MarkResident(std::uint32_t slot) noexcept {
  const std::size_t first = (std::size_t{slot} * stride_) >> page_shift_;
  const std::size_t last = ((std::size_t{slot} + 1) * stride_ - 1) >> page_shift_;
  for (std::size_t page = first; page <= last; ++page) {
    if (IsResident(page)) continue;
    const std::uint64_t bit = std::uint64_t{1} << (page % kBits);
    if ((resident_[page / kBits].fetch_or(bit, std::memory_order_relaxed) & bit) != 0) continue;
    resident_pages_.fetch_add(1, std::memory_order_relaxed);
    std::size_t highest = highest_page_.load(std::memory_order_relaxed);
    while (highest < page &&
           !highest_page_.compare_exchange_weak(highest, page, std::memory_order_relaxed)) {
    }
  }
}

std::size_t SlotPool::Release(std::size_t first_page, std::size_t last_page) noexcept {
  const std::size_t pages = last_page - first_page + 1;
  memory_.Discard(first_page << page_shift_, pages << page_shift_);
  for (std::size_t page = first_page; page <= last_page; ++page) {
    resident_[page / kBits].fetch_and(~(std::uint64_t{1} << (page % kBits)),
                                      std::memory_order_relaxed);
  }
  resident_pages_.fetch_sub(pages, std::memory_order_relaxed);
  map_.GiveAll(FirstOn(first_page), LastOn(last_page));
  return pages << page_shift_;
}

std::size_t SlotPool::Trim(std::size_t bytes) noexcept {
  // Pages whose slots are held back at the same time: others take what lies elsewhere meanwhile.
  constexpr std::size_t kMostPages = 64;
  std::size_t released = 0;
  std::size_t page = highest_page_.load(std::memory_order_relaxed) + 1;
  std::size_t held = 0;  // [page, page + held) are ours
  const auto let_go = [&] {
    if (held > 0) released += Release(page, page + held - 1);
    held = 0;
  };
  while (page > 0 && released + (held << page_shift_) < bytes) {
    const std::size_t next = page - 1;
    const bool resident = IsResident(next);
    if (!resident || held == kMostPages) let_go();
    // The slot that reaches into the page above is ours already.
    const std::uint32_t first = FirstOn(next);
    const std::uint32_t end = held > 0 ? FirstOn(page) : LastOn(next) + 1;
    const bool ours = resident && (first >= end || map_.TakeAll(first, end - 1));
    if (!ours) let_go();
    page = next;
    if (ours) ++held;
  }
  let_go();
  return released;
}

}  // namespace perf::audio
