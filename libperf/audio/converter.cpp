// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/converter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/audio/samples.hpp"
#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

/// Samples at a time.
constexpr std::size_t kChunk = 1024;

/// Room for `bytes` more at the end of `out`.
std::span<std::byte> Grown(std::vector<std::byte>& out, std::size_t bytes) {
  out.resize(out.size() + bytes);
  return std::span(out).last(bytes);
}

}  // namespace

Converter::Converter(const AudioFormat& from, const AudioFormat& to, int quality)
    : from_(from), to_(to), carry_(from) {
  if (!CanMix(from.Channels(), to.Channels())) {
    throw ConfigError(
        fmt::format("{} to {}: channels are averaged into one or copied from one only",
                    from.ToString(), to.ToString()));
  }
  if (from.Rate() != to.Rate()) {
    resampler_.emplace(from.Rate(), to.Rate(), to.Channels(), quality);
    resampled_.resize(kChunk);
  }
  if (resampler_ || from.Channels() != to.Channels()) {
    read_.resize(kChunk);
    mixed_.resize(kChunk);
  }
}

void Converter::Convert(std::span<const std::byte> in, std::vector<std::byte>& out) {
  carry_.Feed(in, [&](std::span<const std::byte> frames) { ConvertFrames(frames, out); });
}

std::size_t Converter::Finish(std::vector<std::byte>& out) {
  const std::size_t cut = carry_.Pending();
  carry_.Reset();
  if (resampler_) {
    while (const std::size_t frames = resampler_->Drain(resampled_)) {
      Append(std::span(resampled_).first(frames * to_.Channels()), out);
    }
  }
  return cut;
}

void Converter::Reset() noexcept {
  carry_.Reset();
  if (resampler_) resampler_->Reset();
}

void Converter::ConvertFrames(std::span<const std::byte> in, std::vector<std::byte>& out) {
  const std::uint64_t all = from_.FramesIn(std::uint64_t{in.size()});
  if (read_.empty()) {
    ConvertSamples(from_.Type(), in, to_.Type(), Grown(out, to_.BytesOf(all)));
    return;
  }
  const std::uint64_t most = kChunk / std::max(from_.Channels(), to_.Channels());
  for (std::uint64_t done = 0; done < all; done += most) {
    const std::uint64_t frames = std::min(most, all - done);
    const std::span read = std::span(read_).first(frames * from_.Channels());
    const std::span mixed = std::span(mixed_).first(frames * to_.Channels());
    ConvertSamples(from_.Type(), in.subspan(from_.BytesOf(done), from_.BytesOf(frames)),
                   SampleType::kF32, std::as_writable_bytes(read));
    MixChannels(from_.Channels(), read, to_.Channels(), mixed);
    if (resampler_) {
      Resample(mixed, out);
    } else {
      Append(mixed, out);
    }
  }
}

void Converter::Resample(std::span<const float> in, std::vector<std::byte>& out) {
  for (;;) {
    const Resampler::Frames frames = resampler_->Process(in, resampled_);
    in = in.subspan(frames.read * to_.Channels());
    Append(std::span(resampled_).first(frames.written * to_.Channels()), out);
    if (frames.read == 0 && frames.written == 0) return;
  }
}

void Converter::Append(std::span<const float> samples, std::vector<std::byte>& out) const {
  ConvertSamples(SampleType::kF32, std::as_bytes(samples), to_.Type(),
                 Grown(out, samples.size() * BytesPerSample(to_.Type())));
}

}  // namespace perf::audio
