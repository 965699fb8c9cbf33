// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "libperf/report/bench_table.hpp"

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

TEST_CASE("bench table: the verdict counts checks and rows") {
  load::Result result = Found();
  CHECK(BenchVerdictLine(result, kPlain) == "PASS  poolbench micro: 1 check holds, 2 rows, 2.5 s");
  result.thresholds[0].ok = false;
  result.verdict = load::Verdict::kFail;
  CHECK(BenchVerdictLine(result, kPlain) ==
        "FAIL  poolbench micro: 1 of 1 checks failed, 2 rows, 2.5 s");
}
