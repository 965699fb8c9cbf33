// SPDX-License-Identifier: Apache-2.0
// A scenario file before anything is known of scenarios: aliases, depth, size, odd scalars.
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  perf::config::Diagnostics diagnostics;
  perf::config::LoadOptions options;
  options.files = false;
  options.environment = [](const std::string&) { return std::optional<std::string>("value"); };
  const auto document = perf::config::LoadText(
      "fuzz.yaml", std::string(perf::fuzz::Text(data, size)), diagnostics, options);
  perf::config::ToJson(document.root, true).Dump();
  return 0;
}
