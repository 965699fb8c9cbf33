// SPDX-License-Identifier: Apache-2.0
// Audio in scenarios: what is read, what is counted and judged, and who plays.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include "libperf/audio/pacer.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/load/assemble.hpp"
#include "libperf/load/audio_set.hpp"
#include "libperf/load/judge.hpp"
#include "libperf/load/player.hpp"
#include "libperf/load/voice.hpp"
#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

Scenario Calls(const std::string& thresholds = "") {
  std::string text = R"(
targets: {speech: {kind: http, url: "http://127.0.0.1:9"}}
audio: {budget: 1MiB, max_buffer: 100KiB, gc_threshold: 1MiB, format: s16:8000, period: 10ms, buffer: 50ms, timeout: 1s}
flows:
  call:
    - {name: greeting, http: {target: speech, path: /tts}}
    - {name: say, play: {from: greeting}}
    - choose:
        - steps: [{name: bye, http: {target: speech, path: /bye}}]
        - steps: [{sleep: 1ms}]
    - {name: end, play: {from: bye, format: ulaw:8000:1, period: 20ms}}
  other: [{name: hum, play: {text: hum}}]
load: [{name: calls, flow: call, users: 1, iterations: 1}, {flow: other, users: 1, iterations: 1}]
)";
  if (!thresholds.empty()) text += "thresholds:\n" + thresholds;
  return test::Parsed(text);
}

PlayRecord& PlayOf(Interval& interval, std::size_t load, std::size_t request) {
  return interval.loads[load].requests[request].play;
}

audio::StreamOptions Short() {
  audio::StreamOptions options;
  options.format = audio::AudioFormat(audio::SampleType::kUlaw, 8000, 1);
  options.period = 20ms;  // 160 bytes
  options.buffer = 60ms;
  return options;
}

std::vector<std::byte> Bytes(std::size_t count) {
  return std::vector<std::byte>(count, std::byte{0x55});
}

Voice::Matter MatterOf(const std::vector<std::byte>& bytes, bool mirror = false) {
  Voice::Matter matter;
  matter.mirror = mirror;
  matter.bytes = bytes;
  return matter;
}

}  // namespace

TEST_CASE("audio: what a scenario says of it, and which replies are kept") {
  const Scenario scenario = Calls();
  const AudioSpec& spec = scenario.audio;
  CHECK(spec.budget == 1 << 20);
  CHECK(spec.max_buffer == 100 << 10);
  CHECK(spec.gc_threshold == 1 << 20);
  CHECK(spec.period == 10ms);
  CHECK(spec.buffer == 50ms);
  CHECK(spec.timeout == 1s);
  CHECK(scenario.plays);
  const auto steps = Requests(scenario.flows[0]);
  REQUIRE(steps.size() == 4);
  CHECK(steps[0]->reply_slot == 0U);
  CHECK(steps[2]->reply_slot == 1U);
  const auto& say = std::get<PlayStep>(steps[1]->action);
  CHECK(say.reply == 0);
  CHECK(say.from == "greeting");
  CHECK(say.format.ToString() == "s16:8000:1");
  CHECK(say.period == 10ms);
  const auto& end = std::get<PlayStep>(steps[3]->action);
  CHECK(end.reply == 1);
  CHECK(end.format.ToString() == "ulaw:8000:1");
  CHECK(end.period == 20ms);
  // The voice has its own format, whatever the section says.
  const auto& hum = std::get<PlayStep>(scenario.flows[1].steps[0].action);
  CHECK(hum.format.ToString() == "s16:24000:1");
  // What no play names is not kept.
  CHECK(!test::OpenAndClosed().plays);
  CHECK(!Requests(test::OpenAndClosed().flows[0])[0]->reply_slot);
}

TEST_CASE("audio: a file is read once, as what its header says or as what the step says") {
  ParseOptions options;
  options.path = std::string(PERF_SOURCE_ROOT) + "/tests/load/data/good/audio.yaml";
  const Scenario scenario = ParseScenario(options);
  std::vector<const PlayStep*> plays;
  for (const Step* step : Requests(scenario.flows[0])) {
    if (const auto* play = std::get_if<PlayStep>(&step->action)) plays.push_back(play);
  }
  REQUIRE(plays.size() == 6);
  REQUIRE(plays[2]->sound);
  CHECK(plays[2]->sound->frames.size() == 3200);
  CHECK(plays[2]->format.ToString() == "s16:8000:1");
  REQUIRE(plays[3]->sound);
  CHECK(plays[3]->sound->frames.size() == 1600);
  CHECK(plays[4]->format.ToString() == "s16:16000:1");
  CHECK(scenario.targets[0].http.max_body_kept == 2 << 20);
}

TEST_CASE("audio: thresholds on what the plays did") {
  const Scenario scenario = Calls(R"(
  - "audio.underruns: rate < 1%"
  - "audio.say.underruns: rate < 1%"
  - "audio.calls.end.underruns: count == 3"
  - "audio.late: max < 30ms"
  - "audio.other.late: max < 1ms"
  - "audio.refused: rate == 0.25"
  - "audio.over_period: count == 1"
  - "audio.frames: count >= 400"
  - "audio.streams: count < 3"
  - {expr: "audio.say.underruns: rate == 0%", window: 1s}
)");
  Judge judge(scenario);
  Interval totals = Interval::For(scenario);
  for (int second = 0; second < 2; ++second) {
    Interval interval = Interval::For(scenario);
    interval.second = second;
    PlayRecord& say = PlayOf(interval, 0, 1);
    say.streams = 1;
    say.frames = 100;
    say.late.Record(2000, 100);
    PlayRecord& end = PlayOf(interval, 0, 3);
    end.frames = 100;
    end.late.Record(20'000, 100);
    if (second == 0) {
      end.streams = 1;
      end.refused = 1;
      end.underruns = {1, 3};
      end.over_period = 1;
    }
    totals.Merge(interval);
    judge.OnSecond(interval, totals, std::chrono::seconds(second + 1));
  }
  const auto results = judge.Results(totals, 2s);
  REQUIRE(results.size() >= 10);
  CHECK(results[0].ok);
  CHECK(*results[0].observed == 3 / 400.0);
  CHECK(results[0].samples == 400);
  CHECK(results[0].unit == "fraction");
  CHECK(results[1].ok);
  CHECK(*results[1].observed == 0);
  CHECK(results[2].ok);
  CHECK(results[3].ok);
  CHECK(*results[3].observed == doctest::Approx(20).epsilon(0.01));
  CHECK(!results[4].ok);  // nothing was played: nothing was shown
  CHECK(!results[4].observed);
  CHECK(results[5].ok);
  CHECK(results[6].ok);
  CHECK(results[7].ok);
  CHECK(!results[8].ok);
  CHECK(results[9].ok);
}

TEST_CASE("audio: the result, and a run whose pacer starved is not valid") {
  const Scenario scenario = Calls();
  Interval totals = Interval::For(scenario);
  PlayRecord& say = PlayOf(totals, 0, 1);
  say.streams = 2;
  say.frames = 200;
  say.underruns = {1, 3};
  say.late.Record(1500, 200);
  PlayOf(totals, 1, 0).refused = 1;
  AudioSet set(scenario.audio, 2);
  set.Stop();
  Result result;
  result.duration_s = 10;
  AssembleAudio(totals, set, result);
  REQUIRE(result.audio);
  Json json = result.ToJson()["audio"];
  CHECK(json["streams"] == Json(2));
  CHECK(json["frames"] == Json(200));
  CHECK(json["refused"] == Json(1));
  CHECK(json["underruns"]["events"] == Json(1));
  CHECK(json["underrun_ratio"] == Json(0.015));
  CHECK(json["late"]["count"] == Json(200));
  CHECK(json["starved_ms"].AsDouble() < 1000);
  CHECK(json["lost"].IsNull());  // frames of a play have no marks
  CHECK(InvalidReasons(result, 0, 0).empty());
  result.audio->starved_ms = 99;
  CHECK(InvalidReasons(result, 0, 0).empty());
  result.audio->starved_ms = 101;
  const auto reasons = InvalidReasons(result, 0, 0);
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].first == "starved");
}

TEST_CASE("voice: a packet a beat, and the end when the last one has sounded") {
  audio::Streams streams;
  EndedVoices ended;
  Voice voice(ended);
  audio::PaceWheel wheel(Clock::now());
  audio::PaceTally tally;
  audio::Paced* const paced = &voice;
  wheel.Add({&paced, 1}, 20ms);
  PlayRecord record;
  const auto beat = [&] { RunVirtually(wheel, tally, wheel.NextDue() + 20ms); };
  beat();  // nothing is to be played
  voice.Collect(record);
  CHECK(record.frames == 0);

  const std::vector<std::byte> bytes = Bytes(5 * 160 + 1);  // five packets and a bit
  std::string scratch;
  for (int play = 0; play < 2; ++play) {
    record.Reset();
    voice.Begin(streams.Open(Short()).stream, MatterOf(bytes, play == 1), {1, 2, true});
    CHECK(voice.Where().request == 2);
    for (int packet = 0; packet < 6; ++packet) {
      voice.Fill(scratch);
      beat();
      CHECK(ended.TakeAll() == nullptr);
    }
    beat();
    CHECK(ended.TakeAll() == &voice);
    voice.Collect(record);
    CHECK(record.frames == 6);
    CHECK(record.late.Count() == 6);
    CHECK(record.underruns.frames == 0);
    CHECK(record.overruns.frames == 0);
    CHECK(voice.Finish() > TimePoint{});
    CHECK(streams.Usage().reserved_bytes == 0);
  }
}

TEST_CASE("voice: what is not there in time is an underrun, and is played later") {
  bool mirror = false;
  SUBCASE("in slots") {}
  SUBCASE("in a ring") { mirror = true; }
  audio::Streams streams;
  EndedVoices ended;
  Voice voice(ended);
  audio::PaceWheel wheel(Clock::now());
  audio::PaceTally tally;
  audio::Paced* const paced = &voice;
  wheel.Add({&paced, 1}, 20ms);
  const auto beat = [&] { RunVirtually(wheel, tally, wheel.NextDue() + 20ms); };
  const std::vector<std::byte> bytes = Bytes(4 * 160);
  voice.Begin(streams.Open(Short()).stream, MatterOf(bytes, mirror), {});  // three of four packets
  for (int i = 0; i < 5; ++i) beat();
  PlayRecord record;
  voice.Collect(record);
  CHECK(record.frames == 5);
  CHECK(record.underruns.frames == 2);
  CHECK(record.underruns.events == 1);
  CHECK(ended.TakeAll() == nullptr);
  std::string scratch;
  voice.Fill(scratch);
  beat();
  beat();
  CHECK(ended.TakeAll() == &voice);
  voice.Collect(record);
  CHECK(record.frames == 6);
  CHECK(record.underruns.frames == 2);
  voice.Finish();

  // Also those are counted that nobody looked at for long: more beats than notes.
  record.Reset();
  const std::vector<std::byte> one = Bytes(4 * 160);
  voice.Begin(streams.Open(Short()).stream, MatterOf(one, mirror), {});
  for (int i = 0; i < 200; ++i) beat();
  voice.Collect(record);
  voice.Fill(scratch);
  beat();
  beat();
  REQUIRE(ended.TakeAll() == &voice);
  voice.Collect(record);
  CHECK(record.frames == 201);
  CHECK(record.late.Count() == 201);
  CHECK(record.underruns.frames == 197);
  voice.Finish();
}

TEST_CASE("voice: one that is stopped ends with its next beat") {
  audio::Streams streams;
  EndedVoices ended;
  Voice voice(ended);
  {
    const std::vector<std::byte> bytes = Bytes(100 * 160);
    voice.Begin(streams.Open(Short()).stream, MatterOf(bytes), {});
    voice.Stop();
  }
  std::string scratch;
  voice.Fill(scratch);  // does not read what has gone
  voice.OnDue(Clock::now());
  CHECK(ended.TakeAll() == &voice);
  voice.Finish();
  voice.OnDue(Clock::now());
  CHECK(ended.TakeAll() == nullptr);
}

namespace {

/// Whoever still fills streams would outlive its player: nobody else frees what a task keeps.
void EndAll(backends::EventLoop& loop) {
  loop.CancelAll();
  CHECK(loop.Drain(Deadline::After(Clock::now(), 10s)));
}

/// Plays `bytes` as the step does, and counts how it went.
struct Hall {
  backends::EventLoop loop;
  AudioSpec spec;
  AudioSet set{spec, 1};
  Player player{loop, set, 0};
  Interval interval;
  int left = 0;
  int ended = 0, unheard = 0;

  explicit Hall(const Scenario& scenario) : interval(Interval::For(scenario)) {
    player.RecordInto(&interval);
  }
  ~Hall() { EndAll(loop); }
  Task<void> Play(const std::vector<std::byte>& bytes, Duration longest) {
    const auto wait =
        std::make_shared<LoopWait<TimePoint>>(loop, Deadline::After(Clock::now(), longest));
    std::string refusal;
    Voice* const voice = player.Start(Short(), MatterOf(bytes), {0, 1, true}, wait, refusal);
    REQUIRE(voice != nullptr);
    const std::optional<TimePoint> at = co_await wait->Answer();
    ++(at ? ended : unheard);
    if (!at) player.Stop(*voice);
    if (--left == 0) loop.Stop();
  }
  void Run(int plays, const std::vector<std::byte>& bytes, Duration longest) {
    left = plays;
    for (int i = 0; i < plays; ++i) loop.Spawn(Play(bytes, longest));
    loop.Run();
  }
};

}  // namespace

TEST_CASE("player: many at a time on one loop, again and again, each to its end") {
  const Scenario scenario = Calls();
  Hall hall(scenario);
  const std::vector<std::byte> bytes = Bytes(10 * 160);
  for (int round = 1; round <= 2; ++round) {
    hall.Run(300, bytes, 1min);
    CHECK(hall.ended == 300 * round);
    hall.player.RecordInto(&hall.interval);
    const PlayRecord& record = PlayOf(hall.interval, 0, 1);
    CHECK(record.frames - record.underruns.frames == 3000U * round);
    CHECK(record.overruns.frames == 0);
    CHECK(hall.set.Streams().Usage().streams == 0);
    // A voice is used again.
    CHECK(hall.set.PacerOf(0).Size() == 300);
  }
}

TEST_CASE("player: a deadline, the end of the loop, and no room") {
  const Scenario scenario = Calls();
  const std::vector<std::byte> bytes = Bytes(1000 * 160);
  {
    Hall hall(scenario);
    hall.Run(3, bytes, 30ms);
    CHECK(hall.unheard == 3);
    // Nobody waits; their voices go when the pacer has been there.
    hall.Run(1, Bytes(10 * 160), 1min);
    CHECK(hall.ended == 1);
    CHECK(hall.set.Streams().Usage().streams == 0);
  }
  {
    Hall hall(scenario);
    hall.loop.Post([&] { hall.loop.CancelAll(); });
    hall.Run(3, bytes, 1h);
    CHECK(hall.unheard == 3);
  }
  AudioSpec spec;
  spec.budget = 2 << 10;
  AudioSet set(spec, 1);
  backends::EventLoop loop;
  Player player(loop, set, 0);
  std::string refusal;
  const auto wait = std::make_shared<LoopWait<TimePoint>>(loop, Deadline::Never());
  Voice* first = player.Start(Short(), MatterOf(bytes), {}, wait, refusal);
  CHECK(first != nullptr);
  CHECK(refusal.empty());
  Voice* second = first;
  for (int i = 0; i < 4 && second != nullptr; ++i) {
    second = player.Start(Short(), MatterOf(bytes), {}, wait, refusal);
  }
  CHECK(second == nullptr);
  CHECK(refusal.find("budget of 2 KiB") != std::string::npos);
  EndAll(loop);
}
