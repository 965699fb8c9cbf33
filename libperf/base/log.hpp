// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/export.hpp"

namespace perf {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat { kText, kJson };

/// Sets where and how the process logs: always stderr, so that stdout stays data.
/// Thread safety: call before other threads start. Default: kWarn, kText.
PERF_EXPORT void ConfigureLog(LogLevel level, LogFormat format);
/// Stands on every line from now on; empty to leave it out. Thread safety: any thread.
PERF_EXPORT void SetLogRunId(std::string_view run_id);
/// Throws: UsageError for an unknown name ("trace" … "off").
PERF_EXPORT LogLevel ParseLogLevel(std::string_view name);
PERF_EXPORT bool LogEnabled(LogLevel level) noexcept;
/// Writes one line, with secrets masked (see url.hpp). Thread safety: any thread.
PERF_EXPORT void LogText(LogLevel level, std::string_view text);

/// The format string is checked by the compiler; arguments are not formatted when the level is off.
template <typename... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) LogText(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace perf
