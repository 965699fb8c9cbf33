// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/report/status.hpp"
#include "libperf/report/status_view.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

/// The rows that a view asks for: areas with the worst first, rows of an area with the worst first,
/// equals in the order in which they stand. Borrowed from `document`.
std::vector<const StatusRow*> SortedRows(const StatusDocument& document, const StatusView& view);

/// The rows as lines below one heading, at most view.height of them; empty where there are none.
std::vector<std::string> StatusTable(const StatusDocument& document, const StatusView& view,
                                     const Style& style);

}  // namespace perf::report
