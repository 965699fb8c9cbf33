// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perf::backends {

/// Code points of a text; bytes that are not UTF-8 count as one each.
std::size_t CountCodePoints(std::string_view text) noexcept;

/// What the speech server says: one segment of kSpeechMsPerCharacter per code point, cut from a
/// table of voiced segments (a glottal pulse train through three formants, smoothly faded at both
/// ends), so that speaking costs a copy. The same text and voice give the same samples.
/// Thread safety: none. The table is made once per process, on first use.
class SpokenText {
 public:
  /// `voice` (and language) only change which segments are taken.
  SpokenText(std::string_view text, std::string_view voice);

  std::size_t Samples() const noexcept { return samples_; }
  bool AtEnd() const noexcept { return position_ == samples_; }
  /// Appends at most `samples` samples as little endian bytes.
  void Speak(std::string& out, std::size_t samples);

 private:
  std::vector<std::uint8_t> segments_;
  std::size_t samples_;
  std::size_t position_ = 0;
};

}  // namespace perf::backends
