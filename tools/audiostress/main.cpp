// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "allocations.hpp"
#include "tools/common/bench/program.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

Verbs AllVerbs() {
  Verbs verbs = RunVerbs();
  for (auto& verb : RtpVerbs()) verbs.push_back(std::move(verb));
  for (auto& verb : SoundVerbs()) verbs.push_back(std::move(verb));
  return verbs;
}

}  // namespace
}  // namespace perf::tool

int main(int argc, char** argv) {
  using namespace perf::tool;
  return RunBenchProgram(
      {"audiostress", "Measure audio buffering; find how many streams a machine carries.", AllVerbs,
       CountedAllocations()},
      argc, argv);
}
