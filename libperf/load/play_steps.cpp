// SPDX-License-Identifier: Apache-2.0
// The part of FlowRunner that plays audio. Nothing here blocks the loop: the player fills, the
// pacer empties, and the step waits for the end.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "libperf/backends/speech_server.hpp"
#include "libperf/backends/speech_voice.hpp"
#include "libperf/base/units.hpp"
#include "libperf/load/flow_runner.hpp"

namespace perf::load {
namespace {

using backends::Failure;

constexpr std::size_t kMostText = 10'000;  // characters, as of the speech server

/// Until the last of so many bytes has sounded, when the first sounds within a period.
Duration Length(const PlayStep& play, std::uint64_t bytes) noexcept {
  return play.format.TimeOf(play.format.FramesIn(bytes)) + 2 * play.period;
}

}  // namespace

void FlowRunner::KeepReply(const Step& step, Iteration& it, std::string& body,
                           std::uint64_t bytes) {
  if (it.kept_replies.size() <= *step.reply_slot) it.kept_replies.resize(*step.reply_slot + 1);
  KeptReply& kept = it.kept_replies[*step.reply_slot];
  kept.body.swap(body);  // both keep their memory for the next one
  kept.bytes = bytes;
  kept.there = true;
}

Failure FlowRunner::MatterOf(const PlayStep& play, const Iteration& it,
                             Voice::Matter& matter) const {
  const auto failed = [](std::string text) { return Failure{ErrorKind::kCheck, std::move(text)}; };
  if (play.sound) {
    matter.bytes = play.sound->frames;
    return {};
  }
  if (play.text) {
    std::string text;
    play.text->Append(it.scope, text);
    if (text.empty()) return failed("the text is empty: there is nothing to play");
    if (const std::size_t length = backends::CountCodePoints(text); length > kMostText) {
      return failed(
          fmt::format("a text of {} characters; at most {} are spoken", length, kMostText));
    }
    matter.spoken.emplace(text, "");
    return {};
  }
  if (play.reply >= it.kept_replies.size() || !it.kept_replies[play.reply].there) {
    return failed(fmt::format("step {} has no reply in this iteration", play.from));
  }
  const KeptReply& kept = it.kept_replies[play.reply];
  // The target may keep more of it, for other reasons.
  const std::uint64_t most = scenario_.audio.max_buffer;
  if (kept.bytes > std::min<std::uint64_t>(kept.body.size(), most)) {
    return failed(fmt::format("the reply of {} has {}; audio.max_buffer is {}", play.from,
                              FormatBytes(kept.bytes), FormatBytes(most)));
  }
  if (kept.body.empty()) {
    return failed(fmt::format("the reply of {} is empty: there is nothing to play", play.from));
  }
  if (!play.format.IsWhole(kept.body.size())) {
    return failed(fmt::format("the reply of {} has {} bytes, which are no whole frames of {}",
                              play.from, kept.body.size(), play.format.ToString()));
  }
  matter.bytes = std::as_bytes(std::span(kept.body));
  return {};
}

Task<void> FlowRunner::RunPlay(const Step& step, const PlayStep& play, Iteration& it) {
  RequestOutcome outcome;
  outcome.intended = it.intended;
  outcome.began = outcome.acquired = it.ready;
  Voice::Matter matter;
  Failure failure = MatterOf(play, it, matter);
  matter.mirror = play.mirror;
  if (!failure) {
    const Duration length = Length(play, matter.Bytes()) + scenario_.audio.timeout;
    const auto wait =
        std::make_shared<LoopWait<TimePoint>>(loop_, Deadline::After(it.ready, length));
    audio::StreamOptions options;
    options.format = play.format;
    options.period = play.period;
    options.buffer = scenario_.audio.buffer;
    PlayRecord unrecorded;
    PlayRecord& record =
        it.recorded ? interval_->loads[it.load].requests[step.request_id].play : unrecorded;
    Voice* const voice = player_->Start(
        options, std::move(matter), {it.load, step.request_id, it.recorded}, wait, failure.text);
    if (voice == nullptr) {
      ++record.refused;
      failure.kind = ErrorKind::kCheck;
    } else {
      ++record.streams;
      outcome.timing.sent = it.ready;
      const std::optional<TimePoint> ended = co_await wait->Answer();
      outcome.timing.done = ended.value_or(Clock::now());
      if (!ended) {
        // What is to be played is this iteration's, which goes on without it.
        player_->Stop(*voice);
        failure = {ErrorKind::kTimeout,
                   fmt::format("not played to its end within {}", FormatDuration(length))};
      } else if (step.expect.time && *ended - outcome.timing.sent > *step.expect.time) {
        failure = {ErrorKind::kCheck, fmt::format("played for {}, expected within {}",
                                                  FormatDuration(*ended - outcome.timing.sent),
                                                  FormatExact(*step.expect.time))};
      }
    }
  }
  if (outcome.timing.done == TimePoint{}) outcome.timing.done = Clock::now();
  Finish(step, it, outcome, failure);
}

}  // namespace perf::load
