// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/audio_result.hpp"

namespace perf::load {
namespace {

Json XrunsJson(const AudioXruns& xruns) {
  return Json(Json::Object{{"events", xruns.events}, {"frames", xruns.frames}});
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

Json AudioResult::ToJson() const {
  const auto marked = [this](std::uint64_t count) { return checked ? Json(count) : Json(); };
  std::optional<double> missing;
  if (frames > 0) missing = static_cast<double>(underruns.frames) / static_cast<double>(frames);
  Json lateness = stats::ToJson(late);
  lateness["over_period"] = over_period;
  Json json(Json::Object{{"streams", streams},
                         {"frames", frames},
                         {"refused", OrNull(refused)},
                         {"underruns", XrunsJson(underruns)},
                         {"underrun_ratio", OrNull(missing)},
                         {"overruns", XrunsJson(overruns)},
                         {"late", std::move(lateness)},
                         {"lost", marked(lost)},
                         {"torn", marked(torn)},
                         {"leaked", marked(leaked)},
                         {"repeated", marked(repeated)},
                         {"hot_allocs", OrNull(hot_allocs)},
                         {"bytes_per_stream", OrNull(bytes_per_stream)},
                         {"starved_ms", OrNull(starved_ms)},
                         {"cpu_ns_per_frame", OrNull(cpu_ns_per_frame)},
                         {"rss_returned_ratio", OrNull(rss_returned_ratio)}});
  if (capacity_streams) json["capacity"] = Json(Json::Object{{"streams", *capacity_streams}});
  return json;
}

}  // namespace perf::load
