// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/cold_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "libperf/audio/cold_opus.hpp"
#include "libperf/audio/samples.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::audio {
namespace {

constexpr std::array<std::string_view, 4> kNames{"none", "flac", "opus", "g711"};

bool IsG711(SampleType type) noexcept {
  return type == SampleType::kUlaw || type == SampleType::kAlaw;
}

std::vector<std::byte> EncodeG711(const AudioFormat& format, std::span<const std::byte> pcm) {
  std::vector<std::byte> block(pcm.size() / BytesPerSample(format.Type()));
  ConvertSamples(format.Type(), pcm, IsG711(format.Type()) ? format.Type() : SampleType::kUlaw,
                 block);
  return block;
}

bool DecodeG711(const AudioFormat& format, std::span<const std::byte> block,
                std::span<std::byte> pcm) {
  if (block.size() != pcm.size() / BytesPerSample(format.Type())) return false;
  ConvertSamples(IsG711(format.Type()) ? format.Type() : SampleType::kUlaw, block, format.Type(),
                 pcm);
  return true;
}

std::vector<std::byte> EncodeFlac(const AudioFormat& format, std::span<const std::byte> pcm) {
  if (pcm.empty()) return {};
  const std::vector<std::byte> block = SoundOf(SoundContainer::kFlac, format, pcm);
  // Grown as it was written: the copy is as large as it has to be.
  return {block.begin(), block.end()};
}

bool DecodeFlac(const AudioFormat& format, std::span<const std::byte> block,
                std::span<std::byte> pcm) {
  if (pcm.empty()) return block.empty();
  try {
    const auto reader = OpenSound(block, "cold data", format);
    if (reader->Info().container != SoundContainer::kFlac ||
        reader->Info().frames != format.FramesIn(std::uint64_t{pcm.size()})) {
      return false;
    }
    return reader->Read(pcm) == pcm.size();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::string_view Name(ColdKind kind) noexcept { return kNames[static_cast<std::size_t>(kind)]; }

ColdKind ColdKindByName(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<ColdKind>(i);
  }
  throw ConfigError(fmt::format("codec '{}' of cold audio is not known: none, flac, opus or g711",
                                Excerpt(name, 40)));
}

ColdCodec::ColdCodec(ColdKind kind, const AudioFormat& format) : kind_(kind), format_(format) {
  if (kind == ColdKind::kFlac && !Holds(SoundContainer::kFlac, format)) {
    throw ConfigError(
        fmt::format("FLAC keeps s16 and s24 of up to 8 channels, not {}", format.ToString()));
  }
  if (kind == ColdKind::kOpus && (format.Channels() > 2 || !Holds(SoundContainer::kOpus, format))) {
    throw ConfigError(fmt::format("Opus keeps 8, 12, 16, 24 and 48 kHz of up to 2 channels, not {}",
                                  format.ToString()));
  }
}

std::vector<std::byte> ColdCodec::Encode(std::span<const std::byte> pcm) const {
  if (!format_.IsWhole(pcm.size())) {
    throw Error(fmt::format("{} bytes are no whole frames of {}", pcm.size(), format_.ToString()));
  }
  switch (kind_) {
    case ColdKind::kFlac: return EncodeFlac(format_, pcm);
    case ColdKind::kOpus: return EncodeOpus(format_, pcm);
    case ColdKind::kG711: return EncodeG711(format_, pcm);
    case ColdKind::kNone: break;
  }
  return {pcm.begin(), pcm.end()};
}

bool ColdCodec::Decode(std::span<const std::byte> block, std::span<std::byte> pcm) const {
  if (!format_.IsWhole(pcm.size())) return false;
  switch (kind_) {
    case ColdKind::kFlac: return DecodeFlac(format_, block, pcm);
    case ColdKind::kOpus: return DecodeOpus(format_, block, pcm);
    case ColdKind::kG711: return DecodeG711(format_, block, pcm);
    case ColdKind::kNone: break;
  }
  if (block.size() != pcm.size()) return false;
  std::copy(block.begin(), block.end(), pcm.begin());
  return true;
}

}  // namespace perf::audio
