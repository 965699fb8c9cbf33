// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/config/reader.hpp"
#include "libperf/load/parse.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

inline constexpr Duration kLongestRun = std::chrono::hours(24 * 7);
inline constexpr Duration kLongestWait = std::chrono::hours(1);  // of one request
inline constexpr std::size_t kMaxUsers = 100'000;
inline constexpr std::size_t kMaxPool = 10'000;
inline constexpr double kMaxRate = 1e7;
inline constexpr int kMaxSteps = 1'000;
inline constexpr std::size_t kMaxLoads = 100;
inline constexpr std::size_t kMaxThresholds = 1'000;
inline constexpr std::size_t kMaxFaults = 1'000;
inline constexpr std::size_t kMaxNamed = 1'000;  // vars, data sets, targets, flows

/// The state that the parse_*.cpp files share while one scenario is read.
/// Thread safety: none. Lifetime: borrows everything; lives in ParseScenario.
struct ParseContext {
  ParseContext(const ParseOptions& the_options, config::Diagnostics& the_diagnostics,
               Scenario& the_scenario)
      : options(the_options), diagnostics(the_diagnostics), scenario(the_scenario) {}

  const ParseOptions& options;
  config::Diagnostics& diagnostics;
  Scenario& scenario;
  const config::Node* vars = nullptr;                  // for readers: numbers from ${vars.x}
  Symbols constants;                                   // `vars` only
  std::vector<std::string> path_prefixes;              // by target: the path of an http URL
  std::set<std::string> broken_targets;                // whose kind is not known
  std::map<std::string, std::uint32_t> statements;     // SQL text to its id
  std::vector<std::set<std::size_t>> data_of_flow;     // data sets that a flow draws from
  const std::set<std::string>* later_names = nullptr;  // all captures of the flow being read
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const Sound>>
      sounds;                  // by path and format
  std::set<Duration> periods;  // of plays
  double duration_scale = 1;
  double rate_scale = 1;

  config::MapReader Reader(const config::Node& node, std::string what) const {
    return config::MapReader(node, diagnostics, std::move(what), vars);
  }
  config::ScalarReader Scalars() const { return config::ScalarReader(diagnostics, vars); }
  void Error(const config::Node& at, std::string message, std::string suggestion = {}) const {
    diagnostics.Error(at.At(), std::move(message), std::move(suggestion));
  }
};

/// Names of targets, flows, steps and loads: a letter or '_', then letters, digits, '_' and '-';
/// not that of a metric, for thresholds name both in one path. Reports what is wrong.
bool CheckName(const ParseContext& context, const config::Place& at, std::string_view what,
               std::string_view name);
/// Names inside ${…} (vars, data sets, captures): as above but without '-', and none of the
/// words that expressions begin with.
bool CheckVariableName(const ParseContext& context, const config::Place& at, std::string_view what,
                       std::string_view name);

/// The items or named values below a key of the scenario, none (and an error) where there are more
/// than `most`: what follows takes time for each pair of them.
std::vector<config::Node> BoundedItems(const ParseContext& context, config::MapReader& root,
                                       std::string_view key, std::size_t most);
std::vector<config::Node::Entry> BoundedEntries(const ParseContext& context,
                                                config::MapReader& root, std::string_view key);

/// The text of a scalar as a template; what is wrong with it is reported at the place within
/// the scalar. Nothing where it is not a scalar.
std::optional<Template> CompileText(const ParseContext& context, const config::Node& node,
                                    const Symbols& symbols, std::string_view prefix = {});
/// The text of a scalar in which ${vars.x} is allowed and nothing that changes between requests;
/// `what` says in the message whose value it is, `why` the reason or remedy.
std::optional<std::string> ConstantText(const ParseContext& context, const config::Node& node,
                                        std::string_view what,
                                        std::string_view why = "it is the same for every request");
/// A document whose scalars are templates. `constant`: as ConstantText.
std::optional<JsonTemplate> CompileJson(const ParseContext& context, const config::Node& node,
                                        const Symbols& symbols, std::string_view constant = {});
/// Reports `error` at its offset within the scalar.
void ReportTemplate(const ParseContext& context, const config::Node& node,
                    const TemplateError& error, std::size_t prefix = 0);
/// The place of the `offset`-th byte of a scalar's text, where it stands in the file as it reads;
/// otherwise the scalar's own.
config::Place Within(const config::Node& scalar, std::size_t offset);

/// The index of the target of that name; an unknown one, or one of another kind, is reported.
std::optional<std::size_t> FindTarget(const ParseContext& context, config::MapReader& reader,
                                      TargetKind kind, std::string_view key = "target",
                                      std::string_view whose = "this step");
std::string_view Name(TargetKind kind) noexcept;

/// The hosts that a libpq URI or key=value text leads to, PGHOST included where it names none;
/// unix sockets give none. Throws: ConfigError, without secrets.
std::vector<std::string> PostgresHosts(std::string_view conninfo);
/// Reports each host that is neither this machine nor allowed.
void CheckAllowed(const ParseContext& context, const config::Node& at,
                  const std::vector<std::string>& hosts);

/// The words of a Redis command: a sequence of scalars, or one text split on blanks (those in
/// ${…} do not split). Reports what is wrong and gives nothing then.
std::vector<config::Node> CommandWords(const ParseContext& context, const config::Node& node);
/// The SQL of a file named by a step, as it stands.
std::optional<std::string> SqlFile(const ParseContext& context, const config::Node& node);
/// The highest n of $n in a statement, outside of quotes and comments.
int HighestParameter(std::string_view sql) noexcept;

/// Reports a header's name that is none, and those that the client sets itself: a second one
/// would break the framing.
void CheckHeaderName(const ParseContext& context, const config::Place& at, std::string_view name);
bool IsHeaderName(std::string_view name) noexcept;
/// Whether `text` holds a character that would end or split a header line.
bool BreaksHeader(std::string_view text) noexcept;

void ParseVars(ParseContext& context, config::MapReader& root);
void ParseAudio(ParseContext& context, config::MapReader& root);
void ParseData(ParseContext& context, config::MapReader& root);
void ParseAllow(ParseContext& context, config::MapReader& root);
void ParseTargets(ParseContext& context, config::MapReader& root);
void ParseCaches(ParseContext& context, config::MapReader& root);
void ParseAdmin(ParseContext& context, config::MapReader& root, std::string_view key,
                std::vector<AdminStep>& steps);
void ParseFlows(ParseContext& context, config::MapReader& root);
void ParseLoads(ParseContext& context, config::MapReader& root);
void ParseFaults(ParseContext& context, config::MapReader& root);
void ParseThresholds(ParseContext& context, config::MapReader& root);

}  // namespace perf::load
