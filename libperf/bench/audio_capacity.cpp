// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_capacity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/bench/audio_run.hpp"
#include "libperf/bench/findings.hpp"

namespace perf::bench {
namespace {

constexpr Duration kWarmup = std::chrono::milliseconds(300);
/// What the machine spoiled is tried again.
constexpr int kTries = 3;
/// Of what was found: how far the search goes on, and how far it steps back.
constexpr double kStep = 0.05;
constexpr int kConfirmations = 6;
/// Streams that every machine carries which has nothing else to do.
constexpr std::size_t kFew = 1000;

struct Outcome {
  load::AudioResult audio;
  RigFigures figures;
  const char* why = "";  // it is not carried; empty: it is
  bool Ok() const noexcept { return *why == '\0'; }
};

class Search {
 public:
  Search(const AudioCapacityOptions& options, const Context& context, Findings& findings)
      : options_(options),
        context_(context),
        findings_(findings),
        trial_(options.trial),
        packets_(PacketsFor(options.trial)) {}

  /// The number found, which was tried in short; 0: none.
  std::size_t Find();
  /// The number that was confirmed, with what was found there.
  std::pair<std::size_t, Outcome> Confirm(std::size_t streams);
  /// The least number that the machine spoiled at each try; 0: none.
  std::size_t Spoiled() const noexcept { return spoiled_; }

 private:
  Outcome Try(std::size_t streams, Duration length, const char* phase);
  const char* Judge(const load::AudioResult& audio, const RigFigures& figures) const;
  void AddRow(const Outcome& outcome, std::size_t streams, const char* phase);

  const AudioCapacityOptions& options_;
  const Context& context_;
  Findings& findings_;
  AudioTrialOptions trial_;
  TestPackets packets_;
  std::size_t spoiled_ = 0;
};

const char* Search::Judge(const load::AudioResult& audio, const RigFigures& figures) const {
  if (audio.streams < trial_.streams) return "refused";
  if (audio.torn + audio.leaked + audio.repeated > 0) return "wrong";
  if (audio.underruns.frames > 0) return "underruns";
  if (audio.lost > 0) return "lost";
  if (audio.late.p99 > ToMs(options_.late_p99)) return "late";
  if (Starved(figures)) return "starved";
  return "";
}

void Search::AddRow(const Outcome& outcome, std::size_t streams, const char* phase) {
  const load::AudioResult& audio = outcome.audio;
  const double seconds = ToMs(outcome.figures.length) / 1000;
  findings_.AddRow(
      {{"phase", phase},
       {"streams", std::uint64_t{streams}},
       {"ok", outcome.Ok()},
       {"why", outcome.Ok() ? Json() : Json(outcome.why)},
       {"late_p50_ms", audio.late.p50},
       {"late_p99_ms", audio.late.p99},
       {"late_max_ms", audio.late.max},
       {"over_period", audio.over_period},
       {"underrun_frames", audio.underruns.frames},
       {"lost", audio.lost},
       {"cpu_percent", seconds > 0 ? ToMs(outcome.figures.cpu) / seconds / 10 : 0.0},
       {"cpu_ns_per_frame", audio.cpu_ns_per_frame ? Json(*audio.cpu_ns_per_frame) : Json()},
       {"starved_ms", ToMs(outcome.figures.starved)},
       {"bytes_per_stream", audio.bytes_per_stream ? Json(*audio.bytes_per_stream) : Json()}});
}

Outcome Search::Try(std::size_t streams, Duration length, const char* phase) {
  Outcome outcome;
  trial_.streams = streams;
  for (int i = 0; i < kTries && !context_.Stopped(); ++i) {
    context_.Phase(fmt::format("{}: {} streams", phase, streams));
    AudioTrial trial(trial_, packets_, context_);
    // What the budget refuses need not be driven.
    const bool refused = !trial.Refusal().empty();
    if (!refused) trial.Run(kWarmup, length);
    outcome.audio = trial.Finish();
    outcome.figures = trial.Figures();
    outcome.why = Judge(outcome.audio, outcome.figures);
    AddRow(outcome, streams, phase);
    if (outcome.Ok() || refused || !Starved(outcome.figures)) return outcome;
  }
  if (!context_.Stopped() && (spoiled_ == 0 || streams < spoiled_)) spoiled_ = streams;
  return outcome;
}

std::size_t Search::Find() {
  std::size_t good = 0, bad = options_.most + 1;
  for (std::size_t next = std::min(options_.from, options_.most); !context_.Stopped();) {
    (Try(next, options_.length, "search").Ok() ? good : bad) = next;
    // A machine that lets none of so few run has something else to do.
    if (good == 0 && bad == spoiled_ && bad <= kFew) break;
    const auto step = static_cast<std::size_t>(kStep * static_cast<double>(good));
    if (bad - good <= std::max<std::size_t>(1, step)) break;
    // Doubles, or halves, until there is one of either; then the middle.
    next = bad > options_.most ? std::min(good * 2, options_.most) : (good + bad) / 2;
  }
  return context_.Stopped() ? 0 : good;
}

std::pair<std::size_t, Outcome> Search::Confirm(std::size_t streams) {
  for (int i = 0; i < kConfirmations && streams > 0 && !context_.Stopped(); ++i) {
    Outcome outcome = Try(streams, options_.confirmation, "confirm");
    if (outcome.Ok() && !context_.Stopped()) return {streams, std::move(outcome)};
    streams = static_cast<std::size_t>((1 - kStep) * static_cast<double>(streams));
  }
  return {0, {}};
}

}  // namespace

load::Result AudioCapacity(const AudioCapacityOptions& options, const Context& context) {
  Check(options.trial);
  Findings findings("audiostress", "capacity", context.seed);
  Search search(options, context, findings);
  auto [streams, outcome] = search.Confirm(search.Find());
  outcome.audio.capacity_streams = streams;
  const std::size_t least = std::max<std::size_t>(1, options.required);
  if (streams < least && search.Spoiled() > 0) {
    findings.Invalidate("starved",
                        fmt::format("at {} streams the pacers were not let run, as often as it was "
                                    "tried: the machine was busy with something else",
                                    search.Spoiled()));
  }
  findings.AtLeast("streams carried", static_cast<double>(streams), static_cast<double>(least), "",
                   outcome.audio.frames);
  findings.SetAudio(outcome.audio);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
