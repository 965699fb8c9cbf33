// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <span>
#include <string_view>
#include <vector>

namespace test {

using Bytes = std::vector<std::byte>;

/// A sine of this frequency and height.
inline std::vector<float> Tone(double hertz, std::uint32_t rate, std::size_t frames,
                               double height = 0.5) {
  std::vector<float> samples(frames);
  for (std::size_t i = 0; i < frames; ++i) {
    samples[i] = static_cast<float>(
        height * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate));
  }
  return samples;
}

/// How high a sine of that frequency stands in the samples (Hann window).
inline double HeightAt(double hertz, std::uint32_t rate, std::span<const float> samples) {
  std::complex<double> sum;
  double weights = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double at = static_cast<double>(i);
    const double weight =
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * at / static_cast<double>(samples.size()));
    sum += weight * static_cast<double>(samples[i]) *
           std::polar(1.0, -2 * std::numbers::pi * hertz * at / rate);
    weights += weight;
  }
  return 2 * std::abs(sum) / weights;
}

inline double Decibel(double ratio) { return 20 * std::log10(ratio + 1e-15); }

inline double Rms(std::span<const float> samples) {
  double sum = 0;
  for (const float value : samples) sum += static_cast<double>(value) * static_cast<double>(value);
  return samples.empty() ? 0 : std::sqrt(sum / static_cast<double>(samples.size()));
}

/// The samples as bytes, and back.
template <typename T>
Bytes BytesOf(std::span<const T> samples) {
  const auto bytes = std::as_bytes(samples);
  return {bytes.begin(), bytes.end()};
}
template <typename T>
std::vector<T> SamplesOf(std::span<const std::byte> bytes) {
  std::vector<T> samples(bytes.size() / sizeof(T));
  if (!samples.empty()) std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(T));
  return samples;
}
inline Bytes BytesOf(std::string_view text) {
  return BytesOf(std::span<const char>(text.data(), text.size()));
}

}  // namespace test
