// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf {
namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};
// A line of foreign text must not fill a disk.
constexpr std::size_t kLongestLine = 16 * 1024;

std::atomic<LogLevel> current_level{LogLevel::kWarn};
std::atomic<LogFormat> current_format{LogFormat::kText};

/// The foreign logger writes the time and keeps lines whole; the rest of a line is ours, because
/// its pattern cannot quote for JSON and its level names are not the contract's.
struct Sink {
  spdlog::logger logger{"perfkit", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  Guarded<std::string> run_id;

  Sink() {
    logger.set_level(spdlog::level::trace);
    logger.flush_on(spdlog::level::trace);
    SetFormat(LogFormat::kText);
  }

  void SetFormat(LogFormat format) {
    const char* pattern = format == LogFormat::kText ? "%Y-%m-%dT%H:%M:%S.%eZ %v"
                                                     : "{\"ts\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v";
    logger.set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  }
};

Sink& TheSink() {
  // Never destroyed: destructors of other static objects may still log.
  static Sink& sink = *new Sink;
  return sink;
}

std::string JsonLine(std::string_view level, std::string_view text, const std::string& run_id) {
  std::string line = fmt::format(R"("level":"{}","msg":{})", level, Json(text).Dump());
  if (!run_id.empty()) line += fmt::format(R"(,"run_id":{})", Json(run_id).Dump());
  return line + "}";
}

std::string TextLine(std::string_view level, std::string_view text, const std::string& run_id) {
  const std::string safe = Excerpt(text, kLongestLine);
  if (run_id.empty()) return fmt::format("{} {}", level, safe);
  return fmt::format("{} [{}] {}", level, run_id, safe);
}

}  // namespace

void ConfigureLog(LogLevel level, LogFormat format) {
  TheSink().SetFormat(format);
  current_format.store(format, std::memory_order_relaxed);
  current_level.store(level, std::memory_order_relaxed);
}

void SetLogRunId(std::string_view run_id) {
  auto access = TheSink().run_id.Lock();
  *access = std::string(run_id);
}

LogLevel ParseLogLevel(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<LogLevel>(i);
  }
  throw UsageError(fmt::format(
      "unknown log level '{}': one of trace, debug, info, warn, error, off", Excerpt(name, 40)));
}

bool LogEnabled(LogLevel level) noexcept {
  return level >= current_level.load(std::memory_order_relaxed) && level != LogLevel::kOff;
}

void LogText(LogLevel level, std::string_view text) {
  if (!LogEnabled(level)) return;
  Sink& sink = TheSink();
  std::string run_id;
  {
    auto access = sink.run_id.Lock();
    run_id = *access;
  }
  // Masked before it is cut: half of a URL may not look like one.
  const std::string masked = MaskSecrets(text);
  const std::string_view safe = std::string_view(masked).substr(0, kLongestLine + 1);
  const std::string_view name = kNames[static_cast<std::size_t>(level)];
  const bool json = current_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  sink.logger.log(spdlog::level::info, spdlog::string_view_t(json ? JsonLine(name, safe, run_id)
                                                                  : TextLine(name, safe, run_id)));
}

}  // namespace perf
