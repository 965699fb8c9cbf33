// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/audio/stream.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// A stream, or why there is none.
struct Opened {
  StreamRef stream;
  std::string refusal;  // for people, with figures; empty when there is a stream
  explicit operator bool() const noexcept { return static_cast<bool>(stream); }
};

struct StreamsUsage {
  std::size_t streams = 0;           // open, or closed and still kept by somebody
  std::uint64_t budget_bytes = 0;    // what may be reserved
  std::uint64_t reserved_bytes = 0;  // for all that the streams may hold
  std::uint64_t used_bytes = 0;      // by what they hold now; a few slots for each thread more
  std::uint64_t resident_bytes = 0;  // memory taken from the system and not given back
  // Since the beginning:
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
  std::uint64_t idle_closed = 0;
  StreamCounts counts;  // of all streams, but for what was flushed
};

struct SlabUsage {
  std::uint64_t used_bytes = 0, resident_bytes = 0;
};

/// Streams that share slots and one budget. A stream is refused when all that it may hold does not
/// fit into the budget; so one that was opened never lacks memory.
/// Thread safety: all methods. Lifetime: closes its streams at its end.
class PERF_EXPORT Streams {
 public:
  struct Options {
    std::uint64_t budget_bytes = 512U << 20U;
    std::uint64_t max_stream_bytes = 10U << 20U;  // of one stream's audio
  };
  /// Throws: ConfigError for a budget of nothing.
  explicit Streams(Options options);
  Streams() : Streams(Options{}) {}
  ~Streams();
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  /// Throws: ConfigError for options that make no sense, such as a period that is not a whole
  /// number of frames; IoError when there is no address space.
  Opened Open(const StreamOptions& options);
  /// The stream of that id; empty when it has gone.
  StreamRef Find(std::uint64_t id) const;
  /// All that are not gone.
  std::vector<StreamRef> All() const;
  StreamsUsage Usage() const;
  /// Two figures of it, without a look at each stream.
  SlabUsage SlotUsage() const;
  /// Gives memory that lies free back to the system, all but `keep` bytes; returns how many.
  std::uint64_t Trim(std::uint64_t keep = 0);
  /// To be called from time to time (an AudioMemoryOptimizer does so): ends asynchronous waits
  /// whose deadline has passed; returns when the next one will.
  TimePoint ExpireWaits(TimePoint now);
  /// The same; closes streams in which nothing has moved for so many calls. Returns how many.
  std::size_t CloseIdle(std::uint32_t calls);

 private:
  StreamsState* state_;
};

}  // namespace perf::audio
