// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "libperf/audio/slab/slab.hpp"
#include "libperf/audio/stream_waits.hpp"
#include "libperf/audio/streams.hpp"

namespace perf::audio {

/// What streams share; lives until the last of them has gone.
/// Thread safety: all methods.
class StreamsState {
 public:
  explicit StreamsState(Streams::Options options)
      : options_(options), slab_(options.budget_bytes) {}

  Opened Open(const StreamOptions& options);
  StreamRef Find(std::uint64_t id) const;
  std::vector<StreamRef> All() const;
  void CloseAll() noexcept;
  StreamsUsage Usage() const;
  std::size_t CloseIdle(std::uint32_t ticks);
  Slab& Slots() noexcept { return slab_; }
  StreamWaits& Waits() noexcept { return waits_; }
  /// Destroys it.
  void Gone(Stream& stream) noexcept;
  void Leave() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// What a stream itself takes, with its queue's ring; and what it may hold.
  static std::uint32_t CellBytes(std::uint32_t depth) noexcept;
  static std::uint64_t AudioBytes(const SlotPool& pool, std::uint32_t depth) noexcept;

 private:
  /// Where a stream is found: its id is the place, and how many had it before.
  struct Place {
    Stream* stream = nullptr;
    std::uint32_t used = 0;
    std::uint32_t next_free = 0;
  };
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

  ~StreamsState() = default;
  void Settle(Stream& stream);
  static StreamRef Keep(Stream* stream) noexcept;

  const Streams::Options options_;
  std::atomic<std::uint64_t> references_{1};
  Slab slab_;
  StreamWaits waits_;
  mutable std::mutex mutex_;
  std::deque<Place> places_;  // grows without a copy that would stay behind in the heap
  std::uint32_t first_free_ = kNowhere;
  std::size_t open_ = 0;
  Xruns gone_overruns_, gone_underruns_;
  std::uint64_t gone_written_ = 0, gone_read_ = 0, opened_ = 0, idle_closed_ = 0;
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace perf::audio
