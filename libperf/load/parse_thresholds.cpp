// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libperf/base/text.hpp"
#include "libperf/load/metric_path.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using config::MapReader;
using config::Node;

/// Windows are made of the one-second intervals that a run is recorded in.
std::optional<Duration> Window(const ParseContext& context, MapReader& reader) {
  const auto window = reader.Duration("window", {1s, kLongestRun});
  if (!window) return std::nullopt;
  if (*window % 1s != 0s) {
    reader.Error("window", "a window is a whole number of seconds");
    return std::nullopt;
  }
  const double seconds = static_cast<double>(window->count()) / 1e9 * context.duration_scale;
  return std::chrono::seconds(std::max(1LL, std::llround(seconds)));
}

void Check(ParseContext& context, const Node& at, const ThresholdSpec& threshold) {
  MetricPathError error;
  const auto path = ResolveMetric(context.scenario, threshold.metric, error);
  if (!path) {
    context.Error(at, error.message, error.suggestion);
    return;
  }
  if (const auto misfit = threshold.condition.MisfitFor(TypeOf(path->metric))) {
    context.Error(at, *misfit);
  }
}

void ParseThreshold(ParseContext& context, const Node& node) {
  const Node* text = &node;
  ThresholdSpec threshold;
  MapReader reader =
      context.Reader(node.IsMap() ? node : Node::MakeMap(node.At(), {}), "the threshold");
  std::optional<Duration> window;
  if (node.IsMap()) {
    const auto& entries = node.Entries();
    // Without quotes YAML makes a map of "latency: p(99) < 250ms".
    if (entries.size() == 1 && entries.front().key != "expr" && entries.front().value.IsScalar() &&
        entries.front().value.Text().find_first_of("<>=") != std::string::npos) {
      context.Error(node, fmt::format("a threshold is a text: put quotes around it, \"{}: {}\"",
                                      Excerpt(entries.front().key, 64),
                                      Excerpt(entries.front().value.Text(), 64)));
      return;
    }
    text = reader.Require("expr");
    window = Window(context, reader);
    threshold.abort = reader.Bool("abort").value_or(false);
    reader.Finish();
    if (!text) return;
  }
  const bool abort = threshold.abort;
  const auto expression = ConstantText(context, *text, "a threshold");
  if (!expression) return;
  try {
    threshold = ThresholdSpec::Parse(*expression);
  } catch (const ConfigError& error) {
    context.Error(*text, error.what());
    return;
  }
  threshold.abort = abort;
  threshold.window = window;
  Check(context, *text, threshold);
  context.scenario.thresholds.push_back(std::move(threshold));
}

}  // namespace

void ParseThresholds(ParseContext& context, MapReader& root) {
  for (const Node& item : BoundedItems(context, root, "thresholds", kMaxThresholds)) {
    ParseThreshold(context, item);
  }
}

}  // namespace perf::load
