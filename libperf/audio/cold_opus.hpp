// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libperf/audio/format.hpp"

namespace perf::audio {

/// Opus (RFC 6716) for ColdCodec: blocks of packets of 20 ms, each block decodable alone; of 8, 12,
/// 16, 24 and 48 kHz and up to 2 channels. Layout, little-endian: u32 frames, u16 frames to skip
/// before them, then of each packet u16 length and bytes.
/// Thread safety: any thread; each keeps an encoder and a decoder (64 KB).

/// Throws: Error where libopus fails.
std::vector<std::byte> EncodeOpus(const AudioFormat& format, std::span<const std::byte> pcm);
/// False for a block that EncodeOpus did not write for so much audio.
bool DecodeOpus(const AudioFormat& format, std::span<const std::byte> block,
                std::span<std::byte> pcm);

}  // namespace perf::audio
