// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libperf/base/cpu_time.hpp"
#include "libperf/base/error.hpp"
#include "libperf/bench/findings.hpp"

namespace perf::bench {
namespace {

constexpr Duration kWarmup = std::chrono::milliseconds(300);
constexpr Duration kLongestNull = std::chrono::seconds(3);
/// Above it, a run says nothing about the pacers.
constexpr double kMostStarved = 0.01;
/// Virtual time between two looks at whether it is to stop.
constexpr Duration kVirtualSlice = std::chrono::minutes(1);

void AddRow(const char* lane, const load::AudioResult& audio, const RigFigures& figures,
            const std::string& text, Findings& findings) {
  const stats::Summary writers = stats::Summarize(figures.writers_late.LateUs());
  const double seconds = ToMs(figures.length) / 1000;
  findings.AddRow({{"lane", lane},
                   {"streams", audio.streams},
                   {"frames", audio.frames},
                   {"late_p50_ms", audio.late.p50},
                   {"late_p99_ms", audio.late.p99},
                   {"late_max_ms", audio.late.max},
                   {"over_period", audio.over_period},
                   {"underrun_frames", audio.underruns.frames},
                   {"cpu_percent", seconds > 0 ? ToMs(figures.cpu) / seconds / 10 : 0.0},
                   {"starved_ms", ToMs(figures.starved)},
                   {"longest_starved_ms", ToMs(figures.longest_starved)},
                   {"writers_late_p99_ms", writers.p99},
                   {"writers_late_max_ms", writers.max},
                   {"page_faults", figures.faults},
                   {"threads", std::uint64_t{figures.threads}},
                   {"pinned", figures.pinned},
                   {"run_delay_known", figures.run_delay_known},
                   {"text", text.empty() ? Json() : Json(text)}});
}

/// Pacers with nothing to do but to be on time.
void RunNull(const AudioTrialOptions& options, Duration length, const Context& context,
             Findings& findings) {
  std::vector<Nothing> nothing(options.streams);
  std::vector<audio::Paced*> all;
  for (Nothing& one : nothing) all.push_back(&one);
  AudioRig rig(options.cores, context);
  const bool writers = options.producer != AudioProducer::kInline;
  const FlowShape shape = options.Shape();
  rig.Add(all, shape.period, writers ? all : std::vector<audio::Paced*>(), shape.WritersPeriod());
  rig.Run(kWarmup);
  rig.Begin();
  rig.Run(length);
  rig.End();
  const RigFigures figures = rig.Stop();
  load::AudioResult audio;
  audio.streams = options.streams;
  audio.frames = figures.late.LateUs().Count();
  audio.late = stats::Summarize(figures.late.LateUs());
  audio.over_period = figures.late.OverPeriod();
  AddRow("null", audio, figures, "", findings);
}

void RunReal(const AudioRunOptions& options, const Context& context, Findings& findings) {
  const AudioTrialOptions& trial_options = options.trial;
  context.Phase(fmt::format("null: the pacers of {} streams alone", trial_options.streams));
  RunNull(trial_options, std::min(options.duration / 4, kLongestNull), context, findings);
  if (context.Stopped()) return;
  context.Phase(fmt::format("opening {} streams", trial_options.streams));
  const TestPackets packets = PacketsFor(trial_options);
  AudioTrial trial(trial_options, packets, context);
  context.Phase("running");
  trial.Run(kWarmup, options.duration);
  std::optional<double> returned;
  if (options.close > 0 && !context.Stopped()) {
    context.Phase(fmt::format("closing {:g} % of the streams", 100 * options.close));
    returned = trial.Close(options.close, Random(context.seed));
  }
  load::AudioResult audio = trial.Finish();
  audio.rss_returned_ratio = returned;
  AddRow("streams", audio, trial.Figures(), trial.Refusal(), findings);
  findings.AtLeast("streams that were opened", static_cast<double>(audio.streams),
                   static_cast<double>(trial_options.streams));
  JudgeAudio(audio, findings);
  JudgeStarved(trial.Figures(), findings);
  findings.SetAudio(audio);
}

void RunVirtual(const AudioRunOptions& options, const Context& context, Findings& findings) {
  const AudioTrialOptions& trial = options.trial;
  const TestPackets packets = PacketsFor(trial);
  const FlowShape shape = trial.Shape();
  audio::Streams home({trial.budget, trial.budget});
  const OpenedStreams opened = Open(home, trial);
  AudioLane<audio::Stream> lane(opened.streams, packets, shape, 1);
  lane.Prefill();
  const TimePoint start{};
  audio::PaceWheel wheel(start);
  audio::PaceTally tally;
  wheel.Add(lane.Writers(), shape.WritersPeriod());
  wheel.Add(lane.Readers(), shape.period);
  const auto length = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::ratio<3600>>(options.hours));
  const Duration cpu = ProcessCpu();
  const std::uint64_t allocations = context.Allocations();
  for (TimePoint at = start; at < start + length && !context.Stopped();) {
    at = std::min(at + kVirtualSlice, start + length);
    audio::RunVirtually(wheel, tally, at);
  }
  load::AudioResult audio;
  if (context.allocations != nullptr) audio.hot_allocs = context.Allocations() - allocations;
  audio.streams = opened.streams.size();
  audio.frames = lane.Frames();
  audio.late = stats::Summarize(tally.LateUs());
  audio.late.count = audio.frames;  // the writers have kept time as well
  audio.over_period = tally.OverPeriod();
  lane.Count(audio);
  if (audio.frames > 0) {
    audio.cpu_ns_per_frame =
        static_cast<double>((ProcessCpu() - cpu).count()) / static_cast<double>(audio.frames);
  }
  const double each =
      static_cast<double>(audio.frames) / std::max(1.0, static_cast<double>(audio.streams));
  findings.AddRow({{"lane", "virtual"},
                   {"streams", audio.streams},
                   {"frames", audio.frames},
                   {"hours", ToMs(wheel.NextDue() - start) / 3.6e6},
                   {"bytes_a_stream", each * static_cast<double>(packets.Bytes())},
                   {"underrun_frames", audio.underruns.frames},
                   {"torn", audio.torn},
                   {"text", opened.refusal.empty() ? Json() : Json(opened.refusal)}});
  findings.AtLeast("streams that were opened", static_cast<double>(audio.streams),
                   static_cast<double>(trial.streams));
  JudgeAudio(audio, findings);
  findings.SetAudio(audio);
}

}  // namespace

bool Starved(const RigFigures& figures) noexcept { return figures.StarvedShare() > kMostStarved; }

void JudgeStarved(const RigFigures& figures, Findings& findings) {
  if (!Starved(figures)) return;
  findings.Invalidate(
      "starved",
      fmt::format("a pacer wanted to run for {:.0f} ms ({:.1f} % of the run) and was not "
                  "let: the machine was busy with something else",
                  ToMs(figures.starved), 100 * figures.StarvedShare()));
}

void JudgeAudio(const load::AudioResult& audio, Findings& findings) {
  findings.Never("frames late by more than a period", audio.over_period, audio.frames);
  findings.Never("frames that were not there", audio.underruns.frames, audio.frames);
  findings.Never("lost frames", audio.lost, audio.frames);
  findings.Never("torn frames", audio.torn, audio.frames);
  findings.Never("frames of another stream", audio.leaked, audio.frames);
  findings.Never("frames seen twice", audio.repeated, audio.frames);
  if (audio.hot_allocs) {
    findings.Never("allocations on the hot path", *audio.hot_allocs, audio.frames);
  }
}

load::Result AudioRun(const AudioRunOptions& options, const Context& context) {
  Check(options.trial);
  if (options.trial.producer == AudioProducer::kRtp && (options.hours > 0 || options.close > 0)) {
    throw UsageError(
        "--producer rtp: UDP takes real time, and what it sends goes to every stream: "
        "not with --virtual or --close");
  }
  if (options.hours > 0 && options.close > 0) {
    throw UsageError("--close: memory comes back in real time: not with --virtual");
  }
  Findings findings("audiostress", "run", context.seed);
  if (options.hours > 0) {
    RunVirtual(options, context, findings);
  } else {
    RunReal(options, context, findings);
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
