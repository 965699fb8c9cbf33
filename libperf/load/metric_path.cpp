// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/metric_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "libperf/base/text.hpp"

namespace perf::load {

namespace {

constexpr std::array<std::pair<std::string_view, Metric>, 11> kMetrics{{
    {"latency", Metric::kLatency},
    {"wait", Metric::kWait},
    {"service_time", Metric::kServiceTime},
    {"schedule_lag", Metric::kScheduleLag},
    {"first_byte", Metric::kFirstByte},
    {"duration", Metric::kDuration},
    {"requests", Metric::kRequests},
    {"errors", Metric::kErrors},
    {"dropped", Metric::kDropped},
    {"iterations", Metric::kIterations},
    {"rate", Metric::kRate},
}};
constexpr std::array<std::pair<std::string_view, Metric>, 7> kCacheMetrics{{
    {"hit_ratio", Metric::kHitRatio},
    {"l1_hit_ratio", Metric::kL1HitRatio},
    {"l2_hit_ratio", Metric::kL2HitRatio},
    {"lookups", Metric::kLookups},
    {"loads", Metric::kLoads},
    {"coalesced", Metric::kCoalesced},
    {"stale_hits", Metric::kStaleHits},
}};
constexpr std::array<std::pair<std::string_view, Metric>, 6> kAudioMetrics{{
    {"late", Metric::kLate},
    {"underruns", Metric::kUnderruns},
    {"over_period", Metric::kOverPeriod},
    {"refused", Metric::kRefused},
    {"streams", Metric::kStreams},
    {"frames", Metric::kFrames},
}};
constexpr std::array<std::string_view, 5> kErrorNames{"connect", "timeout", "protocol", "status",
                                                      "check"};

/// What is counted per arrival or iteration, not per request.
bool OfIterationsOnly(Metric metric) noexcept {
  return metric == Metric::kDuration || metric == Metric::kDropped ||
         metric == Metric::kIterations || metric == Metric::kRate;
}

std::optional<Metric> FindMetric(std::string_view name) noexcept {
  for (const auto& [known, metric] : kMetrics) {
    if (known == name) return metric;
  }
  return std::nullopt;
}

bool OfAudio(Metric metric) noexcept {
  return metric >= Metric::kLate && metric <= Metric::kFrames;
}

bool Plays(const FlowSpec& flow) {
  const std::vector<const Step*> requests = Requests(flow);
  return std::any_of(requests.begin(), requests.end(), [](const Step* step) {
    return std::holds_alternative<PlayStep>(step->action);
  });
}

const Step* FindRequest(const FlowSpec& flow, std::string_view name) {
  for (const Step* step : Requests(flow)) {
    if (step->name == name) return step;
  }
  return nullptr;
}

/// Resolves one path; keeps the scenario and where to say what is wrong.
class Resolver {
 public:
  Resolver(const Scenario& scenario, std::string_view path, MetricPathError& error)
      : scenario_(scenario), path_(path), error_(error) {}

  std::optional<MetricPath> Run() {
    std::vector<std::string_view> parts = Split(path_, '.');
    if (parts.size() == 3 && parts.front() == "caches" && !HasOwner("caches")) {
      return OfCache(parts[1], parts[2]);
    }
    if (parts.size() >= 2 && parts.front() == "audio" && !FindMetric(parts.back()) &&
        !HasOwner("audio")) {
      if (!TakeAudioMetric(parts)) return std::nullopt;
      if (parts.empty()) return WithPlay();
    } else if (!TakeMetric(parts)) {
      return std::nullopt;
    }
    if (parts.size() > 2) {
      return Fail("a metric path has at most three parts: load or flow, step, metric");
    }
    if (parts.size() == 2) return Two(parts[0], parts[1]);
    if (parts.size() == 1) return One(parts[0]);
    return found_;
  }

 private:
  std::optional<MetricPath> OfCache(std::string_view name, std::string_view metric) {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < scenario_.caches.size(); ++i) {
      names.push_back(scenario_.caches[i].name);
      if (names.back() == name) found_.cache = i;
    }
    if (!found_.cache) {
      return Fail(fmt::format("no cache is named '{}'", Excerpt(name, 64)), name, names);
    }
    names.clear();
    for (const auto& [known, value] : kCacheMetrics) {
      names.push_back(known);
      if (known != metric) continue;
      found_.metric = value;
      return found_;
    }
    return Fail(fmt::format("'{}' is no metric of a cache: expected one of {}", Excerpt(metric, 64),
                            fmt::join(names, ", ")),
                metric, names);
  }

  /// Takes `audio` off the begin and the metric off the end.
  bool TakeAudioMetric(std::vector<std::string_view>& parts) {
    std::vector<std::string_view> names;
    for (const auto& [known, value] : kAudioMetrics) {
      names.push_back(known);
      if (known != parts.back()) continue;
      found_.metric = value;
      parts.pop_back();
      parts.erase(parts.begin());
      prefix_ = "audio.";
      return true;
    }
    Fail(fmt::format("'{}' is no metric of audio: expected one of {}", Excerpt(parts.back(), 64),
                     fmt::join(names, ", ")),
         parts.back(), names);
    return false;
  }

  /// What was found, where anything of it plays.
  std::optional<MetricPath> WithPlay() {
    if (!OfAudio(found_.metric)) return found_;
    bool plays = false;
    for (std::size_t i = 0; i < scenario_.flows.size(); ++i) {
      plays |= (!found_.flow || *found_.flow == i) && Plays(scenario_.flows[i]);
    }
    if (plays) return found_;
    return Fail(found_.flow
                    ? fmt::format("flow '{}' has no play step", scenario_.flows[*found_.flow].name)
                    : std::string("no step plays audio"));
  }

  bool HasOwner(std::string_view name) {
    MetricPath kept = found_;
    const bool has = TakeOwner(name);
    found_ = kept;
    return has;
  }

  std::nullopt_t Fail(std::string message, std::string_view word = {},
                      const std::vector<std::string_view>& candidates = {}) {
    error_.message = std::move(message);
    error_.suggestion = word.empty() ? std::string() : std::string(Suggest(word, candidates));
    return std::nullopt;
  }

  /// Takes the metric, of one part or `errors.KIND`, off the end.
  bool TakeMetric(std::vector<std::string_view>& parts) {
    if (parts.size() >= 2 && parts[parts.size() - 2] == "errors") {
      const auto* kind = std::find(kErrorNames.begin(), kErrorNames.end(), parts.back());
      if (kind == kErrorNames.end()) {
        Fail(fmt::format("'{}' is no kind of error: connect, timeout, protocol, status, check",
                         Excerpt(parts.back(), 64)),
             parts.back(), {kErrorNames.begin(), kErrorNames.end()});
        return false;
      }
      found_.metric = Metric::kErrors;
      found_.error = static_cast<ErrorKind>(1 + (kind - kErrorNames.begin()));
      parts.resize(parts.size() - 2);
      return true;
    }
    if (const auto metric = FindMetric(parts.back())) {
      found_.metric = *metric;
      parts.pop_back();
      return true;
    }
    std::vector<std::string_view> names;
    for (const auto& [name, metric] : kMetrics) names.push_back(name);
    Fail(fmt::format("'{}' is no metric: expected one of {}", Excerpt(parts.back(), 64),
                     fmt::join(names, ", ")),
         parts.back(), names);
    return false;
  }

  bool TakeOwner(std::string_view name) {
    for (std::size_t i = 0; i < scenario_.loads.size(); ++i) {
      if (scenario_.loads[i].name == name) {
        found_.load = i;
        found_.flow = scenario_.loads[i].flow;
        return true;
      }
    }
    for (std::size_t i = 0; i < scenario_.flows.size(); ++i) {
      if (scenario_.flows[i].name == name) {
        found_.flow = i;
        return true;
      }
    }
    return false;
  }

  std::optional<MetricPath> WithRequest(const Step& step) {
    if (OfIterationsOnly(found_.metric)) {
      return Fail(fmt::format("a step has no such metric: '{}' belongs to a load or flow",
                              path_.substr(path_.rfind('.') + 1)));
    }
    if (found_.metric == Metric::kFirstByte && !std::holds_alternative<HttpStep>(step.action)) {
      return Fail(fmt::format("step '{}' is not http: only http steps have first_byte", step.name));
    }
    if (OfAudio(found_.metric) && !std::holds_alternative<PlayStep>(step.action)) {
      return Fail(fmt::format("step '{}' plays nothing: only play steps have {}", step.name,
                              path_.substr(path_.rfind('.') + 1)));
    }
    found_.request = step.request_id;
    return found_;
  }

  std::vector<std::string_view> Names(bool owners, std::optional<std::size_t> steps_of) const {
    std::vector<std::string_view> names;
    if (owners) {
      for (const auto& load : scenario_.loads) names.push_back(load.name);
      for (const auto& flow : scenario_.flows) names.push_back(flow.name);
    }
    for (std::size_t i = 0; i < scenario_.flows.size(); ++i) {
      if (steps_of && *steps_of != i) continue;
      for (const Step* step : Requests(scenario_.flows[i])) names.push_back(step->name);
    }
    return names;
  }

  std::optional<MetricPath> Two(std::string_view owner, std::string_view name) {
    if (!TakeOwner(owner)) {
      return Fail(fmt::format("no load or flow is named '{}'", Excerpt(owner, 64)), owner,
                  Names(true, std::nullopt));
    }
    if (*found_.flow >= scenario_.flows.size()) {
      return Fail(fmt::format("load '{}' has no flow", owner));  // an incomplete scenario
    }
    const FlowSpec& flow = scenario_.flows[*found_.flow];
    if (const Step* step = FindRequest(flow, name)) return WithRequest(*step);
    return Fail(fmt::format("flow '{}' has no request named '{}'", flow.name, Excerpt(name, 64)),
                name, Names(false, found_.flow));
  }

  std::optional<MetricPath> One(std::string_view name) {
    if (TakeOwner(name)) return WithPlay();
    const Step* only = nullptr;
    for (std::size_t i = 0; i < scenario_.flows.size(); ++i) {
      const Step* step = FindRequest(scenario_.flows[i], name);
      if (!step) continue;
      if (only) {
        return Fail(
            fmt::format("more than one flow has a step '{}': put the flow or load before "
                        "it, as in {}{}.{}",
                        name, prefix_, scenario_.flows[i].name, path_.substr(prefix_.size())));
      }
      only = step;
      found_.flow = i;
    }
    if (only) return WithRequest(*only);
    return Fail(fmt::format("no load, flow or request is named '{}'", Excerpt(name, 64)), name,
                Names(true, std::nullopt));
  }

  const Scenario& scenario_;
  std::string_view path_;
  MetricPathError& error_;
  MetricPath found_;
  std::string_view prefix_;  // `audio.`, of what plays
};

}  // namespace

MetricType TypeOf(Metric metric) noexcept {
  switch (metric) {
    case Metric::kRequests:
    case Metric::kDropped:
    case Metric::kLookups:
    case Metric::kLoads:
    case Metric::kCoalesced:
    case Metric::kStaleHits:
    case Metric::kStreams:
    case Metric::kFrames:
    case Metric::kIterations: return MetricType::kCounter;
    case Metric::kErrors:
    case Metric::kUnderruns:
    case Metric::kOverPeriod:
    case Metric::kRefused: return MetricType::kRate;
    case Metric::kRate: return MetricType::kGauge;
    case Metric::kHitRatio:
    case Metric::kL1HitRatio:
    case Metric::kL2HitRatio: return MetricType::kRatio;
    default: return MetricType::kTrend;
  }
}

bool IsMetricName(std::string_view name) noexcept { return FindMetric(name).has_value(); }

std::optional<MetricPath> ResolveMetric(const Scenario& scenario, std::string_view path,
                                        MetricPathError& error) {
  return Resolver(scenario, path, error).Run();
}

}  // namespace perf::load
