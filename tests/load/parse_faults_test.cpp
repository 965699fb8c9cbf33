// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "libperf/base/error.hpp"
#include "libperf/load/parse.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;
using backends::Harm;
using backends::ServerAction;

namespace {

Scenario Good(const std::string& profile = "") {
  ParseOptions options;
  options.path = std::string(PERF_SOURCE_ROOT) + "/tests/load/data/good/faults.yaml";
  options.profile = profile;
  return ParseScenario(options);
}

Scenario WithFault(const std::string& targets, const std::string& fault) {
  ParseOptions options;
  options.path = "test.yaml";
  options.text = "targets: {" + targets +
                 "}\n"
                 "flows: {f: [{sleep: 1ms}]}\n"
                 "load: [{flow: f, iterations: 5}]\n"
                 "faults: [{" +
                 fault + "}]\n";
  return ParseScenario(options);
}

}  // namespace

TEST_CASE("faults: what shapes a stream, and in which direction") {
  const Scenario scenario = Good();
  REQUIRE(scenario.faults.size() == 14);
  const FaultSpec& late = scenario.faults[0];
  CHECK(scenario.targets[late.target].name == "db");
  CHECK(late.at == 1s);
  CHECK(late.length == 2s);
  CHECK(late.kind == "latency");
  CHECK(late.text == "latency 50ms, jitter 10ms, both");
  CHECK(late.network.up.latency == 50ms);
  CHECK(late.network.down.latency == 50ms);
  CHECK(late.network.down.jitter == 10ms);
  const FaultSpec& narrow = scenario.faults[1];
  CHECK(narrow.kind == "latency+bandwidth");
  CHECK(narrow.network.down.bandwidth == 64 * 1024);
  CHECK(narrow.network.up == backends::StreamFault{});
  CHECK(scenario.faults[2].network.up.per_byte == 1ms);
  CHECK(scenario.faults[2].network.down == backends::StreamFault{});
}

TEST_CASE("faults: harm that lasts, and harm that strikes once") {
  const Scenario scenario = Good();
  CHECK(scenario.faults[3].network.up.harm == Harm::kBlackhole);
  CHECK(scenario.faults[3].network.down.harm == Harm::kBlackhole);
  CHECK(scenario.faults[4].strike == Harm::kReset);
  CHECK(scenario.faults[4].length == 0s);
  CHECK(scenario.faults[4].network == backends::Fault{});
  CHECK(scenario.faults[5].strike == Harm::kHalfClose);
  const FaultSpec& counted = scenario.faults[6];
  CHECK(counted.strike == Harm::kNone);
  CHECK(counted.network.down.harm == Harm::kReset);
  CHECK(counted.network.down.after == 64 * 1024);
  CHECK(scenario.faults[7].network.down.harm == Harm::kGarbage);
  CHECK(scenario.faults[7].network.down.after == 100);
  CHECK(scenario.faults[8].network.refuse);
  const FaultSpec& last = scenario.faults[13];
  CHECK(last.network.down.harm == Harm::kBlackhole);
  CHECK(last.network.up.harm == Harm::kNone);
}

TEST_CASE("faults: actions, and what ends them") {
  const Scenario scenario = Good();
  CHECK(scenario.faults[9].action == ServerAction::kKill);
  CHECK(scenario.faults[9].undo == ServerAction::kRestart);
  CHECK_FALSE(scenario.faults[9].OfNetwork());
  CHECK(scenario.faults[10].action == ServerAction::kStop);
  CHECK(scenario.faults[10].undo == ServerAction::kContinue);
  CHECK(scenario.faults[10].node == 0);
  CHECK(scenario.faults[10].length == 500ms);
  CHECK(scenario.faults[12].action == ServerAction::kRestart);
}

TEST_CASE("faults: duration_scale of a profile holds for them, too") {
  const Scenario scenario = Good("fast");
  CHECK(scenario.faults[0].at == 500ms);
  CHECK(scenario.faults[0].length == 1s);
  CHECK(scenario.faults[0].network.down.latency == 50ms);
}

TEST_CASE("faults: without a planned end of the run any time is good") {
  const Scenario scenario =
      WithFault("kv: {kind: redis, url: private}", "at: 100h, for: 1s, target: kv, latency: 1ms");
  CHECK(scenario.faults.at(0).at == 100h);
}

TEST_CASE("faults: hosts that are not this machine still need leave, and a topology has no proxy") {
  const std::string fault = "at: 1s, for: 1s, target: kv, latency: 1ms";
  CHECK_THROWS_WITH_AS(WithFault("kv: {kind: redis, url: 'redis://far.example'}", fault),
                       doctest::Contains("allow"), ConfigError);
  CHECK_THROWS_WITH_AS(
      WithFault("kv: {kind: redis, url: private, topology: primary+replica}", fault),
      doctest::Contains("topology"), ConfigError);
}
