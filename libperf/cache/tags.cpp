// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/tags.hpp"

#include <algorithm>

#include "libperf/cache/frame.hpp"

namespace perf::cache {

Tags::Tags(std::size_t remembered)
    : remembered_(std::max<std::size_t>(remembered, 1)),
      slots_(std::make_unique<std::atomic<std::uint64_t>[]>(kSlots)) {}

std::uint32_t Tags::SlotOf(std::string_view tag) noexcept {
  return static_cast<std::uint32_t>(Checksum(tag) % kSlots);
}

void Tags::BumpAll() noexcept {
  for (std::size_t i = 0; i < kSlots; ++i) slots_[i].fetch_add(1, std::memory_order_acq_rel);
}

Tags::Entry& Tags::Find(std::string_view tag) {
  if (const auto found = index_.find(tag); found != index_.end()) {
    order_.splice(order_.begin(), order_, found->second);
    return *found->second;
  }
  if (order_.size() >= remembered_) {
    // A doubt must outlive its entry: an answer that was asked for before it may still come.
    forgotten_doubt_ = std::max(forgotten_doubt_, order_.back().doubted);
    index_.erase(order_.back().tag);
    order_.pop_back();
  }
  order_.push_front(Entry{std::string(tag), 0, {}, forgotten_doubt_, false});
  index_.emplace(order_.front().tag, order_.begin());
  return order_.front();
}

std::optional<std::uint64_t> Tags::Known(std::string_view tag, TimePoint since) const {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(tag);
  if (found == index_.end()) return std::nullopt;
  order_.splice(order_.begin(), order_, found->second);
  const Entry& entry = *found->second;
  if (!entry.sure || entry.learned < since) return std::nullopt;
  return entry.generation;
}

std::uint64_t Tags::Floor(std::string_view tag) const {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(tag);
  return found == index_.end() ? 0 : found->second->generation;
}

bool Tags::Learn(std::string_view tag, std::uint64_t generation, TimePoint now,
                 std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  Entry& entry = Find(tag);
  const bool grew = entry.generation != 0 && generation > entry.generation;
  entry.generation = std::max(entry.generation, generation);
  if (std::max(entry.doubted, all_doubted_) <= epoch) {
    entry.sure = true;
    entry.learned = now;
  }
  return grew;
}

void Tags::Raise(std::string_view tag, std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  Entry& entry = Find(tag);
  entry.generation = std::max(entry.generation, generation);
}

void Tags::Doubt(std::string_view tag) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t epoch = epoch_.fetch_add(1, std::memory_order_acq_rel) + 1;
  Entry& entry = Find(tag);
  entry.sure = false;
  entry.doubted = epoch;
}

void Tags::DoubtAll() {
  const std::lock_guard lock(mutex_);
  all_doubted_ = epoch_.fetch_add(1, std::memory_order_acq_rel) + 1;
  for (Entry& entry : order_) entry.sure = false;
}

}  // namespace perf::cache
