// SPDX-License-Identifier: Apache-2.0
// A whole scenario file: whatever is in it, it is either refused with a reason or keeps what the
// runner relies on.
#include "libperf/load/metric_path.hpp"
#include "libperf/load/parse.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using perf::fuzz::Require;
using perf::load::Scenario;

void Check(const Scenario& scenario) {
  Require(!scenario.loads.empty() && !scenario.flows.empty(), "there is something to run");
  for (const auto& flow : scenario.flows) {
    const auto requests = perf::load::Requests(flow);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      Require(requests[i]->request_id == i, "requests count without gaps");
      for (const auto& capture : requests[i]->captures) {
        Require(capture.slot < scenario.symbols.Slots(), "slots lie within the scope");
      }
    }
  }
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    const auto& load = scenario.loads[i];
    Require(load.flow < scenario.flows.size(), "loads drive a flow");
    Require(!load.after || *load.after < scenario.loads.size(), "loads come after a load");
    const auto end = scenario.PlannedEnd(i);
    Require(!end || *end <= std::chrono::hours(24 * 7), "runs end");
  }
  for (const auto& threshold : scenario.thresholds) {
    perf::load::MetricPathError error;
    Require(ResolveMetric(scenario, threshold.metric, error).has_value(),
            "thresholds have a metric");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  perf::load::ParseOptions options;
  options.path = "fuzz.yaml";
  options.text = std::string(perf::fuzz::Text(data, size));
  options.files.files = false;
  options.files.environment = [](const std::string&) { return std::nullopt; };
  if (size % 2 == 1) options.profile = "fast";
  perf::config::Diagnostics diagnostics;
  const auto scenario = ParseScenario(options, diagnostics);
  Require(scenario.has_value() != diagnostics.HasErrors(), "what is refused has a reason");
  if (scenario) Check(*scenario);
  Require(diagnostics.Render().size() < 200'000, "what is said is bounded");
  return 0;
}
