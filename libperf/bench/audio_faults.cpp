// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/fault_case.hpp"
#include "libperf/bench/findings.hpp"

namespace perf::bench {
namespace {

struct Case {
  const char* name;
  int bug;  // its number in the list
  void (*run)(FaultCase&);
};

/// Those that fork come first: they do so while there is but one thread.
constexpr Case kCases[] = {{"full-disk", 6, FaultFullDisk},
                           {"clock-and-files", 9, FaultClockAndFiles},
                           {"index-wrap", 1, FaultIndexWrap},
                           {"memory-order", 2, FaultMemoryOrder},
                           {"odd-bytes", 3, FaultOddBytes},
                           {"partial-frame", 4, FaultPartialFrame},
                           {"rate", 5, FaultRate},
                           {"close-while-blocked", 7, FaultCloseWhileBlocked},
                           {"sequence-jump", 8, FaultSequenceJump},
                           {"mirror", 10, FaultMirror}};

bool Wanted(const AudioFaultsOptions& options, const std::string& name) {
  const auto& cases = options.cases;
  return cases.empty() || std::find(cases.begin(), cases.end(), name) != cases.end();
}

void RunCase(const Case& one, const AudioFaultsOptions& options, Findings& findings) {
  FaultCase found(options.rounds);
  try {
    one.run(found);
  } catch (const std::exception& error) {
    found.Expect(false, error.what());
  }
  findings.AddRow({{"case", one.name},
                   {"bug", one.bug},
                   {"result", found.Failures() == 0 && found.Tries() > 0 ? "PASS" : "FAIL"},
                   {"tries", found.Tries()},
                   {"failed", found.Failures()},
                   {"text", found.Text().empty() ? Json() : Json(found.Text())}});
  findings.Never(fmt::format("{}: what went wrong", one.name), found.Failures(), found.Tries());
}

}  // namespace

std::vector<std::string> AudioFaultCases() {
  std::vector<std::string> names;
  for (const Case& one : kCases) names.emplace_back(one.name);
  return names;
}

load::Result AudioFaults(const AudioFaultsOptions& options, const Context& context) {
  const std::vector<std::string> names = AudioFaultCases();
  for (const std::string& name : options.cases) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw UsageError(fmt::format("--case {}: there is no such case", Excerpt(name, 40)));
  }
  Findings findings("audiostress", "faults", context.seed);
  for (const Case& one : kCases) {
    if (context.Stopped()) break;
    if (!Wanted(options, one.name)) continue;
    context.Phase(one.name);
    RunCase(one, options, findings);
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
