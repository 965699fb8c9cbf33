// SPDX-License-Identifier: Apache-2.0
// vars and data: what ${…} can name.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 3> kOrders{"sequential", "random", "unique"};

bool IsPlain(const Node& node) { return node.IsScalar() || node.IsNull(); }

void AddVariable(ParseContext& context, const Node::Entry& entry) {
  CheckVariableName(context, entry.key_at, "variable", entry.key);
  const Node& value = entry.value;
  const bool list =
      value.IsSequence() && std::all_of(value.Items().begin(), value.Items().end(),
                                        [](const Node& item) { return IsPlain(item); });
  if (!IsPlain(value) && !list) {
    context.Error(value, "a variable is a number, a text, or a list of them");
    return;
  }
  std::vector<Node> parts = value.Items();
  parts.push_back(value);
  for (const Node& part : parts) {
    if (part.IsScalar() && !part.Tainted() && part.Text().find("${") != std::string::npos) {
      context.Error(part, "a variable cannot be made of others: write its value");
    }
  }
  context.scenario.symbols.AddConstant("vars." + entry.key, config::ToJson(value));
}

}  // namespace

void ParseVars(ParseContext& context, MapReader& root) {
  for (const Node::Entry& entry : BoundedEntries(context, root, "vars"))
    AddVariable(context, entry);
  context.constants = context.scenario.symbols;
}

void ParseData(ParseContext& context, MapReader& root) {
  for (const Node::Entry& entry : BoundedEntries(context, root, "data")) {
    CheckVariableName(context, entry.key_at, "data set", entry.key);
    MapReader reader = context.Reader(entry.value, fmt::format("data '{}'", entry.key));
    const auto order = static_cast<DataOrder>(reader.Enum("order", kOrders).value_or(0));
    const Node* file = reader.Require("file");
    const auto path = file ? ConstantText(context, *file, "a path") : std::nullopt;
    reader.Finish();
    if (!path) continue;
    if (!context.options.files.files) {
      context.Error(*file, "this scenario may not open files");
      continue;
    }
    try {
      DataSet set = DataSet::Load(file->At().Resolve(*path), order);
      Scenario& scenario = context.scenario;
      scenario.symbols.AddDataSet(entry.key, {scenario.data.size(), set.Columns()});
      scenario.data_names.push_back(entry.key);
      scenario.data.push_back(std::move(set));
    } catch (const ConfigError& error) {
      context.Error(*file, error.what());
    }
  }
}

}  // namespace perf::load
