// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/base/text.hpp"
#include "libperf/load/parse_flow.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 10> kActions{"http",  "sql",   "redis",  "cache",  "play",
                                                    "sleep", "group", "repeat", "choose", "set"};
constexpr std::size_t kRequests = 5;  // the first of them
constexpr std::size_t kSources = 3;   // of them, what a cache can be filled from
constexpr std::array<std::string_view, 2> kOnFailure{"stop", "continue"};
constexpr std::int64_t kMaxRepeat = 1'000'000;
constexpr double kMaxWeight = 1e9;

SleepStep ParseSleep(FlowState& state, const Node& node) {
  SleepStep sleep;
  if (!node.IsMap()) {
    sleep.least = sleep.most =
        state.context.Scalars().Duration(node, {Duration::zero(), kLongestRun}).value_or(0ns);
    return sleep;
  }
  MapReader reader = state.context.Reader(node, "sleep");
  const Node* min = reader.Require("min");
  const Node* max = reader.Require("max");
  sleep.least = reader.Duration("min", {Duration::zero(), kLongestRun}).value_or(0ns);
  sleep.most = reader.Duration("max", {Duration::zero(), kLongestRun}).value_or(sleep.least);
  if (min && max && sleep.least > sleep.most) reader.Error("min", "min is above max");
  reader.Finish();
  return sleep;
}

GroupStep ParseGroup(FlowState& state, const Node& node) {
  if (node.IsSequence()) return GroupStep{ParseSteps(state, node.Items())};
  MapReader reader = state.context.Reader(node, "group");
  reader.Require("steps");
  GroupStep group{ParseSteps(state, reader.Items("steps"))};
  reader.Finish();
  return group;
}

RepeatStep ParseRepeat(FlowState& state, const Node& node) {
  RepeatStep repeat;
  MapReader reader = state.context.Reader(node, "repeat");
  reader.Require("times");
  reader.Require("steps");
  repeat.times = static_cast<std::uint64_t>(reader.Integer("times", {1, kMaxRepeat}).value_or(1));
  repeat.steps = ParseSteps(state, reader.Items("steps"));
  reader.Finish();
  return repeat;
}

ChooseStep ParseChoose(FlowState& state, const Node& node) {
  ChooseStep choose;
  if (!node.IsSequence() || node.Items().empty()) {
    state.context.Error(node, "choose is a list of branches: [{weight: 3, steps: […]}, …]");
    return choose;
  }
  // A branch does not know what the others capture; what follows knows all (null if not taken).
  const FlowNames::Mark before = state.names.Known();
  FlowNames::Mark after = before;
  double total = 0;
  for (const Node& branch : node.Items()) {
    state.names.Restore(before);
    MapReader reader = state.context.Reader(branch, "a branch of choose");
    reader.Require("steps");
    total += reader.Number("weight", {1e-6, kMaxWeight}).value_or(1);
    choose.cumulative.push_back(total);
    choose.branches.push_back(ParseSteps(state, reader.Items("steps")));
    reader.Finish();
    after.insert(state.names.Known().begin(), state.names.Known().end());
  }
  state.names.Restore(after);
  return choose;
}

SetStep ParseSet(FlowState& state, const Node& node) {
  SetStep set;
  MapReader reader = state.context.Reader(node, "set");
  if (!node.IsMap() || node.Entries().empty()) {
    state.context.Error(node, "set is a map of names and values: {name: value}");
    return set;
  }
  std::vector<std::pair<std::string, Template>> values;
  for (const Node::Entry& entry : node.Entries()) {
    CheckVariableName(state.context, entry.key_at, "value", entry.key);
    if (state.context.scenario.symbols.DataSet(entry.key)) {
      state.context.diagnostics.Error(entry.key_at,
                                      fmt::format("'{}' is a data set already", entry.key));
    }
    auto value = state.Text(entry.value);
    values.emplace_back(entry.key, value ? std::move(*value) : Template());
  }
  // All values are read with the names from before the step.
  for (auto& [name, value] : values)
    set.values.emplace_back(state.names.Add(name), std::move(value));
  return set;
}

/// The action's key, or nothing (reported) where there is not exactly one.
std::optional<std::size_t> FindAction(FlowState& state, MapReader& reader) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < kActions.size(); ++i) {
    if (!reader.Has(kActions[i])) continue;
    if (found) {
      reader.Error(kActions[i], fmt::format("a step has one action; this one has '{}' already",
                                            kActions[*found]));
      continue;
    }
    found = i;
  }
  if (found) return found;
  for (const std::string_view key : {"name", "capture", "expect", "on_failure"}) reader.Get(key);
  const std::size_t before = state.context.diagnostics.Count();
  reader.Finish();  // a misspelt action is an unknown key and needs no second error
  if (state.context.diagnostics.Count() == before) {
    state.context.Error(reader.Self(),
                        fmt::format("a step needs one of: {}", fmt::join(kActions, ", ")));
  }
  return std::nullopt;
}

void NameStep(FlowState& state, MapReader& reader, std::size_t action, Step& step) {
  if (const auto name = reader.String("name")) {
    step.name = *name;
    const config::Place& at = reader.Get("name")->At();
    CheckName(state.context, at, "step", step.name);
    if (!state.step_names.insert(step.name).second) {
      state.context.diagnostics.Error(
          at, fmt::format("two steps of the flow are named '{}'", Excerpt(step.name, 64)));
    }
    return;
  }
  do {
    step.name = fmt::format("{}{}", kActions[action], ++state.counters[kActions[action]]);
  } while (state.explicit_names.contains(step.name) || !state.step_names.insert(step.name).second);
}

void ParseAction(FlowState& state, std::size_t action, const Node& node, Step& step) {
  switch (action) {
    case 0: step.action = ParseHttp(state, node); break;
    case 1: step.action = ParseSql(state, node); break;
    case 2: step.action = ParseRedis(state, node); break;
    case 3: step.action = ParseCache(state, node); break;
    case 4: step.action = ParsePlay(state, node); break;
    case 5: step.action = ParseSleep(state, node); break;
    case 6: step.action = ParseGroup(state, node); break;
    case 7: step.action = ParseRepeat(state, node); break;
    case 8: step.action = ParseChoose(state, node); break;
    default: step.action = ParseSet(state, node); break;
  }
}

std::optional<Step> ParseStep(FlowState& state, const Node& node) {
  if (!node.IsMap()) {
    state.context.Error(node,
                        fmt::format("a step is a map with one of: {}", fmt::join(kActions, ", ")));
    return std::nullopt;
  }
  MapReader reader = state.context.Reader(node, "the step");
  const auto action = FindAction(state, reader);
  if (!action) return std::nullopt;
  Step step;
  NameStep(state, reader, *action, step);
  // Before the action: a cache's source has the next one.
  if (*action < kRequests) step.request_id = state.requests++;
  ParseAction(state, *action, *reader.Get(kActions[*action]), step);
  if (step.IsRequest()) {
    ParseExpect(state, reader, step);
    ParseCaptures(state, reader, step);
    step.keep_going = reader.Enum("on_failure", kOnFailure).value_or(0) == 1;
    NoteReply(state, step);
  } else {
    for (const std::string_view key : {"expect", "capture", "on_failure"}) {
      if (!reader.Has(key)) continue;
      reader.Error(key, fmt::format("'{}' is for http, sql, redis{} steps", key,
                                    key == "capture" ? " and cache" : ", cache and play"));
    }
  }
  reader.Finish();
  return step;
}

/// What the flow's steps are called and capture anywhere, before any is read.
void CollectNames(const Node& node, std::set<std::string>& steps, std::set<std::string>& values) {
  for (const Node& item : node.Items()) CollectNames(item, steps, values);
  for (const Node::Entry& entry : node.Entries()) {
    if (entry.key == "name" && entry.value.IsScalar()) steps.insert(entry.value.Text());
    if (entry.key == "capture" || entry.key == "set") {
      for (const Node::Entry& value : entry.value.Entries()) values.insert(value.key);
    }
    CollectNames(entry.value, steps, values);
  }
}

/// Which data sets a flow's templates name.
void CollectData(const Symbols& symbols, const std::vector<std::string>& names, const Node& node,
                 std::set<std::size_t>& used) {
  for (const Node& item : node.Items()) CollectData(symbols, names, item, used);
  for (const Node::Entry& entry : node.Entries()) CollectData(symbols, names, entry.value, used);
  const std::string& text = node.TemplateText();
  if (text.find("${") == std::string::npos) return;
  for (const std::string& name : names) {
    if (text.find(name + ".") == std::string::npos) continue;
    if (const DataColumns* data = symbols.DataSet(name)) used.insert(data->data_set);
  }
}

}  // namespace

std::shared_ptr<const Step> ParseSource(FlowState& state, const Node& node) {
  auto step = ParseStep(state, node);
  if (!step) return nullptr;
  for (const Node::Entry& entry : node.Entries()) {
    if (entry.key != "capture" && entry.key != "on_failure") continue;
    state.context.diagnostics.Error(
        entry.key_at,
        fmt::format("'{}' belongs to the cache step: the source is not asked on a hit", entry.key));
  }
  if (step->action.index() >= kSources) {
    state.context.Error(node, "a cache is filled from one http, sql or redis step");
    return nullptr;
  }
  return std::make_shared<const Step>(std::move(*step));
}

Steps ParseSteps(FlowState& state, const std::vector<Node>& items) {
  Steps steps;
  for (const Node& item : items) {
    if (++state.steps > kMaxSteps) {
      if (state.steps == kMaxSteps + 1) {
        state.context.Error(item, fmt::format("a flow has at most {} steps", kMaxSteps));
      }
      break;
    }
    if (auto step = ParseStep(state, item)) steps.push_back(std::move(*step));
  }
  return steps;
}

void ParseFlows(ParseContext& context, MapReader& root) {
  const Symbols base = context.scenario.symbols;
  for (const Node::Entry& entry : BoundedEntries(context, root, "flows")) {
    FlowSpec& flow = context.scenario.flows.emplace_back();
    flow.name = entry.key;
    context.data_of_flow.emplace_back();
    CheckName(context, entry.key_at, "flow", entry.key);
    if (!entry.value.IsSequence() || entry.value.Items().empty()) {
      context.Error(entry.value, "a flow is a list of steps");
      continue;
    }
    FlowState state(context, base);
    std::set<std::string> later;
    CollectNames(entry.value, state.explicit_names, later);
    context.later_names = &later;
    flow.steps = ParseSteps(state, entry.value.Items());
    context.later_names = nullptr;
    KeepReplies(state, flow.steps);
    CollectData(base, context.scenario.data_names, entry.value, context.data_of_flow.back());
    // Slots count from 0 in each flow; the scenario's count bounds them all.
    for (const std::string& name : state.names.All()) context.scenario.symbols.AddSlot(name);
  }
}

}  // namespace perf::load
