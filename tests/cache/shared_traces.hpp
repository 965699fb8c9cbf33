// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "libperf/cache/trace.hpp"

namespace test {

/// How many seeds a test of random histories runs: PERF_SEEDS (at most 20 times the usual, since
/// some histories are long), or `otherwise`.
inline std::uint64_t Seeds(std::uint64_t otherwise) {
  const char* text = std::getenv("PERF_SEEDS");
  if (text == nullptr || *text == '\0') return otherwise;
  return std::min<std::uint64_t>(std::strtoull(text, nullptr, 10), 20 * otherwise);
}

/// The folder of real traces beside the checkout, which are no part of it; "" where it is absent.
inline std::string SharedTraces() {
  std::error_code error;
  if (std::filesystem::is_directory(PERF_TRACES, error)) return PERF_TRACES;
  MESSAGE("skipped: no folder " PERF_TRACES);
  return "";
}

/// File and format of a trace of reference_hit_ratios.csv.
inline std::pair<std::string, perf::cache::TraceFormat> TraceOf(const std::string& name) {
  using perf::cache::TraceFormat;
  if (name == "address_swim") return {"swim.trace.gz", TraceFormat::kAddress};
  if (name == "arc_oltp") return {"oltp.gz", TraceFormat::kArc};
  if (name == "cache2k_orm-busy") return {"orm-busy.trace.xz", TraceFormat::kI32be};
  if (name == "cache2k_web12") return {"web12.trace.xz", TraceFormat::kI32be};
  if (name == "corda_vaultservice") return {"corda.gz", TraceFormat::kI64be};
  if (name == "libcachesim_cloudPhysicsIO") return {"cloudPhysicsIO.txt.gz", TraceFormat::kKeys};
  return {name + ".trace.gz", TraceFormat::kKeys};
}

}  // namespace test
