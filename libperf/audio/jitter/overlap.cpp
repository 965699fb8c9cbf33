// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/jitter/overlap.hpp"

#include <algorithm>
#include <cstring>

namespace perf::audio {
namespace {

constexpr std::uint32_t kComparedRate = 8000;
/// A mean square below it (about -54 dB) is as good as silence.
constexpr std::int64_t kQuiet = 64 * 64;
constexpr double kAlike = 0.8;
/// In parts of a second: the pitch of voices, from 80 to 400 Hz, and 10 ms.
constexpr std::uint32_t kShortestLag = 400, kLongestLag = 80, kLongestFade = 100;

struct Products {
  std::int64_t cross = 0, first = 0, second = 0;
};

Products Multiply(const std::int16_t* a, const std::int16_t* b, std::size_t frames,
                  std::size_t channels, std::size_t stride) noexcept {
  Products sums;
  for (std::size_t i = 0; i < frames; i += stride) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::int64_t x = a[i * channels + c], y = b[i * channels + c];
      sums.cross += x * y;
      sums.first += x * x;
      sums.second += y * y;
    }
  }
  return sums;
}

void Copy(const Frames& signal, std::size_t from, std::size_t count, std::int16_t* out) noexcept {
  std::memcpy(out, signal.At(from), count * signal.channels * sizeof *out);
}

/// Both directions go over within a quarter of what is put out, at lags up to its half.
std::size_t FadeOf(std::size_t frames, std::uint32_t rate) noexcept {
  return std::min<std::size_t>(frames / 4, rate / kLongestFade);
}

Likeness FindPeriod(const Frames& signal, std::size_t frames, std::uint32_t rate) noexcept {
  const std::size_t least = rate / kShortestLag;
  const std::size_t most = std::min<std::size_t>(frames / 2, rate / kLongestLag);
  if (least == 0 || most < least || signal.Count() < frames) return {};
  return FindLikeness(signal, 0, FadeOf(frames, rate), least, most, false, rate);
}

}  // namespace

Likeness FindLikeness(const Frames& signal, std::size_t at, std::size_t window, std::size_t least,
                      std::size_t most, bool back, std::uint32_t rate) noexcept {
  const std::size_t stride = std::max<std::size_t>(1, rate / kComparedRate);
  Likeness best{least, false};
  double best_score = -1;
  for (std::size_t lag = least; lag <= most; lag += stride) {
    const std::size_t other = back ? at - lag : at + lag;
    const Products sums =
        Multiply(signal.At(at), signal.At(other), window, signal.channels, stride);
    const auto cross = static_cast<double>(std::max<std::int64_t>(sums.cross, 0));
    const double score = sums.second == 0 ? 0 : cross * cross / static_cast<double>(sums.second);
    if (score <= best_score) continue;
    const auto terms = static_cast<std::int64_t>((window + stride - 1) / stride * signal.channels);
    best_score = score;
    best.lag = lag;
    best.alike = score >= kAlike * kAlike * static_cast<double>(sums.first) ||
                 std::max(sums.first, sums.second) < kQuiet * terms;
  }
  return best;
}

void CrossFade(const std::int16_t* from, const std::int16_t* to, std::int16_t* out,
               std::size_t count, std::size_t channels) noexcept {
  const auto whole = static_cast<std::int32_t>(count);
  for (std::int32_t i = 0; i < whole; ++i) {
    for (std::size_t c = 0; c < channels; ++c, ++from, ++to, ++out) {
      *out = static_cast<std::int16_t>((*from * (whole - i) + *to * i) / whole);
    }
  }
}

std::size_t Shrink(const Frames& signal, std::span<std::int16_t> out, std::uint32_t rate,
                   bool anyway) noexcept {
  const std::size_t frames = out.size() / signal.channels, fade = FadeOf(frames, rate);
  const Likeness found = FindPeriod(signal, frames, rate);
  if (found.lag == 0 || !(found.alike || anyway)) return 0;
  CrossFade(signal.At(0), signal.At(found.lag), out.data(), fade, signal.channels);
  Copy(signal, found.lag + fade, frames - fade, out.data() + fade * signal.channels);
  return frames + found.lag;
}

std::size_t Stretch(const Frames& signal, std::span<std::int16_t> out, std::uint32_t rate,
                    bool anyway) noexcept {
  const std::size_t frames = out.size() / signal.channels, fade = FadeOf(frames, rate);
  const Likeness found = FindPeriod(signal, frames, rate);
  if (found.lag == 0 || !(found.alike || anyway)) return 0;
  const std::size_t rest = found.lag + fade;
  Copy(signal, 0, found.lag, out.data());
  CrossFade(signal.At(found.lag), signal.At(0), out.data() + found.lag * signal.channels, fade,
            signal.channels);
  Copy(signal, fade, frames - rest, out.data() + rest * signal.channels);
  return frames - found.lag;
}

}  // namespace perf::audio
