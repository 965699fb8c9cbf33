// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::backends {

/// What happens to bytes beside being late.
enum class Harm : std::uint8_t {
  kNone,
  kGarbage,    // each byte is replaced by a random one
  kBlackhole,  // bytes are taken and thrown away
  kReset,      // the connection ends with a reset (RST) on both sides
  kClose,      // the connection is closed on both sides
  kHalfClose,  // the receiver sees the end of the stream; the other direction goes on
};

/// What one direction of a connection suffers. All figures hold for each connection alone.
struct StreamFault {
  Duration latency{};           // each byte arrives so much later
  Duration jitter{};            // up to so much later still, uniformly; the order is kept
  std::uint64_t bandwidth = 0;  // bytes per second; 0: no limit
  Duration per_byte{};          // one byte at a time, so far apart; beats `bandwidth`
  Harm harm = Harm::kNone;
  std::uint64_t after = 0;  // bytes that pass unharmed, from when the fault or the connection began
  friend bool operator==(const StreamFault&, const StreamFault&) = default;
};

/// A byte stream that comes out later than it went in, in order, harmed as its fault says.
/// No I/O and no clock: `now` never goes back.
/// Thread safety: none. Memory: what Held says; the owner stops pushing when that is too much.
class PERF_EXPORT FaultLine {
 public:
  explicit FaultLine(Random random) : random_(random) {}

  /// Holds for what is pushed from now on; what is on its way keeps its time, but a black hole
  /// swallows it.
  void Set(const StreamFault& fault, TimePoint now);
  void Push(std::string_view bytes, TimePoint now);
  /// The end of the stream, behind all bytes. Harm to pass on at once goes the same way.
  void PushEnd(Harm how, TimePoint now);
  /// So many random bytes that nobody sent.
  void Inject(std::size_t count, TimePoint now);

  /// What comes out next and when.
  struct Next {
    std::string_view bytes;  // empty: nothing yet, or `ended`
    bool ended = false;
    Harm how = Harm::kNone;           // of an end: kNone, kReset, kClose or kHalfClose
    TimePoint at = TimePoint::max();  // when there is something, where there is nothing now
  };
  /// Valid until the next call that changes the line.
  Next Look(TimePoint now) const;
  void Consume(std::size_t bytes, TimePoint now);

  /// Nothing is held, and what is pushed now would come out at once and unharmed.
  bool Straight() const noexcept { return chunks_.empty() && fault_ == StreamFault{}; }
  /// Bytes of memory in use.
  std::size_t Held() const noexcept { return held_; }
  /// A black hole took something: the stream has a hole, and no later byte makes sense.
  bool Lost() const noexcept { return lost_; }
  bool Blackholed() const noexcept { return fault_.harm == Harm::kBlackhole; }

 private:
  struct Chunk {
    TimePoint due;
    std::string bytes;
    std::size_t used = 0;
    bool end = false;
    Harm how = Harm::kNone;
  };
  static constexpr std::size_t kOverhead = sizeof(Chunk);

  TimePoint Due(TimePoint now);
  void Append(std::string bytes, TimePoint now);
  void Spoil(std::string& bytes);
  std::size_t Slice() const noexcept;

  Random random_;
  StreamFault fault_;
  std::deque<Chunk> chunks_;
  std::size_t held_ = 0;
  std::uint64_t passed_ = 0;  // since the fault was set
  TimePoint last_due_{};
  TimePoint paced_until_{};  // bandwidth: nothing more comes out before
  bool lost_ = false;
  bool closed_ = false;  // an end is on its way: what follows is dropped
};

}  // namespace perf::backends
