// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "tools/common/bench/program.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

Verbs AllVerbs() {
  Verbs verbs = StubVerbs();
  for (auto& verb : ServerVerbs()) verbs.push_back(std::move(verb));
  return verbs;
}

}  // namespace
}  // namespace perf::tool

int main(int argc, char** argv) {
  using namespace perf::tool;
  return RunBenchProgram({"poolbench", "Measure, size and break connection pools.", AllVerbs}, argc,
                         argv);
}
