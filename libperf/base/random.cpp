// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "libperf/base/error.hpp"

namespace perf {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

std::uint64_t SplitMix(std::uint64_t& state) noexcept {
  state += kGolden;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// (e^t - 1) / t and log(1 + t) / t without cancellation near zero: what H needs where s is about 1.
double ExpRatio(double t) noexcept { return std::abs(t) > 1e-8 ? std::expm1(t) / t : 1 + t / 2; }
double LogRatio(double t) noexcept { return std::abs(t) > 1e-8 ? std::log1p(t) / t : 1 - t / 2; }

}  // namespace

Random::Random(std::uint64_t seed) noexcept : seed_(seed) {
  for (std::uint64_t& word : state_) word = SplitMix(seed);
}

Random Random::Fork(std::uint64_t stream) const noexcept {
  // Two rounds, so that neighbouring seeds and neighbouring streams do not meet.
  std::uint64_t outer = seed_;
  std::uint64_t inner = SplitMix(outer) ^ (stream + kGolden);
  return Random(SplitMix(inner));
}

std::uint64_t Random::Next() noexcept {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::int64_t Random::Int(std::int64_t low, std::int64_t high) noexcept {
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  if (span == 0) return static_cast<std::int64_t>(Next());  // all 2^64 values
  // Lemire's multiplication (2019); the threshold removes the bias.
  using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(Next()) * span;
  if (static_cast<std::uint64_t>(product) < span) {
    const std::uint64_t threshold = (0 - span) % span;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Wide>(Next()) * span;
    }
  }
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) +
                                   static_cast<std::uint64_t>(product >> 64));
}

double Random::Unit() noexcept { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

double Random::Exponential() noexcept { return -std::log1p(-Unit()); }

double Random::Normal() noexcept {
  // The second number of the pair is thrown away: keeping it would be state that Fork has to copy.
  for (;;) {
    const double u = 2 * Unit() - 1;
    const double v = 2 * Unit() - 1;
    const double r = u * u + v * v;
    if (r < 1 && r > 0) return u * std::sqrt(-2 * std::log(r) / r);
  }
}

Zipf::Zipf(std::int64_t n, double s) : n_(n), s_(s) {
  if (n < 1) throw ConfigError(fmt::format("zipf: n must be at least 1, not {}", n));
  if (!std::isfinite(s) || s < 0) {
    throw ConfigError(fmt::format("zipf: the exponent must be 0 or more, not {}", s));
  }
  h_first_ = H(1.5) - 1;
  h_last_ = H(static_cast<double>(n) + 0.5);
  shortcut_ = 2 - InverseH(H(2.5) - std::exp2(-s));
}

double Zipf::H(double x) const noexcept {
  const double log_x = std::log(x);
  return ExpRatio((1 - s_) * log_x) * log_x;
}

double Zipf::InverseH(double x) const noexcept {
  // Rounding may push the argument of the logarithm below its domain.
  const double t = std::max(x * (1 - s_), -1.0);
  return std::exp(LogRatio(t) * x);
}

std::int64_t Zipf::Draw(Random& random) const noexcept {
  for (;;) {
    const double u = h_last_ + random.Unit() * (h_first_ - h_last_);
    const double x = InverseH(u);
    std::int64_t k = 1;
    if (x + 0.5 >= static_cast<double>(n_)) {
      k = n_;
    } else if (x >= 1) {  // also false for NaN
      k = static_cast<std::int64_t>(x + 0.5);
    }
    const auto at = static_cast<double>(k);
    if (at - x <= shortcut_ || u >= H(at + 0.5) - std::exp(-s_ * std::log(at))) return k;
  }
}

}  // namespace perf
