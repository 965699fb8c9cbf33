// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/rtp/reception.hpp"

#include <algorithm>
#include <cmath>

namespace perf::audio {
namespace {

/// Between what is jitter, however bad, and what is another time base.
constexpr double kMostTransitS = 60;
/// Real loss takes about as much time as it takes media.
constexpr double kAgreeingS = 1;
constexpr double kDriftSpanS = 2, kDriftPackets = 50;

std::int32_t Signed(std::uint32_t difference) noexcept {
  return static_cast<std::int32_t>(difference);
}
double Seconds(Duration time) noexcept { return static_cast<double>(time.count()) / 1e9; }

}  // namespace

void Reception::Slope::Add(double at, double value) noexcept {
  n += 1;
  x += at;
  y += value;
  xx += at * at;
  xy += at * value;
}

std::optional<double> Reception::Slope::Value() const noexcept {
  const double spread = n * xx - x * x;
  // The standard deviation of evenly spread times is their span / sqrt(12).
  if (n < kDriftPackets || spread < n * n * kDriftSpanS * kDriftSpanS / 12) return std::nullopt;
  return (n * xy - x * y) / spread;
}

bool Reception::OutOfPlace(const Arrival& packet) const noexcept {
  const std::int64_t distance = window_.Distance(packet.sequence);
  if (distance >= kMostDropout || distance <= -kMostMisorder) return true;
  return distance <= 0 && Signed(packet.timestamp - newest_timestamp_) > 0;
}

bool Reception::TimeAgrees(const Arrival& packet) const noexcept {
  if (rate_ == 0) return false;
  const double media = Signed(packet.timestamp - last_.timestamp) / static_cast<double>(rate_);
  return std::abs(Seconds(packet.at - last_.at) - media) <= kAgreeingS;
}

void Reception::Add(std::uint16_t sequence, std::uint32_t timestamp, Duration arrival,
                    std::size_t payload_bytes) noexcept {
  const Arrival packet{sequence, timestamp, arrival};
  ++counts_.packets;
  counts_.bytes += payload_bytes;
  if (!started_) {
    started_ = true;
    Begin(packet);
  } else {
    const bool odd = OutOfPlace(packet);
    if (suspect_) {
      const Arrival before = *suspect_;
      suspect_.reset();
      const int apart = std::abs(static_cast<std::int16_t>(sequence - before.sequence));
      if (odd && apart > 0 && apart <= kMostMisorder) {
        Jump(before);
        Place(packet, window_.Distance(sequence));
      } else {
        Settle(before);
        if (odd) suspect_ = packet;
        if (!odd) Place(packet, window_.Distance(sequence));
      }
    } else if (odd) {
      suspect_ = packet;
    } else {
      Place(packet, window_.Distance(sequence));
    }
  }
  confirmed_ =
      confirmed_ || (counts_.packets > 1 && static_cast<std::uint16_t>(sequence - previous_) == 1);
  previous_ = sequence;
}

/// The first packet of a run.
void Reception::Begin(const Arrival& packet) noexcept {
  window_.Start(packet.sequence);
  newest_timestamp_ = packet.timestamp;
  last_ = packet;
  drift_ = {};
  elapsed_ = transit_ = 0;
  drift_.Add(0, 0);
}

void Reception::Jump(const Arrival& packet) noexcept {
  const std::int64_t distance = window_.Distance(packet.sequence);
  if (distance >= kMostDropout && TimeAgrees(packet)) {
    Place(packet, distance);
    return;
  }
  ++counts_.restarts;
  expected_before_ += window_.Expected();
  Begin(packet);
}

/// `distance` from the highest is within reach.
void Reception::Place(const Arrival& packet, std::int64_t distance) noexcept {
  const std::int64_t extended = window_.Highest() + distance;
  if (window_.Has(extended)) {
    ++counts_.duplicates;
  } else {
    if (distance > 0) {
      newest_timestamp_ = packet.timestamp;
    } else {
      ++counts_.reordered;
    }
    window_.Insert(extended);
  }
  Measure(packet);
}

/// Nothing came near it.
void Reception::Settle(const Arrival& suspect) noexcept {
  const std::int64_t distance = window_.Distance(suspect.sequence);
  if (distance <= 0 && distance > -SequenceWindow::kReach) {
    Place(suspect, distance);
  } else {
    ++counts_.strays;
  }
}

/// RFC 3550, A.8, in units of the timestamp.
void Reception::Measure(const Arrival& packet) noexcept {
  const Arrival before = last_;
  last_ = packet;
  if (rate_ == 0) return;
  const double rate = rate_;
  const double passed = Seconds(packet.at - before.at);
  const double difference = passed * rate - Signed(packet.timestamp - before.timestamp);
  if (std::abs(difference) > kMostTransitS * rate) {
    ++counts_.timestamp_jumps;
    drift_ = {};
    elapsed_ = transit_ = 0;
    return;
  }
  jitter_ += (std::abs(difference) - jitter_) / 16;
  jitter_max_ = std::max(jitter_max_, jitter_);
  jitter_sum_ += jitter_;
  ++measured_;
  elapsed_ += passed;
  transit_ += difference / rate;
  drift_.Add(elapsed_, transit_);
}

ReceptionStats Reception::Stats() const noexcept {
  if (suspect_) {  // as if the source were silent from now on
    Reception settled = *this;
    settled.suspect_.reset();
    settled.Settle(*suspect_);
    return settled.Stats();
  }
  ReceptionStats stats = counts_;
  if (!started_) return stats;
  const auto expected = static_cast<std::uint64_t>(expected_before_ + window_.Expected());
  stats.lost = expected - (stats.packets - stats.duplicates - stats.strays);
  if (rate_ > 0) {
    const double per_ms = rate_ / 1000.0;
    stats.jitter_ms = jitter_ / per_ms;
    stats.jitter_max_ms = jitter_max_ / per_ms;
    stats.jitter_mean_ms =
        measured_ > 0 ? jitter_sum_ / static_cast<double>(measured_) / per_ms : 0;
    if (const auto slope = drift_.Value()) stats.drift_ppm = *slope * 1e6;
  }
  return stats;
}

}  // namespace perf::audio
