// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"

namespace perf::monitor {

/// What a list of runs shows. Figures that a result does not have are absent.
struct RunRow {
  std::int64_t id = 0;
  std::string tool;
  std::string scenario;
  std::string hash;        // of the scenario, or empty
  std::string started_at;  // RFC 3339, as in the result
  std::string verdict;     // "pass", "fail", "invalid" or "interrupted"
  double duration_s = 0;
  std::optional<double> achieved;  // requests a second
  std::optional<std::int64_t> requests, failed;
  std::optional<double> p50_ms, p95_ms, p99_ms;  // of latency
};

struct RunFilter {
  std::string scenario;  // exactly; empty: all
  std::size_t limit = 50;
  std::int64_t before = 0;  // ids below this; 0: all
};

/// The results of runs, in the same file as the history; kept until deleted. Programs that end a
/// run write here while an agent writes its samples.
/// Thread safety: all methods (they take turns). Every wait for another writer ends after 5 s.
class PERF_EXPORT RunStore {
 public:
  enum class Access : std::uint8_t { kRead, kWrite };

  /// kWrite makes the file where there is none. Throws: IoError that names path and reason.
  RunStore(const std::string& path, Access access);
  ~RunStore();
  RunStore(const RunStore&) = delete;
  RunStore& operator=(const RunStore&) = delete;

  /// Keeps a result (schema perfkit.result/1, at most 64 MiB of JSON) and gives its id; the same
  /// result twice (start, scenario and tool) replaces the first. Throws: ConfigError for what is
  /// no result; IoError.
  std::int64_t Add(std::string_view result_json);
  /// Newest first. Throws: IoError.
  std::vector<RunRow> List(const RunFilter& filter = {}) const;
  /// The result as it was added. Throws: IoError.
  std::optional<std::string> Get(std::int64_t id) const;
  /// Whether there was one. Throws: IoError.
  bool Delete(std::int64_t id);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// A row as `perfctl history runs --json` shows it.
PERF_EXPORT Json ToJson(const RunRow& row);

}  // namespace perf::monitor
