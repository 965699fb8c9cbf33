// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/load/flow_names.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

/// What is kept while one flow is read.
/// Thread safety: none. Lifetime: borrows the context.
struct FlowState {
  FlowState(ParseContext& the_context, const Symbols& base) : context(the_context), names(base) {}

  ParseContext& context;
  FlowNames names;
  std::set<std::string> step_names;          // given so far
  std::set<std::string> explicit_names;      // anywhere in the flow: not for default names
  std::map<std::string_view, int> counters;  // of default names, by action
  int steps = 0;
  std::size_t requests = 0;
  std::map<std::string, std::size_t> replies;  // request_id of each step so far that has one
  std::map<std::size_t, std::size_t> kept;     // reply_slot, by request_id, of those played later

  std::optional<Template> Text(const config::Node& node, std::string_view prefix = {}) const {
    return CompileText(context, node, names.Here(), prefix);
  }
};

Steps ParseSteps(FlowState& state, const std::vector<config::Node>& items);

// The actions that send a request; each reads the map below its key.
HttpStep ParseHttp(FlowState& state, const config::Node& node);
SqlStep ParseSql(FlowState& state, const config::Node& node);
RedisStep ParseRedis(FlowState& state, const config::Node& node);
CacheStep ParseCache(FlowState& state, const config::Node& node);
PlayStep ParsePlay(FlowState& state, const config::Node& node);
/// A play behind it may name the step.
void NoteReply(FlowState& state, const Step& step);
/// Tells the steps of a whole flow whose reply is kept.
void KeepReplies(FlowState& state, Steps& steps);
/// The step that reads the source of a cache: one request, without captures of its own.
std::shared_ptr<const Step> ParseSource(FlowState& state, const config::Node& node);

/// Reports where not exactly one of the keys is there.
const config::Node* OneOf(config::MapReader& reader, std::initializer_list<std::string_view> keys,
                          std::string_view& chosen);

/// Reads `expect` of a step whose action is known.
void ParseExpect(FlowState& state, config::MapReader& reader, Step& step);
/// Reads `capture`; its names are known from then on.
void ParseCaptures(FlowState& state, config::MapReader& reader, Step& step);
/// Nothing, and a diagnostic, for a pattern that RE2 refuses.
std::shared_ptr<const re2::RE2> CompilePattern(const ParseContext& context,
                                               const config::Node& node, bool with_group);

}  // namespace perf::load
