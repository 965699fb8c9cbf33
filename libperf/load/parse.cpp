// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/parse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "libperf/backends/digest.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using config::MapReader;
using config::Node;

// What a profile may lay over the file.
constexpr std::array<std::string_view, 15> kProfileKeys{
    "description", "vars",  "data",       "targets", "caches",   "audio", "setup",  "flows",
    "load",        "allow", "thresholds", "faults",  "teardown", "seed",  "include"};
constexpr std::array<std::string_view, 2> kScales{"duration_scale", "rate_scale"};
constexpr config::Range<double> kScaleRange{1e-4, 1e4};

/// The document with sorted keys and without secrets: equal scenarios have equal text.
Json Canonical(const Node& node) {
  if (node.IsScalar() && node.Tainted()) return Json("***");
  if (node.IsSequence()) {
    Json::Array items;
    for (const Node& item : node.Items()) items.push_back(Canonical(item));
    return Json(std::move(items));
  }
  if (node.IsMap()) {
    Json::Object members;
    for (const Node::Entry& entry : node.Entries()) {
      members.emplace_back(entry.key, Canonical(entry.value));
    }
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return Json(std::move(members));
  }
  Json value = config::ToJson(node);
  return value.IsString() ? Json(MaskSecrets(value.AsString())) : value;
}

std::string Hash(const ParseContext& context, const Node& root) {
  Json document = Canonical(root);
  std::erase_if(document.AsObject(), [](const Json::Member& member) {
    return member.first == "profiles" || member.first == "description" || member.first == "seed";
  });
  document["seed"] = Json(context.scenario.seed);
  document["scales"] = Json(Json::Array{context.duration_scale, context.rate_scale});
  return backends::Sha256Hex(document.Dump());
}

std::string Stem(const std::string& path) {
  const std::string_view file = std::string_view(path).substr(path.rfind('/') + 1);
  return std::string(file.substr(0, std::max<std::size_t>(1, file.rfind('.'))));
}

/// All profiles are checked, used or not.
void ParseProfiles(ParseContext& context, MapReader& root) {
  for (const Node::Entry& profile : root.Entries("profiles")) {
    MapReader reader = context.Reader(profile.value, fmt::format("profile '{}'", profile.key));
    for (const std::string_view key : kProfileKeys) {
      if (key != "include") reader.Get(key);
    }
    const bool chosen = profile.key == context.options.profile;
    const double duration = reader.Number(kScales[0], kScaleRange).value_or(1);
    const double rate = reader.Number(kScales[1], kScaleRange).value_or(1);
    if (chosen) context.duration_scale = duration;
    if (chosen) context.rate_scale = rate;
    reader.Finish();
  }
}

void ParseHead(ParseContext& context, MapReader& root) {
  Scenario& scenario = context.scenario;
  scenario.source = context.options.path;
  scenario.name = root.String("scenario").value_or(Stem(context.options.path));
  scenario.description = root.String("description").value_or("");
  if (const auto seed = root.Integer("seed", {0, std::numeric_limits<std::int64_t>::max()})) {
    scenario.seed = static_cast<std::uint64_t>(*seed);
  }
  if (context.options.seed) scenario.seed = *context.options.seed;
  root.Get("include");  // done by the loader
}

void ParseRoot(ParseContext& context, const Node& node) {
  MapReader root = context.Reader(node, "the scenario");
  if (!node.IsMap()) return;
  ParseHead(context, root);
  ParseProfiles(context, root);
  ParseVars(context, root);
  ParseAllow(context, root);
  ParseTargets(context, root);
  ParseCaches(context, root);
  ParseAudio(context, root);
  ParseData(context, root);
  ParseAdmin(context, root, "setup", context.scenario.setup);
  ParseFlows(context, root);
  ParseLoads(context, root);
  ParseFaults(context, root);
  ParseThresholds(context, root);
  ParseAdmin(context, root, "teardown", context.scenario.teardown);
  const std::size_t before = context.diagnostics.Count();
  root.Finish();
  // A misspelt "flows" is an unknown key and needs no second error.
  if (context.diagnostics.Count() > before) return;
  for (const std::string_view key : {"targets", "flows", "load"}) {
    const Node* value = root.Get(key);
    if (!value || (value->Items().empty() && value->Entries().empty())) {
      context.diagnostics.Error(config::Place{node.At().source, 0, 0},
                                fmt::format("there is no `{}` to run", key));
    }
  }
}

// Only under `vars` is any name allowed: a misspelt one would be set and never be used.
void CheckSetName(std::string_view path, const config::Node& root,
                  config::Diagnostics& diagnostics) {
  constexpr std::string_view kVars = "vars.";
  if (!path.starts_with(kVars)) return;
  const std::string_view name =
      path.substr(kVars.size(), path.find('.', kVars.size()) - kVars.size());
  const config::Node* vars = root.Find("vars");
  std::vector<std::string_view> known;
  if (vars != nullptr) {
    for (const auto& entry : vars->Entries()) known.emplace_back(entry.key);
  }
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  diagnostics.ErrorWithSuggestion(
      config::Place{(vars != nullptr ? vars : &root)->At().source, 0, 0},
      fmt::format("--set {}: the scenario has no such variable", Excerpt(path, 200)), name, known);
}

}  // namespace

std::optional<Scenario> ParseScenario(const ParseOptions& options,
                                      config::Diagnostics& diagnostics) {
  config::Document document =
      options.text ? config::LoadText(options.path, *options.text, diagnostics, options.files)
                   : config::LoadWithIncludes(options.path, diagnostics, options.files);
  if (document.root.IsNull()) {
    if (!diagnostics.HasErrors()) {
      config::Place place;
      if (!document.sources.empty()) place.source = document.sources.front();
      diagnostics.Error(place, "the file is empty: `perfctl init` writes a first scenario");
    }
    return std::nullopt;
  }
  if (!options.profile.empty()) {
    config::ApplyProfile(document, options.profile, kScales, diagnostics, options.files);
  }
  for (const auto& [path, value] : options.sets) {
    CheckSetName(path, document.root, diagnostics);
    config::Overlay(document, path, value, diagnostics, options.files);
  }
  Scenario scenario;
  ParseContext context(options, diagnostics, scenario);
  context.vars = document.root.Find("vars");
  ParseRoot(context, document.root);
  if (diagnostics.HasErrors()) return std::nullopt;
  scenario.hash = Hash(context, document.root);
  return scenario;
}

Scenario ParseScenario(const ParseOptions& options) {
  config::Diagnostics diagnostics;
  std::optional<Scenario> scenario = ParseScenario(options, diagnostics);
  diagnostics.ThrowIfAny();
  return std::move(*scenario);
}

}  // namespace perf::load
