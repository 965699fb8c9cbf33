// SPDX-License-Identifier: Apache-2.0
// Sound files: WAV, FLAC and Ogg come through the same reader. The first byte says whether, and as
// what, they were declared.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "tests/fuzz/require.hpp"

using namespace perf::audio;
using perf::fuzz::Require;

namespace {

/// Silence packs a thousandfold: no more of it is read than this.
constexpr std::size_t kMost = 4U << 20;

/// The audio, or the message.
std::vector<std::byte> Read(std::span<const std::byte> file,
                            const std::optional<AudioFormat>& declared, std::size_t chunk,
                            std::string& message) {
  std::vector<std::byte> all, some(chunk);
  try {
    const auto reader = OpenSound(file, "fuzz", declared);
    const AudioFormat& format = reader->Info().format;
    Require(!declared ||
                (format.Rate() == declared->Rate() && format.Channels() == declared->Channels()),
            "it is what was declared");
    while (all.size() < kMost) {
      const std::size_t got = reader->Read(some);
      Require(got <= some.size() && format.IsWhole(got), "whole frames, no more than asked for");
      if (got == 0) break;
      all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got));
    }
  } catch (const perf::ConfigError& error) {
    message = error.what();
    Require(message.starts_with("fuzz: "), "the file is named");
  }
  return all;
}

}  // namespace

/// libsndfile 1.2.0 does not give back what libvorbis had made of the headers of an Ogg file before
/// it turned out to be broken. That is not ours to mend.
extern "C" const char* __lsan_default_suppressions() { return "leak:libvorbis\nleak:libogg\n"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  std::optional<AudioFormat> declared;
  if (data[0] % 4 == 1) declared = AudioFormat::Parse("s16:24000:1");
  if (data[0] % 4 == 2) declared = AudioFormat::Parse("ulaw:8000:1");
  std::string message, other_message;
  const std::vector<std::byte> all = Read(file, declared, 4096, message);
  const std::vector<std::byte> other = Read(file, declared, 1000, other_message);
  // Where a read fails, what it had so far is lost: how much depends on its size.
  if (!message.empty() || !other_message.empty()) return 0;
  const std::size_t both = std::min(all.size(), other.size());
  Require(std::equal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(both), other.begin()),
          "the sizes of reads change nothing");
  Require(all.size() == other.size() || both >= kMost, "the same length");
  return 0;
}
