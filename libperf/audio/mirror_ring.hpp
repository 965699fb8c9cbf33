// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "libperf/audio/xruns.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// A byte ring of one producer and one consumer in which what is free, and what waits, is always
/// one contiguous span, however it lies: its memory is mapped twice, one copy after the other.
/// Where that is refused, or too many rings did so already (a process has about 65,000 mappings),
/// the ring is kept in plain memory with a margin of one `largest` behind its end, and the little
/// that straddles the end is copied there.
///
/// The two copies are the same memory under two addresses, which a compiler may take for two
/// (research: gcc 12 at -O2 does): each commit and each look tells it otherwise.
/// Thread safety: BeginWrite and CommitWrite one thread, Peek and Pop one thread; the rest any.
/// Nothing there allocates, locks or makes a system call.
class PERF_EXPORT MirrorRing {
 public:
  enum class Kind : std::uint8_t { kMirrored, kPlain };
  struct Options {
    std::size_t bytes = 0;        // that may wait; rounded up to frames, and to pages if mirrored
    std::size_t frame_bytes = 1;  // only whole frames go in and out
    std::size_t largest = 0;      // span asked for at once, at most `bytes`; 0: all of them
    bool plain = false;           // without a mirror; so does PERFKIT_AUDIO_MIRROR=off
    std::uint64_t start = 0;      // of the counters; other than 0 for tests of their wrap
  };
  /// Rings beyond these are plain.
  static constexpr std::uint64_t kMostMirrored = 30'000;

  /// Throws: ConfigError for sizes of nothing, IoError when there is no memory at all.
  explicit MirrorRing(const Options& options);
  ~MirrorRing();
  MirrorRing(const MirrorRing&) = delete;
  MirrorRing& operator=(const MirrorRing&) = delete;

  /// Room for whole frames: up to `bytes` of them, as many as are free; the same place until
  /// CommitWrite. Fewer than `bytes`: an overrun, of the frames that do not fit.
  std::span<std::byte> BeginWrite(std::size_t bytes) noexcept;
  /// Requires: whole frames, no more than BeginWrite gave.
  void CommitWrite(std::size_t bytes) noexcept;
  /// What of `frames` fits, in whole frames; returns how many bytes went in.
  std::size_t Write(std::span<const std::byte> frames) noexcept;

  /// Up to `bytes` of whole frames that wait, the oldest first; they stay until Pop.
  std::span<const std::byte> Peek(std::size_t bytes) noexcept;
  /// Requires: whole frames, no more than Peek gave.
  void Pop(std::size_t bytes) noexcept;

  Kind Its() const noexcept { return kind_; }
  std::size_t Capacity() const noexcept { return capacity_; }
  std::size_t Fill() const noexcept;
  Xruns Overruns() const noexcept;  // packets: frames

 private:
  bool MapTwice() noexcept;
  void MapOnce();
  std::size_t Whole(std::size_t bytes) const noexcept { return bytes - bytes % frame_bytes_; }

  const std::size_t frame_bytes_;
  std::size_t capacity_;  // that may wait, whole frames
  std::size_t size_;      // of the ring
  std::size_t largest_;
  std::size_t mapped_ = 0;
  Kind kind_ = Kind::kPlain;
  std::byte* data_ = nullptr;
  alignas(64) std::atomic<std::uint64_t> head_;
  std::uint64_t tail_seen_;
  std::size_t write_at_ = 0;  // head_ modulo size_, which need not be a power of two
  bool in_margin_ = false;    // what BeginWrite gave
  std::atomic<std::uint64_t> overrun_frames_{0};
  std::atomic<std::uint32_t> overrun_events_{0};
  std::uint64_t last_overrun_;
  alignas(64) std::atomic<std::uint64_t> tail_;
  std::uint64_t head_seen_;
  std::size_t read_at_ = 0;
};

}  // namespace perf::audio
