// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/jitter/concealer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "libperf/audio/format.hpp"
#include "libperf/audio/jitter/overlap.hpp"

namespace perf::audio {
namespace {

/// In parts of a second: pitch from 80 Hz to 400 Hz, compared over 10 ms.
constexpr std::uint32_t kLongestPeriod = 80, kShortestPeriod = 400, kWindow = 100;
constexpr std::uint32_t kJoin = 200;
constexpr std::size_t kHistoryMs = 30, kFullMs = 10, kFadedMs = 60;

}  // namespace

Concealer::Concealer(std::uint32_t rate, std::size_t channels)
    : rate_(rate),
      channels_(channels),
      history_frames_(rate * kHistoryMs / 1000),
      history_(history_frames_ * channels),
      period_((rate / kLongestPeriod + 1) * channels) {}

void Concealer::Remember(std::span<const std::int16_t> played) noexcept {
  if (played.size() >= history_.size()) {
    played = played.last(history_.size());
  } else {
    std::memmove(history_.data(), history_.data() + played.size(),
                 (history_.size() - played.size()) * sizeof history_[0]);
  }
  std::copy(played.begin(), played.end(),
            history_.end() - static_cast<std::ptrdiff_t>(played.size()));
}

void Concealer::Begin() noexcept {
  const Frames history{history_, channels_};
  const std::size_t window = rate_ / kWindow;
  lag_ = FindLikeness(history, history_frames_ - window, window, rate_ / kShortestPeriod,
                      rate_ / kLongestPeriod, true, rate_)
             .lag;
  const std::int16_t* const last = history.At(history_frames_ - lag_);
  std::copy(last, last + lag_ * channels_, period_.begin());
  // The end goes over to what came before the beginning, so that the repetition has no edge.
  const std::size_t fade = lag_ / 4, rest = lag_ - fade;
  CrossFade(last + rest * channels_, last - fade * channels_, period_.data() + rest * channels_,
            fade, channels_);
  done_ = 0;
  running_ = true;
}

/// Frame `frame` of the gap.
void Concealer::Generate(std::int16_t* out, std::size_t frame) const noexcept {
  const std::size_t full = rate_ * kFullMs / 1000, faded = rate_ * kFadedMs / 1000;
  const auto whole = static_cast<std::int32_t>(faded - full);
  const std::int32_t gain = frame <= full   ? whole
                            : frame < faded ? static_cast<std::int32_t>(faded - frame)
                                            : 0;
  for (std::size_t c = 0; c < channels_; ++c) {
    out[c] = static_cast<std::int16_t>(period_[frame % lag_ * channels_ + c] * gain / whole);
  }
}

std::size_t Concealer::Conceal(std::span<std::int16_t> out) noexcept {
  if (!running_) Begin();
  const std::size_t frames = out.size() / channels_, faded = rate_ * kFadedMs / 1000;
  for (std::size_t i = 0; i < frames; ++i) Generate(out.data() + i * channels_, done_ + i);
  const std::size_t before = done_;
  done_ += frames;
  return done_ - std::max(before, std::min(done_, faded));
}

void Concealer::Join(std::span<std::int16_t> fresh) noexcept {
  const std::size_t whole = std::min<std::size_t>(fresh.size() / channels_, rate_ / kJoin);
  for (std::size_t i = 0; i < whole; ++i) {
    std::array<std::int16_t, AudioFormat::kMaxChannels> frame;
    Generate(frame.data(), done_ + i);
    for (std::size_t c = 0; c < channels_; ++c) {
      std::int16_t& sample = fresh[i * channels_ + c];
      const auto part = static_cast<std::int32_t>(i), all = static_cast<std::int32_t>(whole);
      sample = static_cast<std::int16_t>((frame[c] * (all - part) + sample * part) / all);
    }
  }
  running_ = false;
}

}  // namespace perf::audio
