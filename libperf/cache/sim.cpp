// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/sim.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"
#include "libperf/cache/policy/policy.hpp"
#include "libperf/cache/sim/crew.hpp"
#include "libperf/cache/sim/future.hpp"
#include "libperf/cache/sim/memory_room.hpp"

namespace perf::cache {

namespace {

double Ratio(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

bool RemembersAll(std::string_view policy) noexcept {
  const auto kinds = PolicyKinds();
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](const PolicyKind& kind) { return kind.name == policy && !kind.online; });
}

void Say(const SimOptions& options, const std::string& text) {
  if (options.say && !text.empty()) options.say(text);
}

/// Counts the trace and says what the cells that keep it will take.
void CheckMemory(TraceReader& reader, const SimOptions& options) {
  const TraceSurvey survey = Survey(reader);
  const std::string trace =
      fmt::format("{} requests, about {} distinct keys", survey.requests, survey.distinct);
  std::uint64_t needs = 0, futures = 0;
  for (const SimCell& cell : options.cells) {
    futures += NeedsFuture(cell.policy);
    if (RemembersAll(cell.policy)) needs += survey.distinct * 56;
  }
  if (needs > 0)
    Say(options, fmt::format("plfu will need about {} ({})", FormatBytes(needs), trace));
  if (futures > 0) {
    // One cell at a time, each with a place for every key in its heap.
    const std::uint64_t future = Future::Needs(survey, reader.HasSizes());
    Say(options, fmt::format("opt will need about {} ({})", FormatBytes(future), trace));
    needs += future;
  }
  RequireMemory("this simulation", needs, options.memory_limit);
}

void RunOnline(const TraceOpener& open, const SimOptions& options, bool guessed,
               const std::vector<std::size_t>& cells, std::vector<SimRow>& rows) {
  std::vector<std::unique_ptr<Simulator>> simulators;
  for (const std::size_t at : cells) simulators.push_back(MakeSimulator(options.cells[at]));
  const auto reader = open();
  if (!guessed) Say(options, reader->Guess());
  std::vector<Request> batch(8192);
  std::uint64_t requests = 0;
  for (std::size_t count = 0; (count = reader->Read(batch)) > 0;) {
    ForEachOf(simulators.size(), options.threads, [&](std::size_t i) {
      simulators[i]->Feed(std::span<const Request>(batch.data(), count));
    });
    requests += count;
    if (options.go_on && !options.go_on(requests)) break;
  }
  for (std::size_t i = 0; i < cells.size(); ++i) rows[cells[i]] = simulators[i]->Row();
}

}  // namespace

double SimRow::HitRatio() const noexcept { return Ratio(hits, requests); }
double SimRow::ByteHitRatio() const noexcept { return Ratio(bytes_hit, bytes); }

bool NeedsFuture(std::string_view policy) noexcept { return policy == "opt" || policy == "optb"; }

std::vector<std::string_view> SimPolicies() {
  std::vector<std::string_view> names;
  for (const PolicyKind& kind : PolicyKinds()) names.push_back(kind.name);
  names.insert(names.end(), {"opt", "optb"});
  return names;
}

TraceOpener OpenerOf(std::string path, TraceOptions options) {
  const bool once = path == "-" || path == "/dev/stdin";
  return [path = std::move(path), options = std::move(options), once, opened = false]() mutable {
    if (once && opened) {
      throw ConfigError(
          "standard input can be read once only; this needs a file: it reads the trace twice");
    }
    opened = true;
    return OpenTrace(path, options);
  };
}

std::vector<SimRow> Simulate(const TraceOpener& open, const SimOptions& options) {
  std::vector<std::size_t> online, future;
  bool survey = false;
  for (std::size_t i = 0; i < options.cells.size(); ++i) {
    const SimCell& cell = options.cells[i];
    if (cell.size == 0) throw ConfigError("a cache of size 0 cannot be simulated");
    // Unknown names are found before anything is read.
    if (!NeedsFuture(cell.policy)) (void)MakePolicy(cell.policy, {.limits = {1, 0}});
    (NeedsFuture(cell.policy) ? future : online).push_back(i);
    survey = survey || NeedsFuture(cell.policy) || RemembersAll(cell.policy);
  }
  if (survey) {
    const auto reader = open();
    Say(options, reader->Guess());
    CheckMemory(*reader, options);
  }
  std::vector<SimRow> rows(options.cells.size());
  if (!online.empty()) RunOnline(open, options, survey, online, rows);
  if (!future.empty()) {
    const Future known = Future::Read(*open(), options.go_on);
    for (const std::size_t at : future) rows[at] = ReplayFuture(options.cells[at], known);
  }
  return rows;
}

}  // namespace perf::cache
