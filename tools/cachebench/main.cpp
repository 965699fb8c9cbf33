// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "tools/common/bench/program.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

Verbs AllVerbs() {
  Verbs verbs = TraceVerbs();
  for (auto& verb : MemoryVerbs()) verbs.push_back(std::move(verb));
  for (auto& verb : TierVerbs()) verbs.push_back(std::move(verb));
  return verbs;
}

}  // namespace
}  // namespace perf::tool

int main(int argc, char** argv) {
  using namespace perf::tool;
  return RunBenchProgram(
      {"cachebench", "Measure caches, replay traces, choose policy and size.", AllVerbs}, argc,
      argv);
}
