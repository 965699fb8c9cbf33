// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/resampler.hpp"

#include <fmt/format.h>
#include <speex/speex_resampler.h>

#include <algorithm>
#include <array>

#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

constexpr std::array<float, 1024> kSilence{};

}  // namespace

struct Resampler::State {
  ~State() {
    if (speex != nullptr) speex_resampler_destroy(speex);
  }
  SpeexResamplerState* speex = nullptr;
  std::uint32_t from = 0, to = 0;
  unsigned channels = 0;
  std::uint64_t read = 0, written = 0;  // since the start

  /// How many frames all that was read makes.
  std::uint64_t Due() const noexcept {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(read) * to + from - 1) /
                                      from);
  }
  Frames Run(std::span<const float> in, std::span<float> out) noexcept {
    // More at a time would not fit speexdsp's counters.
    constexpr std::size_t kMost = 1U << 20;
    auto taken = static_cast<spx_uint32_t>(std::min(in.size() / channels, kMost));
    auto made = static_cast<spx_uint32_t>(std::min(out.size() / channels, kMost));
    speex_resampler_process_interleaved_float(speex, in.data(), &taken, out.data(), &made);
    return {taken, made};
  }
};

Resampler::Resampler(std::uint32_t from, std::uint32_t to, unsigned channels, int quality)
    : state_(std::make_unique<State>()) {
  int code = RESAMPLER_ERR_SUCCESS;
  state_->speex = speex_resampler_init(channels, from, to, quality, &code);
  if (state_->speex == nullptr || code != RESAMPLER_ERR_SUCCESS) {
    throw Error(fmt::format("resampling from {} to {} Hz in {} channels: {}", from, to, channels,
                            speex_resampler_strerror(code)));
  }
  state_->from = from;
  state_->to = to;
  state_->channels = channels;
  speex_resampler_skip_zeros(state_->speex);
}

Resampler::~Resampler() = default;
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;

Resampler::Frames Resampler::Process(std::span<const float> in, std::span<float> out) noexcept {
  Frames all;
  for (;;) {
    const Frames some = state_->Run(in.subspan(all.read * state_->channels),
                                    out.subspan(all.written * state_->channels));
    all.read += some.read;
    all.written += some.written;
    if (some.read == 0 && some.written == 0) break;
  }
  state_->read += all.read;
  state_->written += all.written;
  return all;
}

std::size_t Resampler::Drain(std::span<float> out) noexcept {
  std::size_t made = 0;
  while (state_->written < state_->Due()) {
    const std::uint64_t left = state_->Due() - state_->written;
    const std::size_t room = std::min<std::uint64_t>(out.size() / state_->channels - made, left);
    if (room == 0) return made;
    const Frames some =
        state_->Run(kSilence, out.subspan(made * state_->channels, room * state_->channels));
    state_->written += some.written;
    made += some.written;
  }
  if (made == 0) Reset();
  return made;
}

void Resampler::Reset() noexcept {
  // speexdsp 1.2.1 clears the memory of the first channel only: silence drives the others out.
  std::array<float, 1024> nowhere;
  for (std::size_t fed = 0; fed < 2 * InputLatency() + 1;) {
    fed += state_->Run(kSilence, nowhere).read;
  }
  speex_resampler_reset_mem(state_->speex);
  speex_resampler_skip_zeros(state_->speex);
  state_->read = state_->written = 0;
}

std::size_t Resampler::InputLatency() const noexcept {
  return static_cast<std::size_t>(speex_resampler_get_input_latency(state_->speex));
}

}  // namespace perf::audio
