// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/rtp_content.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>

#include "libperf/audio/converter.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"

namespace perf::bench {
namespace {

constexpr double kPitch = 440, kLoudness = 8000;
/// Ten minutes of speech; longer files are played up to here.
constexpr std::size_t kMostBytes = std::size_t{64} << 20;

/// A second, after which it fits on to itself.
std::vector<std::int16_t> Tone(const audio::AudioFormat& format) {
  std::vector<std::int16_t> samples;
  samples.reserve(std::size_t{format.Rate()} * format.Channels());
  for (std::uint32_t i = 0; i < format.Rate(); ++i) {
    const double phase = 2 * std::numbers::pi * kPitch * i / format.Rate();
    samples.insert(samples.end(), format.Channels(),
                   static_cast<std::int16_t>(std::lround(kLoudness * std::sin(phase))));
  }
  return samples;
}

std::vector<std::int16_t> OfFile(const std::string& file, const audio::AudioFormat& format) {
  const auto reader = audio::OpenSound(file);
  audio::Converter converter(reader->Info().format, format);
  std::vector<std::byte> bytes;
  std::array<std::byte, 16384> chunk;
  while (bytes.size() < kMostBytes) {
    const std::size_t got = reader->Read(chunk);
    if (got == 0) break;
    converter.Convert(std::span(chunk).first(got), bytes);
  }
  converter.Finish(bytes);
  std::vector<std::int16_t> samples(bytes.size() / sizeof(std::int16_t));
  std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(std::int16_t));
  return samples;
}

}  // namespace

RtpContent RtpContent::Sound(const RtpShape& shape, const std::string& file) {
  RtpContent content(shape.Bytes());
  std::vector<std::int16_t> samples =
      file.empty() ? Tone(shape.Format()) : OfFile(file, shape.Format());
  const std::size_t packet = shape.Frames() * shape.payload.channels;
  // The last packet ends in silence; a tone of a second has whole ones.
  samples.resize((samples.size() + packet - 1) / packet * packet);
  if (samples.empty()) throw ConfigError(fmt::format("{}: has no sound", file));
  content.sound_.resize(samples.size() / shape.payload.channels * shape.payload.BytesPerFrame());
  audio::EncodePayload(shape.payload, samples, content.sound_);
  return content;
}

RtpContent RtpContent::Test(TestPackets packets) {
  RtpContent content(packets.Bytes());
  content.test_.emplace(std::move(packets));
  return content;
}

std::span<const std::byte> RtpContent::Payload(std::span<std::byte> room, std::uint32_t stream,
                                               std::uint64_t number) const noexcept {
  if (test_) {
    test_->Fill(room.data(), stream, number);
    return room.first(test_->Bytes());
  }
  return std::span(sound_).subspan(number % (sound_.size() / bytes_) * bytes_, bytes_);
}

}  // namespace perf::bench
