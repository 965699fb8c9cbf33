// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::bench {

/// Packets of one size that tell on reading whose they are: stream, number and a checksum of all of
/// it, before sound that is different in each packet.
/// Thread safety: const methods all.
class PERF_EXPORT TestPackets {
 public:
  /// A packet has at least so many bytes: the head and one word of sound.
  static constexpr std::size_t kLeast = 24;

  /// `sound`: what the packets carry, again and again; empty: noise. Throws: UsageError for packets
  /// that are too short.
  explicit TestPackets(std::size_t packet_bytes, std::span<const std::byte> sound = {});

  std::size_t Bytes() const noexcept { return bytes_; }
  void Fill(std::byte* packet, std::uint32_t stream, std::uint64_t number) const noexcept;

  struct Seen {
    bool whole = false;  // its checksum is its own; else the rest says nothing
    std::uint32_t stream = 0;
    std::uint64_t number = 0;
  };
  /// Requires: Bytes() bytes.
  Seen Look(const std::byte* packet) const noexcept;

 private:
  const std::byte* SoundAt(std::uint32_t stream, std::uint64_t number) const noexcept;

  std::size_t bytes_;
  std::size_t words_;                // of sound, whole ones of a packet
  std::vector<std::uint64_t> salt_;  // of each place, so that what moved is noticed, too
  std::vector<std::uint64_t> sound_;
  std::size_t starts_;  // places of sound_ at which a packet may start
};

/// What a stream's reader found; its own place of the sequence stands with it.
struct PacketTally {
  std::uint64_t whole = 0;   // of this stream, the next one or a later one
  std::uint64_t lost = 0;    // passed over by those
  std::uint64_t torn = 0;    // with a checksum that is not its own
  std::uint64_t leaked = 0;  // another stream's
  std::uint64_t repeated = 0;

  /// All that were looked at.
  std::uint64_t Seen() const noexcept { return whole + torn + leaked + repeated; }
  /// `next`: the number that comes next, which is moved on.
  void Count(const TestPackets::Seen& seen, std::uint32_t stream, std::uint64_t& next) noexcept {
    if (!seen.whole) {
      // It stands for the one that was due.
      ++torn;
      ++next;
    } else if (seen.stream != stream) {
      ++leaked;
      ++next;
    } else if (seen.number < next) {
      ++repeated;
    } else {
      ++whole;
      lost += seen.number - next;
      next = seen.number + 1;
    }
  }
  void Merge(const PacketTally& other) noexcept {
    whole += other.whole;
    lost += other.lost;
    torn += other.torn;
    leaked += other.leaked;
    repeated += other.repeated;
  }
};

}  // namespace perf::bench
