// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/format.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

static_assert(std::endian::native == std::endian::little, "samples are used as they are stored");

namespace perf::audio {
namespace {

using Wide = unsigned __int128;

constexpr std::array<std::string_view, 6> kNames{"s16", "s24", "s32", "f32", "ulaw", "alaw"};
constexpr std::uint64_t kSecond = 1'000'000'000;

/// A whole number from `least` to `most`, or an error that says of what.
std::uint32_t Number(std::string_view text, std::string_view word, const char* what,
                     std::uint32_t least, std::uint32_t most) {
  const auto number = ParseInteger(word);
  if (number && *number >= least && *number <= most) return static_cast<std::uint32_t>(*number);
  throw ConfigError(fmt::format("format '{}': {} '{}' is not a whole number from {} to {}",
                                Excerpt(text, 60), what, Excerpt(word, 40), least, most));
}

}  // namespace

std::string_view Name(SampleType type) noexcept { return kNames[static_cast<std::size_t>(type)]; }

SampleType SampleTypeByName(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<SampleType>(i);
  }
  const std::string_view meant = Suggest(name, kNames);
  throw ConfigError(fmt::format("sample type '{}' is not known: s16, s24, s32, f32, ulaw or alaw{}",
                                Excerpt(name, 40),
                                meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
}

AudioFormat::AudioFormat(SampleType type, std::uint32_t rate, unsigned channels) : type_(type) {
  if (rate < kMinRate || rate > kMaxRate || channels < 1 || channels > kMaxChannels) {
    throw ConfigError(
        fmt::format("{} Hz in {} channels: audio has {} to {} Hz and 1 to {} channels", rate,
                    channels, kMinRate, kMaxRate, kMaxChannels));
  }
  rate_ = rate;
  channels_ = static_cast<std::uint8_t>(channels);
}

AudioFormat AudioFormat::Parse(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, ':');
  if (parts.size() < 2 || parts.size() > 3) {
    throw ConfigError(
        fmt::format("format '{}': expected sample type, rate and channels, such as s16:24000:1",
                    Excerpt(text, 60)));
  }
  const SampleType type = SampleTypeByName(parts[0]);
  const std::uint32_t rate = Number(text, parts[1], "the rate", kMinRate, kMaxRate);
  return {type, rate,
          parts.size() == 2 ? 1 : Number(text, parts[2], "the channels", 1, kMaxChannels)};
}

std::string AudioFormat::ToString() const {
  return fmt::format("{}:{}:{}", Name(type_), rate_, channels_);
}

std::uint64_t AudioFormat::FramesIn(Duration time) const noexcept {
  if (time <= Duration::zero()) return 0;
  return static_cast<std::uint64_t>(Wide{static_cast<std::uint64_t>(time.count())} * rate_ /
                                    kSecond);
}

Duration AudioFormat::TimeOf(std::uint64_t frames) const noexcept {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max());
  const Wide time = (Wide{frames} * kSecond + rate_ - 1) / rate_;
  return Duration(static_cast<Duration::rep>(time > kMost ? kMost : time));
}

std::optional<std::uint64_t> AudioFormat::WholeFrames(Duration time) const noexcept {
  if (time <= Duration::zero()) return std::nullopt;
  const Wide scaled = Wide{static_cast<std::uint64_t>(time.count())} * rate_;
  if (scaled % kSecond != 0) return std::nullopt;
  return static_cast<std::uint64_t>(scaled / kSecond);
}

}  // namespace perf::audio
