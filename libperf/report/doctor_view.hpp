// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/monitor/doctor/doctor.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

using DoctorChecks = std::vector<monitor::DoctorCheck>;

/// The worst of all; kOk where there are none.
PERF_EXPORT monitor::Level WorstOf(const DoctorChecks& checks) noexcept;

/// For a person: the worst first, each with what it would spoil and the command that mends it; what
/// is well in one line each behind. Sentences are wrapped at `width`, commands never.
PERF_EXPORT std::string DoctorScreen(const DoctorChecks& checks, std::string_view version,
                                     std::size_t width, bool utf8, const Style& style);

/// A check a line, fields between tabs: LEVEL AREA NAME SEEN SPOILS REMEDY.
PERF_EXPORT std::string DoctorPlain(const DoctorChecks& checks);

/// Schema perfkit.doctor/1 (doctor.schema.json). `generated_at`: RFC 3339, UTC.
PERF_EXPORT Json DoctorJson(const DoctorChecks& checks, std::string_view version,
                            std::string_view generated_at);

}  // namespace perf::report
