// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/history_route.hpp"

#include <fmt/format.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::service {
namespace {

using monitor::WallTime;
using namespace std::chrono_literals;

constexpr double kLastSecond = 9'000'000'000;  // in 2255: nanoseconds end in 2262

WallTime FromSeconds(double seconds) {
  return WallTime(
      std::chrono::duration_cast<WallTime::duration>(std::chrono::duration<double>(seconds)));
}

WallTime TimeOf(const std::string& text, std::string_view name, WallTime now) {
  if (const auto seconds = ParseNumber(text); seconds && *seconds >= 0 && *seconds <= kLastSecond) {
    return FromSeconds(*seconds);
  }
  if (const auto ago = ParseDuration(text)) {
    return now - std::chrono::duration_cast<WallTime::duration>(*ago);
  }
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end != nullptr && (std::string_view(end) == "Z" || std::string_view(end) == "+00:00")) {
    const std::time_t seconds = ::timegm(&parts);
    if (seconds >= 0 && static_cast<double>(seconds) <= kLastSecond) {
      return std::chrono::system_clock::from_time_t(seconds);
    }
  }
  throw ConfigError(fmt::format(
      "{}: expected seconds since 1970, a time such as 2026-11-30T20:45:00Z, or how long ago, such "
      "as 1h",
      name));
}

}  // namespace

monitor::HistoryQuery HistoryQueryOf(const Request& request, WallTime now) {
  monitor::HistoryQuery query;
  query.metric = request.Parameter("metric").value_or("");
  if (query.metric.empty()) throw ConfigError("metric: expected the name of a metric");
  query.from = now - 1h;
  query.to = now;
  if (const auto from = request.Parameter("from")) query.from = TimeOf(*from, "from", now);
  if (const auto to = request.Parameter("to")) query.to = TimeOf(*to, "to", now);
  if (const auto step = request.Parameter("step")) {
    const auto length = ParseDuration(*step);
    if (!length || *length < 1s) throw ConfigError("step: expected a duration from 1s on");
    query.step = std::chrono::ceil<std::chrono::seconds>(*length);
  }
  if (const auto agg = request.Parameter("agg")) query.aggregate = monitor::ParseAggregate(*agg);
  if (const auto most = request.Parameter("max_points")) {
    const auto points = ParseInteger(*most);
    if (!points || *points < 1 || *points > 100'000) {
      throw ConfigError("max_points: expected a whole number between 1 and 100000");
    }
    query.max_points = static_cast<std::size_t>(*points);
  }
  query.merged = request.Parameter("merged").value_or("false") == "true";
  const std::string labels = request.Parameter("labels").value_or("");
  for (const std::string_view pair : Split(labels, ',')) {
    const std::size_t equal = pair.find('=');
    if (pair.empty()) continue;
    if (equal == pair.npos) throw ConfigError("labels: expected NAME=VALUE, with commas between");
    query.labels.emplace_back(Trim(pair.substr(0, equal)), Trim(pair.substr(equal + 1)));
  }
  return query;
}

Reply AnswerHistory(const Request& request, const monitor::HistoryReader& reader, WallTime now) {
  try {
    const monitor::HistoryQuery query = HistoryQueryOf(request, now);
    return JsonReply(monitor::ToJson(query, reader.Query(query)));
  } catch (const ConfigError& error) {
    return Problem(422, MaskSecrets(error.what()));
  } catch (const IoError& error) {
    return Problem(503, MaskSecrets(error.what()));
  }
}

}  // namespace perf::service
