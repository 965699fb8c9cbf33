// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libperf/audio/cold_codec.hpp"
#include "libperf/audio/spill_file.hpp"
#include "libperf/audio/stream.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// Since the beginning; a value of atomics, which many backlogs may share.
struct ColdTotals {
  std::atomic<std::uint64_t> lost_bytes{0};      // of audio
  std::atomic<std::uint64_t> spilled{0};         // blocks that went to the file
  std::atomic<std::uint64_t> spill_failures{0};  // that should have, and stayed in memory
};

/// What a stream will play later than its buffer reaches: speech that came in a burst and is played
/// in real time. It lies here packed, block by block, beyond a threshold in a file, and moves into
/// the stream as room comes free. Packing and unpacking happen in Append and Feed, never on the
/// reader's thread; Feed must come more often than the stream's buffer lasts. What lies in memory
/// is reserved in the budget of the stream's Streams as it grows, with room to unpack one block.
/// Thread safety: all methods; it is the only writer of its stream.
class PERF_EXPORT ColdBacklog {
 public:
  struct Options {
    ColdKind cold = ColdKind::kFlac;
    std::uint64_t most_bytes = 10U << 20U;  // in memory, packed; more than it or the budget is lost
    std::uint64_t spill_above = 0;          // bytes in memory; 0: no file
    std::uint64_t most_spilled = 1U << 30U;  // bytes in the file
    std::string spill_directory = "/var/tmp";
    std::shared_ptr<ColdTotals> totals;  // counts into these; null: into its own
  };
  /// Throws: ConfigError where the codec cannot hold the stream's format.
  ColdBacklog(StreamRef stream, Options options);
  ~ColdBacklog();
  ColdBacklog(const ColdBacklog&) = delete;
  ColdBacklog& operator=(const ColdBacklog&) = delete;

  /// Bytes of any number. Returns how many are not lost.
  std::size_t Append(std::span<const std::byte> bytes);
  /// Nothing follows: the stream is finished when all has moved there.
  void Finish();
  /// Moves into the stream what it has room for. A Flush of the stream takes what waits here too.
  void Feed();

  /// What waits here takes, in memory; and how long it would be as plain audio.
  std::uint64_t MemoryBytes() const;
  std::uint64_t AudioBytes() const;
  const ColdTotals& Totals() const noexcept { return *totals_; }

 private:
  struct Block {
    std::vector<std::byte> packed;         // empty: in the file
    std::optional<std::uint64_t> spilled;  // where in the file
    std::size_t packed_bytes = 0;
    std::size_t audio_bytes = 0;
  };
  void FeedLocked();
  bool Unpack();
  void Pack(std::size_t bytes);
  void DropIfFlushed();
  std::uint64_t MemoryLocked() const;
  bool Afford(std::uint64_t bytes) noexcept;
  void GiveBack() noexcept;

  const StreamRef stream_;
  const Options options_;
  const ColdCodec codec_;
  const std::size_t block_bytes_;
  const std::shared_ptr<ColdTotals> totals_;
  mutable std::mutex mutex_;
  SpillFile file_;
  std::uint32_t epoch_;
  bool finished_ = false;
  std::vector<std::byte> front_;  // the oldest, unpacked; from front_at_ on
  std::size_t front_at_ = 0;
  std::deque<Block> blocks_;
  std::vector<std::byte> back_;  // the newest, not packed yet
  std::uint64_t packed_bytes_ = 0, audio_bytes_ = 0;
  std::uint64_t reserved_ = 0;  // of the budget
};

}  // namespace perf::audio
