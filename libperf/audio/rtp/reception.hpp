// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "libperf/audio/rtp/sequence_window.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// What became of the packets of one source. packets = first arrivals + reordered ones among them
/// + duplicates + strays; lost = expected of all runs - (packets - duplicates - strays).
struct ReceptionStats {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  ///< of payload
  std::uint64_t lost = 0;
  /// Extended sequence below the highest so far, and not seen before.
  std::uint64_t reordered = 0;
  std::uint64_t duplicates = 0;
  /// Far from all others and followed by none: neither lost nor received.
  std::uint64_t strays = 0;
  /// Times that the source began its numbers anew.
  std::uint64_t restarts = 0;
  /// Times that only its timestamps began anew.
  std::uint64_t timestamp_jumps = 0;
  /// Interarrival jitter (RFC 3550, 6.4.1); nothing where the clock rate is not known.
  std::optional<double> jitter_ms, jitter_mean_ms, jitter_max_ms;
  /// Slope of arrival - media time: above 0 where the source's clock is slow. Nothing below two
  /// seconds and 50 packets.
  std::optional<double> drift_ppm;
};

/// Reception statistics of one source (RFC 3550, 6.4.1, A.1, A.3, A.8): every packet counts, in the
/// order of arrival. A number kMostDropout ahead or kMostMisorder behind is held until the next
/// packet tells whether the source began anew (as A.1; then neither loss nor jitter is taken over
/// the break), whether so many were really lost (time passed as well), or whether it was a
/// straggler. So is one whose number is old and whose timestamp is new.
/// Thread safety: none. Memory: what it is, about 350 bytes.
class PERF_EXPORT Reception {
 public:
  static constexpr std::int64_t kMostDropout = 3000, kMostMisorder = 100;

  /// `clock_rate` of the timestamps, Hz; 0 where it is not known.
  explicit Reception(std::uint32_t clock_rate) noexcept : rate_(clock_rate) {}

  /// Where it was not known: jitter and drift count from the next packet on.
  void LearnClockRate(std::uint32_t clock_rate) noexcept {
    if (rate_ == 0) rate_ = clock_rate;
  }
  /// `arrival` counts from anywhere, and may fall: then so it is taken.
  void Add(std::uint16_t sequence, std::uint32_t timestamp, Duration arrival,
           std::size_t payload_bytes) noexcept;
  ReceptionStats Stats() const noexcept;
  bool Started() const noexcept { return started_; }
  /// Two packets with numbers side by side were seen (A.1): what else may look like RTP rarely has.
  bool Confirmed() const noexcept { return confirmed_; }

 private:
  struct Arrival {
    std::uint16_t sequence = 0;
    std::uint32_t timestamp = 0;
    Duration at{};
  };
  /// Least squares of y over x.
  struct Slope {
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    void Add(double at, double value) noexcept;
    std::optional<double> Value() const noexcept;
  };

  bool OutOfPlace(const Arrival& packet) const noexcept;
  /// Whether as much time as media passed since the last one.
  bool TimeAgrees(const Arrival& packet) const noexcept;
  void Begin(const Arrival& packet) noexcept;
  void Jump(const Arrival& packet) noexcept;
  void Place(const Arrival& packet, std::int64_t distance) noexcept;
  void Settle(const Arrival& suspect) noexcept;
  void Measure(const Arrival& packet) noexcept;

  std::uint32_t rate_;
  bool started_ = false, confirmed_ = false;
  SequenceWindow window_;
  std::uint32_t newest_timestamp_ = 0;
  std::int64_t expected_before_ = 0;  // of the runs before the last restart
  std::optional<Arrival> suspect_;
  Arrival last_;  // in the order of arrival
  std::uint16_t previous_ = 0;
  ReceptionStats counts_;
  double jitter_ = 0, jitter_max_ = 0, jitter_sum_ = 0;  // units of the timestamp
  std::uint64_t measured_ = 0;
  Slope drift_;
  double elapsed_ = 0, transit_ = 0;  // s since the run's first
};

}  // namespace perf::audio
