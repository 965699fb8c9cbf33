// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "libperf/audio/slab/slab.hpp"
#include "libperf/audio/streams.hpp"

namespace perf::audio {

/// What streams share; lives until the last of them has gone.
/// Thread safety: all methods.
class StreamsState {
 public:
  explicit StreamsState(Streams::Options options)
      : options_(options), slab_(options.budget_bytes) {}

  Opened Open(const StreamOptions& options);
  void CloseAll() noexcept;
  StreamsUsage Usage() const;
  Slab& Slots() noexcept { return slab_; }
  /// Destroys it.
  void Gone(Stream& stream) noexcept;
  void Leave() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  static std::uint64_t Footprint(const SlotQueue::Shape& shape) noexcept;

 private:
  ~StreamsState() = default;

  const Streams::Options options_;
  std::atomic<std::uint64_t> references_{1};
  Slab slab_;
  mutable std::mutex mutex_;
  std::vector<Stream*> all_;
};

}  // namespace perf::audio
