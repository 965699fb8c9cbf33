// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// A load on one target, as the one-liners of perfctl describe it: what `perfctl http URL` and its
/// sisters stand for. Texts are as written by the user.
struct OneLiner {
  TargetKind kind = TargetKind::kHttp;
  std::string url;  // or "private"
  // What is asked of the target.
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string query = "select 1";
  std::vector<std::string> parameters;
  std::vector<std::string> command{"PING"};
  unsigned pipeline = 1;
  // How much of it.
  std::optional<std::string> rate;           // "1000/s": open arrivals
  std::optional<std::uint64_t> connections;  // closed users, or the pool's size under a rate
  std::optional<std::uint64_t> count;        // that many in all
  std::string duration;                      // empty: 10s, or until `count` is reached
  std::string warmup;
  bool poisson = false;
  // How it is judged and sent.
  std::vector<std::string> thresholds;
  std::string timeout;
  std::string client;        // http: auto, native, curl
  std::string http_version;  // http: auto, 1.1, 2
  std::string ca_file;
  bool insecure = false;
  bool prepared = true;
};

/// The scenario that a one-liner stands for, as YAML with every value quoted where it must be.
/// Throws: UsageError that names the flag, for rates and times that are none and for what
/// contradicts itself (a body with GET and so on is allowed).
PERF_EXPORT std::string ScenarioText(const OneLiner& line);

}  // namespace perf::load
