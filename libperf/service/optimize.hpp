// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/service/subjects.hpp"

namespace perf::service {

/// What POST /performance/optimize asks for.
struct Optimization {
  std::string action;  // one of OptimizeActions()
  std::string target;  // of a pool or cache; empty: all of them (resize_pool and warm_caches: none)
  std::size_t min = 0, max = 0;   // resize_pool
  std::vector<std::string> keys;  // warm_caches; at most 10,000
  bool dry_run = false;

  /// Throws: ConfigError for an unknown action (with what was probably meant), member or value, and
  /// for a target that there is not.
  PERF_EXPORT static Optimization FromJson(const Json& json, const Subjects& subjects);
  /// For the audit log: "resize_pool database 5 40".
  PERF_EXPORT std::string Describe() const;
};

PERF_EXPORT const std::vector<std::string_view>& OptimizeActions() noexcept;

/// Does it, or in a dry run only looks: {action, dry_run, results: [{target, before{…}, after{…} or
/// null, note?}]}. Throws: Error that says what failed; what was done before that stays done.
PERF_EXPORT Json Optimize(const Optimization& wanted, const Subjects& subjects, Deadline deadline);

}  // namespace perf::service
