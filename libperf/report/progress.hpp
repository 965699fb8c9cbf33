// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/base/export.hpp"
#include "libperf/load/runner.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

/// Shows a run while it goes on, on stderr: a block that is redrawn each second on a terminal, a
/// plain line each 10 s elsewhere.
/// Thread safety: none. Lifetime: clears its block when destroyed.
class PERF_EXPORT ProgressView {
 public:
  ProgressView(Style style, bool terminal);
  ~ProgressView();
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;
  void Phase(const std::string& text);
  void Update(const load::Progress& progress);

 private:
  void Clear();
  void DrawBlock(const load::Progress& progress);
  void PrintLine(const load::Progress& progress);

  Style style_;
  bool terminal_;
  int lines_ = 0;  // of the block on the screen
  double next_line_s_ = 10;
};

}  // namespace perf::report
