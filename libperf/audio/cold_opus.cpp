// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/cold_opus.hpp"

#include <fmt/format.h>
#include <opus/opus.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "libperf/audio/samples.hpp"
#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

constexpr opus_int32 kBitsPerSecond = 24'000;  // of a channel
constexpr opus_int32 kComplexity = 5;
/// The largest that libopus makes of 20 ms (RFC 6716, section 3.2.1).
constexpr std::size_t kMostPacket = 1275;
/// 20 ms of 48 kHz in two channels.
constexpr std::size_t kMostSamples = 960 * 2;

using Samples = std::array<float, kMostSamples>;

/// Memory for a codec's state, which is set up again for each block: that is what makes blocks
/// independent, and costs less than a packet.
template <typename State>
State* StateOf(int bytes) {
  thread_local std::unique_ptr<std::byte[]> memory;
  thread_local int size = 0;
  if (size < bytes) {
    memory = std::make_unique<std::byte[]>(static_cast<std::size_t>(bytes));
    size = bytes;
  }
  return reinterpret_cast<State*>(memory.get());
}

void Require(int code, const char* what) {
  if (code < 0) throw Error(fmt::format("Opus: {}: {}", what, opus_strerror(code)));
}

/// What is encoded: before the audio its first 20 ms backwards, so that the codec has settled when
/// the audio begins, and behind it its end backwards, so that the delay is covered without a jump.
std::size_t Mirrored(std::ptrdiff_t frame, std::size_t frames) noexcept {
  const auto count = static_cast<std::ptrdiff_t>(frames);
  // Audio shorter than what is mirrored goes to and fro.
  const std::ptrdiff_t turn = 2 * count;
  std::ptrdiff_t at = frame % turn;
  if (at < 0) at += turn;
  return static_cast<std::size_t>(at < count ? at : turn - 1 - at);
}

void Gather(const AudioFormat& format, std::span<const std::byte> pcm, std::ptrdiff_t first,
            std::size_t count, Samples& samples) {
  const std::size_t frame_bytes = format.BytesPerFrame();
  const std::size_t frames = pcm.size() / frame_bytes;
  const std::span<std::byte> out = std::as_writable_bytes(std::span(samples));
  const std::size_t out_bytes = sizeof(float) * format.Channels();
  if (first >= 0 && static_cast<std::size_t>(first) + count <= frames) {
    ConvertSamples(format.Type(),
                   pcm.subspan(static_cast<std::size_t>(first) * frame_bytes, count * frame_bytes),
                   SampleType::kF32, out);
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = Mirrored(first + static_cast<std::ptrdiff_t>(i), frames);
    ConvertSamples(format.Type(), pcm.subspan(at * frame_bytes, frame_bytes), SampleType::kF32,
                   out.subspan(i * out_bytes, out_bytes));
  }
}

OpusEncoder* NewEncoder(const AudioFormat& format) {
  const auto channels = static_cast<int>(format.Channels());
  auto* encoder = StateOf<OpusEncoder>(opus_encoder_get_size(channels));
  Require(opus_encoder_init(encoder, static_cast<opus_int32>(format.Rate()), channels,
                            OPUS_APPLICATION_VOIP),
          "encoder");
  opus_encoder_ctl(encoder, OPUS_SET_BITRATE(kBitsPerSecond * channels));
  opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(kComplexity));
  return encoder;
}

void Put(std::vector<std::byte>& out, std::size_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> 8 * i & 0xFF));
}

/// Takes a number off the front; false where there is none.
bool Take(std::span<const std::byte>& block, std::size_t& value, std::size_t bytes) noexcept {
  if (block.size() < bytes) return false;
  value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::to_integer<std::size_t>(block[i]) << 8 * i;
  block = block.subspan(bytes);
  return true;
}

}  // namespace

std::vector<std::byte> EncodeOpus(const AudioFormat& format, std::span<const std::byte> pcm) {
  const std::size_t frames = pcm.size() / format.BytesPerFrame();
  std::vector<std::byte> block;
  if (frames == 0) return block;
  if (frames > std::numeric_limits<std::uint32_t>::max()) throw Error("Opus: a block is too long");
  OpusEncoder* encoder = NewEncoder(format);
  opus_int32 delay = 0;
  opus_encoder_ctl(encoder, OPUS_GET_LOOKAHEAD(&delay));
  const std::size_t packet = format.Rate() / 50;
  const std::size_t skip = packet + static_cast<std::size_t>(delay);
  block.reserve(frames * format.Channels() / 2);
  Put(block, frames, 4);
  Put(block, skip, 2);
  Samples samples;
  std::array<unsigned char, kMostPacket> bytes;
  for (std::size_t done = 0; done < skip + frames; done += packet) {
    Gather(format, pcm, static_cast<std::ptrdiff_t>(done) - static_cast<std::ptrdiff_t>(packet),
           packet, samples);
    const opus_int32 length =
        opus_encode_float(encoder, samples.data(), static_cast<int>(packet), bytes.data(),
                          static_cast<opus_int32>(bytes.size()));
    Require(length, "encoding");
    Put(block, static_cast<std::size_t>(length), 2);
    const auto* from = reinterpret_cast<const std::byte*>(bytes.data());
    block.insert(block.end(), from, from + length);
  }
  return {block.begin(), block.end()};
}

bool DecodeOpus(const AudioFormat& format, std::span<const std::byte> block,
                std::span<std::byte> pcm) {
  if (pcm.empty()) return block.empty();
  const std::size_t packet = format.Rate() / 50;
  std::size_t frames = 0, skip = 0;
  if (!Take(block, frames, 4) || frames != pcm.size() / format.BytesPerFrame() ||
      !Take(block, skip, 2) || skip > 2 * packet) {
    return false;
  }
  const auto channels = static_cast<int>(format.Channels());
  auto* decoder = StateOf<OpusDecoder>(opus_decoder_get_size(channels));
  Require(opus_decoder_init(decoder, static_cast<opus_int32>(format.Rate()), channels), "decoder");
  Samples samples;
  while (!pcm.empty()) {
    std::size_t length = 0;
    if (!Take(block, length, 2) || length == 0 || length > block.size()) return false;
    const int got = opus_decode_float(decoder, reinterpret_cast<const unsigned char*>(block.data()),
                                      static_cast<opus_int32>(length), samples.data(),
                                      static_cast<int>(packet), 0);
    if (got != static_cast<int>(packet)) return false;
    block = block.subspan(length);
    const std::size_t skipped = std::min(skip, packet);
    skip -= skipped;
    const std::size_t count = std::min(packet - skipped, pcm.size() / format.BytesPerFrame());
    const auto decoded = std::as_bytes(std::span(samples))
                             .subspan(skipped * sizeof(float) * format.Channels(),
                                      count * sizeof(float) * format.Channels());
    ConvertSamples(SampleType::kF32, decoded, format.Type(), pcm);
    pcm = pcm.subspan(count * format.BytesPerFrame());
  }
  return block.empty();
}

}  // namespace perf::audio
