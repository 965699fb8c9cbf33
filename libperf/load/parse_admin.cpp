// SPDX-License-Identifier: Apache-2.0
// setup and teardown: what is done once, before and after the load.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/base/text.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 3> kActions{"sql", "redis", "http"};
constexpr std::string_view kWhat = "setup and teardown";

void ParseSql(ParseContext& context, MapReader& reader, AdminStep& step) {
  step.target = FindTarget(context, reader, TargetKind::kPostgres).value_or(0);
  const Node* chosen = nullptr;
  for (const std::string_view key : {"query", "script", "file"}) {
    const Node* node = reader.Get(key);
    if (!node) continue;
    if (chosen) reader.Error(key, "only one of query, script and file can be given");
    chosen = node;
    const auto text = key == "file" ? SqlFile(context, *node) : ConstantText(context, *node, kWhat);
    if (!text) continue;
    if (Trim(*text).empty()) context.Error(*node, "there is no SQL in it");
    step.sql.push_back(*text);
  }
  if (!chosen) context.Error(reader.Self(), "sql needs one of: query, script, file");
}

void AddCommand(ParseContext& context, const Node& node, AdminStep& step) {
  std::vector<std::string> words;
  for (const Node& word : CommandWords(context, node)) {
    if (!word.IsScalar()) continue;
    if (const auto text = ConstantText(context, word, kWhat)) words.push_back(*text);
  }
  if (!words.empty()) step.redis.push_back(std::move(words));
}

void ParseRedis(ParseContext& context, MapReader& reader, AdminStep& step) {
  step.target = FindTarget(context, reader, TargetKind::kRedis).value_or(0);
  if (const Node* command = reader.Get("command")) AddCommand(context, *command, step);
  for (const Node& item : reader.Items("commands")) AddCommand(context, item, step);
  if (reader.Has("command") == reader.Has("commands")) {
    context.Error(reader.Self(), "redis needs one of: command, commands");
  }
}

void ParseHttp(ParseContext& context, MapReader& reader, AdminStep& step) {
  const auto target = FindTarget(context, reader, TargetKind::kHttp);
  step.target = target.value_or(0);
  const Node* body = reader.Get("body");
  const Node* json = reader.Get("json");
  step.http_method = reader.String("method").value_or(body || json ? "POST" : "GET");
  if (const Node* path = reader.Require("path")) {
    if (const auto text = ConstantText(context, *path, kWhat)) {
      const bool bad = std::any_of(text->begin(), text->end(),
                                   [](unsigned char c) { return c <= ' ' || c >= 0x7F; });
      if (!text->starts_with('/') || bad)
        context.Error(*path, "a path begins with '/' and has no blanks");
      step.http_path = (target ? context.path_prefixes[*target] : std::string()) + *text;
    }
  }
  if (body) step.http_body = ConstantText(context, *body, kWhat).value_or("");
  if (json) {
    if (body) reader.Error("json", "'body' and 'json' exclude each other");
    if (const auto compiled = CompileJson(context, *json, context.constants, kWhat)) {
      compiled->Render(Scope{}, step.http_body);
    }
  }
}

void ParseStep(ParseContext& context, const Node& node, AdminStep& step) {
  MapReader reader = context.Reader(node, "the step");
  if (!node.IsMap()) return;
  std::string_view chosen;
  for (const std::string_view key : kActions) {
    if (!reader.Has(key)) continue;
    if (!chosen.empty()) {
      reader.Error(key, fmt::format("a step has one action; this one has '{}' already", chosen));
      continue;
    }
    chosen = key;
    MapReader action = reader.Child(key);
    if (key == "sql") ParseSql(context, action, step);
    if (key == "redis") ParseRedis(context, action, step);
    if (key == "http") ParseHttp(context, action, step);
    action.Finish();
  }
  const std::size_t before = context.diagnostics.Count();
  reader.Finish();
  if (chosen.empty() && context.diagnostics.Count() == before) {
    context.Error(node, "a step of setup or teardown needs one of: sql, redis, http");
  }
}

}  // namespace

void ParseAdmin(ParseContext& context, MapReader& root, std::string_view key,
                std::vector<AdminStep>& steps) {
  for (const Node& item : root.Items(key)) ParseStep(context, item, steps.emplace_back());
}

}  // namespace perf::load
