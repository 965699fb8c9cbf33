// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/samples.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "libperf/audio/g711.hpp"

namespace perf::audio {
namespace {

constexpr std::size_t kBlock = 512;
constexpr double kScale16 = 1U << 15, kScale24 = 1U << 23, kScale32 = 1U << 31;

template <typename T>
T At(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
template <typename T>
void Put(T value, std::byte* at) noexcept {
  std::memcpy(at, &value, sizeof(value));
}

/// Sign-extended by the shifts.
std::int32_t At24(const std::byte* at) noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, at, 3);
  return static_cast<std::int32_t>(value << 8) >> 8;
}
void Put24(std::int32_t value, std::byte* at) noexcept { std::memcpy(at, &value, 3); }

std::int32_t Rounded(double value, double scale) noexcept {
  const double scaled = value * scale;
  if (!(scaled == scaled)) return 0;
  const double clipped = std::clamp(scaled, -scale, scale - 1);
  return static_cast<std::int32_t>(clipped < 0 ? std::max(clipped - 0.5, -scale)
                                               : std::min(clipped + 0.5, scale - 1));
}
std::int16_t Rounded16(double value) noexcept {
  return static_cast<std::int16_t>(Rounded(value, kScale16));
}

/// Every sample type fits into a double without loss.
void Load(SampleType type, const std::byte* in, std::span<double> out) noexcept {
  switch (type) {
    case SampleType::kS16:
      for (double& value : out) value = At<std::int16_t>(in) / kScale16, in += 2;
      return;
    case SampleType::kS24:
      for (double& value : out) value = At24(in) / kScale24, in += 3;
      return;
    case SampleType::kS32:
      for (double& value : out) value = At<std::int32_t>(in) / kScale32, in += 4;
      return;
    case SampleType::kF32:
      for (double& value : out) value = static_cast<double>(At<float>(in)), in += 4;
      return;
    case SampleType::kUlaw:
      for (double& value : out) value = DecodeUlaw(At<std::uint8_t>(in++)) / kScale16;
      return;
    case SampleType::kAlaw:
      for (double& value : out) value = DecodeAlaw(At<std::uint8_t>(in++)) / kScale16;
      return;
  }
}

void Store(SampleType type, std::span<const double> in, std::byte* out) noexcept {
  switch (type) {
    case SampleType::kS16:
      for (const double value : in) Put(Rounded16(value), out), out += 2;
      return;
    case SampleType::kS24:
      for (const double value : in) Put24(Rounded(value, kScale24), out), out += 3;
      return;
    case SampleType::kS32:
      for (const double value : in) Put(Rounded(value, kScale32), out), out += 4;
      return;
    case SampleType::kF32:
      for (const double value : in) {
        Put(value == value ? static_cast<float>(value) : 0.0F, out);
        out += 4;
      }
      return;
    case SampleType::kUlaw:
      for (const double value : in) Put(EncodeUlaw(Rounded16(value)), out++);
      return;
    case SampleType::kAlaw:
      for (const double value : in) Put(EncodeAlaw(Rounded16(value)), out++);
      return;
  }
}

}  // namespace

void ConvertSamples(SampleType from, std::span<const std::byte> in, SampleType to,
                    std::span<std::byte> out) noexcept {
  if (from == to) {
    if (!in.empty()) std::memcpy(out.data(), in.data(), in.size());
    return;
  }
  const std::size_t count = in.size() / BytesPerSample(from);
  std::array<double, kBlock> values;
  for (std::size_t done = 0; done < count; done += kBlock) {
    const std::span<double> block(values.data(), std::min(kBlock, count - done));
    Load(from, in.data() + done * BytesPerSample(from), block);
    Store(to, block, out.data() + done * BytesPerSample(to));
  }
}

void MixChannels(unsigned from, std::span<const float> in, unsigned to,
                 std::span<float> out) noexcept {
  const std::size_t frames = in.size() / from;
  if (from == to) {
    std::copy(in.begin(), in.end(), out.begin());
  } else if (from == 1) {
    for (std::size_t i = 0; i < frames; ++i) std::fill_n(out.data() + i * to, to, in[i]);
  } else {
    for (std::size_t i = 0; i < frames; ++i) {
      float sum = 0;
      for (unsigned c = 0; c < from; ++c) sum += in[i * from + c];
      out[i] = sum / static_cast<float>(from);
    }
  }
}

}  // namespace perf::audio
