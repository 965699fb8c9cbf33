// SPDX-License-Identifier: Apache-2.0
// The section `audio`, and the step that plays.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <system_error>

#include "libperf/audio/pace_wheel.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/load/parse_flow.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using audio::AudioFormat;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 6> kRawNames{".raw", ".pcm", ".ulaw", ".ul", ".alaw", ".al"};
constexpr config::Range<Duration> kPeriod{1ms, 1min};
constexpr config::Range<Duration> kBuffer{1ms, 10min};
constexpr config::Range<std::uint64_t> kSize{std::uint64_t{1} << 10, std::uint64_t{1} << 50};
constexpr std::uint64_t kMaxSound = std::uint64_t{64} << 20;

std::optional<AudioFormat> FormatOf(const ParseContext& context, const Node& node) {
  const auto text = ConstantText(context, node, "a format");
  if (!text) return std::nullopt;
  try {
    return AudioFormat::Parse(*text);
  } catch (const ConfigError& error) {
    context.Error(node, error.what());
    return std::nullopt;
  }
}

std::optional<Duration> PeriodOf(MapReader& reader) {
  const auto period = reader.Duration("period", kPeriod);
  if (period && *period % 1ms != 0ms) {
    reader.Error("period", "a period is a whole number of milliseconds");
    return std::nullopt;
  }
  return period;
}

bool IsRaw(const std::string& path) {
  return std::find(kRawNames.begin(), kRawNames.end(),
                   ToLower(std::filesystem::path(path).extension().string())) != kRawNames.end();
}

/// Whole frames, at most kMaxSound. Throws: ConfigError.
Sound ReadSound(const std::string& path, const std::optional<AudioFormat>& declared,
                const AudioFormat& usual) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    throw ConfigError(path + ": not a file");
  }
  const auto reader = IsRaw(path) ? audio::OpenRawSound(path, declared.value_or(usual))
                                  : audio::OpenSound(path, declared);
  Sound sound;
  sound.format = reader->Info().format;
  std::size_t filled = 0;
  for (;;) {
    // Whole frames fit: every size of a frame is below it.
    sound.frames.resize(filled + (std::size_t{64} << 10));
    const std::size_t got = reader->Read(std::span(sound.frames).subspan(filled));
    if (got == 0) break;
    filled += got;
    if (filled > kMaxSound) {
      throw ConfigError(fmt::format("{}: more than {} of audio", path, FormatBytes(kMaxSound)));
    }
  }
  if (filled == 0) throw ConfigError(path + ": no audio in it");
  sound.frames.resize(filled);
  sound.frames.shrink_to_fit();
  return sound;
}

/// Reads one play step.
class PlayParser {
 public:
  PlayParser(FlowState& state, const Node& node)
      : state_(state), context_(state.context), reader_(context_.Reader(node, "play")) {}

  PlayStep Run() {
    const AudioSpec& spec = context_.scenario.audio;
    if (const Node* format = reader_.Get("format")) declared_ = FormatOf(context_, *format);
    play_.format = declared_.value_or(spec.format);
    play_.period = PeriodOf(reader_).value_or(spec.period);
    std::string_view chosen;
    if (const Node* what = OneOf(reader_, {"file", "text", "from"}, chosen)) {
      if (chosen == "file") File(*what);
      if (chosen == "text") Text(*what);
      if (chosen == "from") From(*what);
    }
    Via();
    reader_.Finish();
    CheckShape(spec);
    context_.scenario.plays = true;
    return std::move(play_);
  }

 private:
  void File(const Node& node) {
    const auto name = ConstantText(context_, node, "a path");
    if (!name) return;
    if (!context_.options.files.files) {
      context_.Error(node, "this scenario may not open files");
      return;
    }
    const std::string path = node.At().Resolve(*name);
    auto& known = context_.sounds[{path, play_.format.ToString() + (declared_ ? "" : "?")}];
    try {
      if (!known) {
        known = std::make_shared<const Sound>(
            ReadSound(path, declared_, context_.scenario.audio.format));
      }
      play_.sound = known;
      play_.format = known->format;
    } catch (const ConfigError& error) {
      context_.Error(node, error.what());
      broken_ = true;
    }
  }

  void Text(const Node& node) {
    constexpr AudioFormat kVoice;
    if (declared_ && *declared_ != kVoice) {
      reader_.Error("format", fmt::format("a text is spoken as {}", kVoice.ToString()));
    }
    play_.format = kVoice;
    play_.text = state_.Text(node);
  }

  void From(const Node& node) {
    const auto name = reader_.String("from");
    if (!name) return;
    std::vector<std::string_view> names;
    for (const auto& [known, id] : state_.replies) names.push_back(known);
    const auto found = state_.replies.find(*name);
    if (found == state_.replies.end()) {
      context_.diagnostics.ErrorWithSuggestion(
          node.At(),
          fmt::format("no http or cache step before this one is named '{}'", Excerpt(*name, 64)),
          *name, names);
      return;
    }
    play_.from = *name;
    play_.reply = state_.kept.try_emplace(found->second, state_.kept.size()).first->second;
  }

  void Via() {
    constexpr std::array<std::string_view, 2> kVias{"slots", "mirror"};
    play_.mirror = reader_.Enum("via", kVias).value_or(0) == 1;
  }

  void CheckShape(const AudioSpec& spec) {
    if (broken_) return;
    const auto frames = play_.format.WholeFrames(play_.period);
    if (!frames) {
      context_.Error(reader_.Self(),
                     fmt::format("a period of {} is not a whole number of frames of {}",
                                 FormatExact(play_.period), play_.format.ToString()));
      return;
    }
    const auto depth = static_cast<std::uint64_t>((spec.buffer - 1ns) / play_.period) + 1;
    // One more than waits: what is being played.
    const std::uint64_t bytes = play_.format.BytesOf(*frames) * (depth + 1);
    if (bytes > spec.max_buffer) {
      context_.Error(reader_.Self(),
                     fmt::format("a buffer of {} of {} takes {}; audio.max_buffer is {}",
                                 FormatExact(spec.buffer), play_.format.ToString(),
                                 FormatBytes(bytes), FormatBytes(spec.max_buffer)));
    }
    auto& periods = context_.periods;
    periods.insert(play_.period);
    if (periods.size() > audio::PaceWheel::kMaxPeriods) {
      context_.Error(reader_.Self(), fmt::format("a scenario has at most {} different periods",
                                                 audio::PaceWheel::kMaxPeriods));
    }
  }

  FlowState& state_;
  ParseContext& context_;
  MapReader reader_;
  PlayStep play_;
  std::optional<AudioFormat> declared_;
  bool broken_ = false;  // a file, and told
};

}  // namespace

void ParseAudio(ParseContext& context, MapReader& root) {
  AudioSpec& spec = context.scenario.audio;
  const Node* node = root.Get("audio");
  if (!node) return;
  MapReader reader = context.Reader(*node, "audio");
  spec.budget = reader.Bytes("budget", kSize).value_or(spec.budget);
  spec.max_buffer = reader.Bytes("max_buffer", kSize).value_or(spec.max_buffer);
  spec.gc_threshold = reader.Bytes("gc_threshold").value_or(spec.gc_threshold);
  if (const Node* format = reader.Get("format")) {
    spec.format = FormatOf(context, *format).value_or(spec.format);
  }
  spec.period = PeriodOf(reader).value_or(spec.period);
  spec.buffer = reader.Duration("buffer", kBuffer).value_or(spec.buffer);
  spec.timeout = reader.Duration("timeout", {1ms, kLongestWait}).value_or(spec.timeout);
  reader.Finish();
}

PlayStep ParsePlay(FlowState& state, const Node& node) { return PlayParser(state, node).Run(); }

void NoteReply(FlowState& state, const Step& step) {
  const auto* cache = std::get_if<CacheStep>(&step.action);
  if (std::holds_alternative<HttpStep>(step.action) || (cache && cache->LooksUp())) {
    state.replies[step.name] = step.request_id;
  }
}

void KeepReplies(FlowState& state, Steps& steps) {
  for (Step& step : steps) {
    if (const auto kept = state.kept.find(step.request_id);
        step.IsRequest() && kept != state.kept.end()) {
      step.reply_slot = kept->second;
      if (const auto* http = std::get_if<HttpStep>(&step.action)) {
        std::uint64_t& most = state.context.scenario.targets[http->target].http.max_body_kept;
        most = std::max(most, state.context.scenario.audio.max_buffer);
      }
    } else if (auto* group = std::get_if<GroupStep>(&step.action)) {
      KeepReplies(state, group->steps);
    } else if (auto* repeat = std::get_if<RepeatStep>(&step.action)) {
      KeepReplies(state, repeat->steps);
    } else if (auto* choose = std::get_if<ChooseStep>(&step.action)) {
      for (Steps& branch : choose->branches) KeepReplies(state, branch);
    }
  }
}

}  // namespace perf::load
