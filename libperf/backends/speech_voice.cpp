// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/speech_voice.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

#include "libperf/backends/speech_server.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kSegments = 64;
constexpr std::size_t kSegmentSamples = kSpeechMsPerCharacter * kSpeechRate / 1000;
constexpr double kRate = kSpeechRate;

using Segment = std::array<std::int16_t, kSegmentSamples>;

/// Centre frequencies of the first three formants of some vowels, in Hz (after Peterson and Barney,
/// 1952).
constexpr std::array<std::array<double, 3>, 8> kFormants = {{
    {730, 1090, 2440},
    {270, 2290, 3010},
    {530, 1840, 2480},
    {570, 840, 2410},
    {300, 870, 2240},
    {660, 1720, 2410},
    {440, 1020, 2240},
    {490, 1350, 1690},
}};
constexpr std::array<double, 3> kBandwidths = {60, 90, 150};

/// A second-order resonator with unit gain at zero frequency.
class Resonator {
 public:
  Resonator(double frequency, double bandwidth) noexcept {
    const double radius = std::exp(-std::numbers::pi * bandwidth / kRate);
    b_ = 2 * radius * std::cos(2 * std::numbers::pi * frequency / kRate);
    c_ = -radius * radius;
    a_ = 1 - b_ - c_;
  }
  double Filter(double input) noexcept {
    const double output = a_ * input + b_ * last_ + c_ * before_;
    before_ = last_;
    last_ = output;
    return output;
  }

 private:
  double a_ = 0, b_ = 0, c_ = 0, last_ = 0, before_ = 0;
};

Segment MakeSegment(std::size_t number) {
  const auto& formants = kFormants[number % kFormants.size()];
  const double pitch = 90.0 + 20.0 * static_cast<double>(number / kFormants.size());
  std::array<Resonator, 3> tract = {Resonator(formants[0], kBandwidths[0]),
                                    Resonator(formants[1], kBandwidths[1]),
                                    Resonator(formants[2], kBandwidths[2])};
  std::array<double, kSegmentSamples> raw;
  double peak = 0;
  double phase = 0;
  for (std::size_t i = 0; i < kSegmentSamples; ++i) {
    phase += pitch / kRate;
    double sound = phase >= 1 ? 1.0 : 0.0;
    if (phase >= 1) phase -= 1;
    for (auto& formant : tract) sound = formant.Filter(sound);
    const double along = static_cast<double>(i) / (kSegmentSamples - 1);
    raw[i] = sound * std::sin(std::numbers::pi * along);  // fades: segments join without a click
    peak = std::max(peak, std::abs(raw[i]));
  }
  Segment segment;
  for (std::size_t i = 0; i < kSegmentSamples; ++i)
    segment[i] = static_cast<std::int16_t>(std::lround(raw[i] / peak * 12000));
  return segment;
}

const std::array<Segment, kSegments>& Segments() {
  static const auto table = [] {
    auto made = std::array<Segment, kSegments>();
    for (std::size_t i = 0; i < kSegments; ++i) made[i] = MakeSegment(i);
    return made;
  }();
  return table;
}

/// FNV-1a, 32 bit.
std::uint32_t Hash(std::string_view text, std::uint32_t hash = 2166136261U) noexcept {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

/// Bytes of the code point that `text` begins with.
std::size_t CodePointBytes(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  std::size_t n = 1;
  while (n < wanted && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) ++n;
  return n == wanted ? n : 1;
}

}  // namespace

std::size_t CountCodePoints(std::string_view text) noexcept {
  std::size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(CodePointBytes(text));
  return count;
}

SpokenText::SpokenText(std::string_view text, std::string_view voice) {
  const std::uint32_t seed = Hash(voice);
  while (!text.empty()) {
    const std::size_t bytes = CodePointBytes(text);
    segments_.push_back(
        static_cast<std::uint8_t>((Hash(text.substr(0, bytes), seed) >> 7) % kSegments));
    text.remove_prefix(bytes);
  }
  samples_ = SpeechSamples(segments_.size());
  if (segments_.empty()) segments_.push_back(0);
}

void SpokenText::Speak(std::string& out, std::size_t samples) {
  const auto& table = Segments();
  samples = std::min(samples, samples_ - position_);
  while (samples > 0) {
    // A text shorter than the least duration drawls its last character.
    const std::size_t index = std::min(position_ / kSegmentSamples, segments_.size() - 1);
    const std::size_t offset = position_ % kSegmentSamples;
    const std::size_t count = std::min(samples, kSegmentSamples - offset);
    const std::int16_t* from = table[segments_[index]].data() + offset;
    if constexpr (std::endian::native == std::endian::little) {
      out.append(reinterpret_cast<const char*>(from), count * sizeof *from);
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        const auto sample = static_cast<std::uint16_t>(from[i]);
        out += static_cast<char>(sample & 0xFF);
        out += static_cast<char>(sample >> 8);
      }
    }
    position_ += count;
    samples -= count;
  }
}

}  // namespace perf::backends
