// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/report/status.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

/// What of a status is shown, and how much room there is.
struct StatusView {
  std::size_t width = 80;  // columns; below 40 counts as 40
  std::size_t height = 0;  // lines; 0: as many as it takes
  bool utf8 = true;        // else ASCII alone
  std::string only;        // an area, such as "pools"; empty: all
  bool problems = false;   // leave out what is ok
};

/// One screen, the worst first: agents, the verdict, rows by area, alerts with what to do next.
/// What does not fit goes in this order: sparks, readings from the last on, rows that are ok.
/// Names are cut, alerts are not: their commands are to be copied. Each line ends with '\n'.
PERF_EXPORT std::string StatusScreen(const StatusDocument& document, const StatusView& view,
                                     const Style& style);

/// For scripts: a record a line, fields between tabs, values in base units, nothing cut:
///   overall STATE · agent NAME STATE KIND VERSION UPTIME_S AGE_S ERROR ·
///   row AREA STATE NAME AGENT READING=VALUE[/LIMIT]… ·
///   alert LEVEL NAME SUBJECT AGENT STATE FOR_S TEXT RUNBOOK NEXT · note TEXT
PERF_EXPORT std::string StatusPlain(const StatusDocument& document, const StatusView& view);

}  // namespace perf::report
