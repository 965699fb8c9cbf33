// SPDX-License-Identifier: Apache-2.0
// Prints two statuses, one a line, for the check against the JSON Schema: an empty one, and one in
// which everything is there.
#include <cstdio>

#include "tests/report/status_example.hpp"

int main() {
  std::puts(perf::report::StatusDocument().ToJson().Dump().c_str());
  perf::report::StatusDocument full = perf::test::StatusExample();
  full.notes = {"a sentence"};
  std::puts(full.ToJson().Dump().c_str());
  return 0;
}
