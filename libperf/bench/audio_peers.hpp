// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace perf::bench {

/// What one writes without much thought: a deque of packets behind a mutex.
/// Thread safety: one writer, one reader.
class MutexDeque {
 public:
  MutexDeque(std::size_t packet_bytes, std::uint32_t depth) : bytes_(packet_bytes), depth_(depth) {}

  std::byte* BeginWrite() {
    const std::lock_guard lock(mutex_);
    if (packets_.size() >= depth_) return nullptr;
    writing_.resize(bytes_);
    return writing_.data();
  }
  void CommitWrite() {
    const std::lock_guard lock(mutex_);
    packets_.push_back(std::move(writing_));
    writing_ = {};
  }
  std::span<const std::byte> Peek() {
    const std::lock_guard lock(mutex_);
    if (packets_.empty()) return {};
    reading_ = std::move(packets_.front());
    packets_.pop_front();
    return reading_;
  }
  void Pop() { reading_ = {}; }

 private:
  std::size_t bytes_;
  std::uint32_t depth_;
  std::mutex mutex_;
  std::deque<std::vector<std::byte>> packets_;
  std::vector<std::byte> writing_, reading_;
};

/// A textbook ring for one writer and one reader (Lamport, 1977), with each side's counter on a
/// cache line of its own, and a copy of the other's (Torquati, 2010): all packets side by side.
/// Thread safety: one writer, one reader.
class SpscRing {
 public:
  SpscRing(std::size_t packet_bytes, std::uint32_t depth)
      : bytes_(packet_bytes), depth_(depth), packets_(packet_bytes * depth) {}

  std::byte* BeginWrite() noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_seen_ >= depth_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head - tail_seen_ >= depth_) return nullptr;
    }
    return packets_.data() + head % depth_ * bytes_;
  }
  void CommitWrite() noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  std::span<const std::byte> Peek() noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (head_seen_ == tail) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (head_seen_ == tail) return {};
    }
    return {packets_.data() + tail % depth_ * bytes_, bytes_};
  }
  void Pop() noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

 private:
  const std::size_t bytes_;
  const std::uint32_t depth_;
  std::vector<std::byte> packets_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t tail_seen_ = 0;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t head_seen_ = 0;
};

/// The naive design that `memory` compares with: one vector, packets appended at its end and erased
/// at its front. Thread safety: none.
class NaiveBuffer {
 public:
  void Write(std::span<const std::byte> packet) {
    bytes_.insert(bytes_.end(), packet.begin(), packet.end());
  }
  /// Requires: so many are there.
  void Read(std::span<std::byte> packet) {
    const auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(packet.size());
    std::copy(bytes_.begin(), end, packet.begin());
    bytes_.erase(bytes_.begin(), end);
  }
  /// With what malloc keeps in front of it.
  std::size_t Bytes() const noexcept { return bytes_.capacity() + 16; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace perf::bench
