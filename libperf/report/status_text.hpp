// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/report/status.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

/// The value of a reading with its limit, as people read it: "20/20", "1.84 s", "1.9/2.0 GiB".
PERF_EXPORT std::string ShownValue(const StatusReading& reading);
/// " (want 70 %)", or nothing where nothing is wanted.
PERF_EXPORT std::string ShownWant(const StatusReading& reading);
/// "used=20/20": base units, without blanks of its own.
PERF_EXPORT std::string PlainValue(const StatusReading& reading);
/// "2 s", "3 m", "4 h", "5 d": the largest unit, whole; seconds below ten with a digit.
PERF_EXPORT std::string ShownAge(double seconds);
/// "42 s", "12m 5s", "4h 12m", "3d 4h".
PERF_EXPORT std::string ShownUptime(double seconds);
/// In the colour of the state.
PERF_EXPORT std::string Colored(StatusState state, std::string_view text, const Style& style);

}  // namespace perf::report
