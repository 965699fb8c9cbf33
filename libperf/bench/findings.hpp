// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// Gathers what one verb of a benchmark finds, and makes the common result of it: rows in
/// `bench`, checks among the thresholds, so that verdict, report and comparison exist once.
/// Thread safety: none.
class PERF_EXPORT Findings {
 public:
  /// `program` and `verb` as in "poolbench", "micro". The clock of `duration_s` starts here.
  Findings(std::string program, std::string verb, std::uint64_t seed);

  void AddRow(Json row) { rows_.push_back(std::move(row)); }
  /// A row of these fields, in this order.
  void AddRow(std::initializer_list<std::pair<const char*, Json>> fields);
  /// A check that must hold for exit code 0; its line in the result is "<what> >= <limit>".
  void AtLeast(const std::string& what, double observed, double limit, const std::string& unit = "",
               std::uint64_t samples = 1);
  void AtMost(const std::string& what, double observed, double limit, const std::string& unit = "",
              std::uint64_t samples = 1);
  /// As AtMost, for what must not happen at all.
  void Never(const std::string& what, std::uint64_t observed, std::uint64_t samples = 1);
  bool Ok() const noexcept;
  /// The figures cannot be trusted, for a reason that is not the subject's: exit code 75.
  void Invalidate(std::string code, std::string text) {
    reasons_.emplace_back(std::move(code), std::move(text));
  }
  /// The `audio` of the result.
  void SetAudio(const load::AudioResult& audio) { audio_ = audio; }

  /// Replaces what a run of load::Run found as the base of the result, keeping rows and checks.
  load::Result FinishOver(load::Result run, bool interrupted);
  load::Result Finish(bool interrupted);

 private:
  std::string program_, verb_;
  std::uint64_t seed_;
  std::string started_at_;
  TimePoint start_;
  std::vector<Json> rows_;
  std::vector<load::ThresholdResult> checks_;
  std::vector<std::pair<std::string, std::string>> reasons_;
  std::optional<load::AudioResult> audio_;
};

}  // namespace perf::bench
