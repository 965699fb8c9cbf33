// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::cache {

/// One entry as it lies in memory: this head, then meta, key and value without gaps. Never changed
/// once others can see it.
class [[gnu::packed, gnu::aligned(4)]] Entry {
 public:
  static constexpr std::size_t kHeadBytes = 20;
  static constexpr std::size_t kMaxMeta = (1U << 12) - 1;
  static constexpr std::size_t kMaxKey = (1U << 20) - 1;
  static constexpr std::size_t kMaxValue = (std::size_t{1} << 32) - (std::size_t{1} << 21);

  Entry(std::int64_t expires, std::uint32_t slot, std::size_t meta, std::size_t key,
        std::size_t value) noexcept
      : expires_(expires),
        value_bytes_(static_cast<std::uint32_t>(value)),
        sizes_(static_cast<std::uint32_t>(key << 12 | meta)),
        slot_(slot) {}

  std::string_view Meta() const noexcept { return {Bytes(), MetaBytes()}; }
  std::string_view Key() const noexcept { return {Bytes() + MetaBytes(), sizes_ >> 12}; }
  std::string_view Value() const noexcept {
    return {Bytes() + MetaBytes() + (sizes_ >> 12), value_bytes_};
  }
  /// TimePoint::max() for an entry that does not expire.
  TimePoint Expires() const noexcept { return TimePoint(Duration(expires_)); }
  std::uint32_t Slot() const noexcept { return slot_; }
  std::size_t AllBytes() const noexcept {
    return kHeadBytes + MetaBytes() + (sizes_ >> 12) + value_bytes_;
  }
  char* Bytes() noexcept { return reinterpret_cast<char*>(this) + kHeadBytes; }
  const char* Bytes() const noexcept { return reinterpret_cast<const char*>(this) + kHeadBytes; }

 private:
  std::size_t MetaBytes() const noexcept { return sizes_ & kMaxMeta; }

  std::int64_t expires_;
  std::uint32_t value_bytes_;
  std::uint32_t sizes_;  // bytes of the key, above 12 bits of those of the meta data
  std::uint32_t slot_;
};
static_assert(sizeof(Entry) == Entry::kHeadBytes);

/// Where a reader says what it looks at: what stands here is not freed.
class Hazard {
 public:
  const void* Held(std::memory_order order) const noexcept { return held_.load(order); }
  void Hold(const void* what, std::memory_order order) noexcept { held_.store(what, order); }
  void Share() noexcept { others_.fetch_add(1, std::memory_order_relaxed); }
  void Release() noexcept {
    // Who is alone here stays alone, for only a holder can share.
    if (others_.load(std::memory_order_acquire) != 0) {
      if (others_.fetch_sub(1, std::memory_order_acq_rel) != 0) return;
      others_.store(0, std::memory_order_relaxed);  // another one left in between
    }
    held_.store(nullptr, std::memory_order_release);
  }

 private:
  std::atomic<const void*> held_{nullptr};
  std::atomic<std::uint32_t> others_{0};  // who share it, beyond one
};

/// Holds one entry of a Memory: its bytes stay as they are for as long as this lives, whatever
/// happens to the entry or to the cache meanwhile, and nothing but this one entry is kept from
/// being freed.
/// Thread safety: a value that may move to another thread and be destroyed there.
/// Lifetime: may outlive the cache. Costs a few stores to memory of its thread; only a copy counts,
/// beside the one hazard that it shares.
class PERF_EXPORT Handle {
 public:
  Handle() = default;
  Handle(const Handle& other) noexcept : entry_(other.entry_), hazard_(other.hazard_) {
    if (hazard_ != nullptr) hazard_->Share();
  }
  Handle(Handle&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)),
        hazard_(std::exchange(other.hazard_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(entry_, other.entry_);
    std::swap(hazard_, other.hazard_);
    return *this;
  }
  ~Handle() {
    if (hazard_ != nullptr) hazard_->Release();
  }

  explicit operator bool() const noexcept { return entry_ != nullptr; }
  /// Requires: not empty, here and below.
  std::string_view Key() const noexcept { return entry_->Key(); }
  std::string_view Value() const noexcept { return entry_->Value(); }
  /// What the writer gave as PutOptions::meta; not aligned.
  std::string_view Meta() const noexcept { return entry_->Meta(); }
  TimePoint Expires() const noexcept { return entry_->Expires(); }
  /// Another one that holds the same entry, as a copy does.
  Handle Share() const noexcept { return *this; }
  /// Whether both hold the very same entry.
  bool Same(const Handle& other) const noexcept { return entry_ == other.entry_; }

 private:
  friend class MemoryShard;
  Handle(const Entry* entry, Hazard* hazard) noexcept : entry_(entry), hazard_(hazard) {}

  const Entry* entry_ = nullptr;
  Hazard* hazard_ = nullptr;
};

}  // namespace perf::cache
