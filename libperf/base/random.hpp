// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "libperf/base/export.hpp"

namespace perf {

/// xoshiro256++ (Blackman and Vigna, 2019), seeded by SplitMix64: the same seed gives the same
/// numbers on every machine, which std::distributions do not promise.
/// Thread safety: none; each user of a run owns one, derived by Fork.
class PERF_EXPORT Random {
 public:
  explicit Random(std::uint64_t seed) noexcept;
  /// An independent generator for the `stream`-th user, loop or load of the same seed.
  Random Fork(std::uint64_t stream) const noexcept;

  std::uint64_t Next() noexcept;
  /// Uniform in [low, high], both included, without modulo bias. Requires: low <= high.
  std::int64_t Int(std::int64_t low, std::int64_t high) noexcept;
  /// Uniform in [0, 1).
  double Unit() noexcept;
  /// Exponential with mean 1.
  double Exponential() noexcept;
  /// Standard normal (polar method).
  double Normal() noexcept;

 private:
  std::array<std::uint64_t, 4> state_;
  std::uint64_t seed_;
};

/// Zipf over 1..n with exponent s >= 0 by rejection-inversion (Hörmann and Derflinger, 1996):
/// O(1) per draw and no table, so n may be 10^12.
/// Thread safety: Draw is const; the generator is the caller's.
class PERF_EXPORT Zipf {
 public:
  /// Throws: ConfigError unless n >= 1 and s is finite and not negative.
  Zipf(std::int64_t n, double s);
  std::int64_t Draw(Random& random) const noexcept;

 private:
  double H(double x) const noexcept;
  double InverseH(double x) const noexcept;

  std::int64_t n_;
  double s_;
  double h_first_ = 0;
  double h_last_ = 0;
  double shortcut_ = 0;
};

}  // namespace perf
