// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "libperf/report/bench_table.hpp"
#include "libperf/report/summary.hpp"

using namespace perf;
using namespace perf::report;

namespace {

load::Result Found() {
  load::Result result;
  result.tool = "poolbench micro";
  result.duration_s = 2.5;
  Json one = Json::MakeObject();
  one["impl"] = "perfkit";
  one["ops"] = 12345678.9;
  one["ratio"] = 1.5;
  one["text"] = "why it is so";
  Json two = Json::MakeObject();
  two["impl"] = "mutex";
  two["ops"] = 12.5;
  two["ratio"] = Json();
  two["held"] = true;
  result.bench = load::BenchResult{"micro", {one, two}};
  load::ThresholdResult check;
  check.expr = "overtakes <= 0";
  check.ok = true;
  check.observed = 0;
  result.thresholds.push_back(check);
  return result;
}

const Style kPlain(ColorChoice::kNever, -1);

}  // namespace

TEST_CASE("bench table: a column for each member of any row, aligned") {
  const std::string text = BenchSummary(Found(), kPlain, {"here/result.json"});
  CHECK(text.find("impl            ops  ratio  text") != std::string::npos);
  CHECK(text.find("perfkit  12,345,679  1.500  why it is so") != std::string::npos);
  CHECK(text.find("mutex        12.500      -") != std::string::npos);
  CHECK(text.find("yes") != std::string::npos);
  CHECK(text.find("ok   overtakes <= 0 (0)") != std::string::npos);
  CHECK(text.find("here/result.json") != std::string::npos);
}

TEST_CASE("bench table: columns that do not fit are left out, but for words") {
  const std::string text = BenchSummary(Found(), kPlain, {}, 20);
  CHECK(text.find("impl") != std::string::npos);
  CHECK(text.find("ratio") == std::string::npos);
  CHECK(text.find("why it is so") != std::string::npos);
}

TEST_CASE("bench table: what became of streams of audio") {
  load::Result result = Found();
  CHECK(BenchSummary(result, kPlain, {}).find("audio") == std::string::npos);
  load::AudioResult& audio = result.audio.emplace();
  audio.streams = 1;
  audio.frames = 50'000;
  audio.late.p99 = 0.25;
  audio.late.max = 31;
  audio.over_period = 2;
  audio.underruns = {1, 3};
  CHECK(AudioLines(result, kPlain) ==
        "audio      1 stream, 50,000 frames; late p50 0 ms, p99 250 µs, max 31.0 ms, 2 by more "
        "than a "
        "period\n           3 frames not there, 0 without room; 0 lost, 0 torn, 0 leaked\n");
  audio.hot_allocs = 0;
  audio.bytes_per_stream = 9984;
  audio.cpu_ns_per_frame = 612.4;
  audio.starved_ms = 12;
  const std::string text = BenchSummary(result, kPlain, {});
  CHECK(text.find(
            "\n           9.75 KiB a stream, cpu 612 ns a frame, 0 allocations on the hot path, "
            "starved for 12 ms\n") != std::string::npos);
}

TEST_CASE("bench table: the verdict counts checks and rows") {
  load::Result result = Found();
  CHECK(BenchVerdictLine(result, kPlain) == "PASS  poolbench micro: 1 check holds, 2 rows, 2.5 s");
  result.thresholds[0].ok = false;
  result.verdict = load::Verdict::kFail;
  CHECK(BenchVerdictLine(result, kPlain) ==
        "FAIL  poolbench micro: 1 of 1 checks failed, 2 rows, 2.5 s");
}
