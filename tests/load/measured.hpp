// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "libperf/load/parse.hpp"
#include "libperf/load/recorder.hpp"

namespace perf::load::test {

inline Scenario Parsed(std::string text) {
  ParseOptions options;
  options.path = "test.yaml";
  options.text = std::move(text);
  options.files.environment = [](const std::string&) { return std::nullopt; };
  return ParseScenario(options);
}

/// Load 0 "open": 100/s of flow "call" (steps a and b) for 10 s after 2 s of warm-up.
/// Load 1 "shut": users of flow "other" (step c) for 12 s.
inline Scenario OpenAndClosed(const std::string& thresholds = "") {
  std::string text = R"(
scenario: test
targets:
  web: {kind: http, url: "http://127.0.0.1:9"}
flows:
  call:
    - {name: a, http: {target: web, path: /a}}
    - {name: b, http: {target: web, path: /b}}
  other:
    - {name: c, http: {target: web, path: /c}}
load:
  - {name: open, flow: call, rate: 100/s, for: 12s, warmup: 2s}
  - {name: shut, flow: other, users: 3, for: 12s, warmup: 2s}
)";
  if (!thresholds.empty()) text += "thresholds:\n" + thresholds;
  return Parsed(text);
}

/// One request of `load` and step `request` with that latency, all of it service time.
inline void Add(Interval& interval, std::size_t load, std::size_t request, Duration latency,
                ErrorKind error = ErrorKind::kNone, std::uint64_t count = 1) {
  const TimePoint start{std::chrono::hours(1)};
  RequestOutcome outcome;
  outcome.intended = outcome.began = outcome.acquired = outcome.timing.sent = start;
  outcome.timing.done = start + latency;
  outcome.error = error;
  outcome.count = count;
  interval.loads[load].requests[request].Add(outcome);
}

}  // namespace perf::load::test
