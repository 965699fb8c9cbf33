// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/optimize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::service {
namespace {

constexpr std::size_t kMostKeys = 10'000;
constexpr std::int64_t kMostConnections = 10'000;

const std::vector<std::string_view> kActions = {"trim_audio",  "evict_expired",
                                                "warm_caches", "drop_idle_connections",
                                                "resize_pool", "reset_breakers"};

bool OfPools(std::string_view action) {
  return action == "drop_idle_connections" || action == "resize_pool" || action == "reset_breakers";
}
bool OfCaches(std::string_view action) {
  return action == "evict_expired" || action == "warm_caches";
}

[[noreturn]] void Fail(std::string text, std::string_view word,
                       const std::vector<std::string_view>& known) {
  const std::string_view meant = Suggest(word, known);
  if (!meant.empty()) text += fmt::format("; did you mean '{}'?", meant);
  throw ConfigError(text);
}

std::size_t Connections(const Json& json, std::string_view name) {
  if (json.IsInt() && json.AsInt() >= 0 && json.AsInt() <= kMostConnections) {
    return static_cast<std::size_t>(json.AsInt());
  }
  throw ConfigError(
      fmt::format("{}: expected a whole number between 0 and {}", name, kMostConnections));
}

std::vector<std::string> Keys(const Json& json) {
  std::vector<std::string> keys;
  if (!json.IsArray() || json.AsArray().empty() || json.AsArray().size() > kMostKeys) {
    throw ConfigError(fmt::format("keys: expected a list of 1 to {} texts", kMostKeys));
  }
  for (const Json& key : json.AsArray()) {
    if (!key.IsString()) throw ConfigError("keys: expected texts");
    keys.push_back(key.AsString());
  }
  return keys;
}

void CheckTarget(const Optimization& wanted, const Subjects& subjects) {
  const bool required = wanted.action == "resize_pool" || wanted.action == "warm_caches";
  if (wanted.target.empty()) {
    if (required) throw ConfigError(fmt::format("{} needs a target", wanted.action));
    return;
  }
  std::vector<std::string> names;
  if (OfPools(wanted.action)) names = subjects.PoolNames();
  if (OfCaches(wanted.action)) names = subjects.CacheNames();
  if (std::find(names.begin(), names.end(), wanted.target) != names.end()) return;
  const std::vector<std::string_view> known(names.begin(), names.end());
  Fail(fmt::format("target: there is no {} '{}'",
                   OfPools(wanted.action)    ? "pool"
                   : OfCaches(wanted.action) ? "cache"
                                             : "choice of",
                   Excerpt(wanted.target, 100)),
       wanted.target, known);
}

/// The members of `json` that are named, as they are now.
Json Pick(const Json* json, std::initializer_list<const char*> names) {
  Json picked = Json::MakeObject();
  for (const char* name : names) {
    const Json* value = json == nullptr ? nullptr : json->AtPointer(name);
    const std::string_view key = std::string_view(name).substr(1);
    picked[key == "breaker/state" ? "breaker" : key] = value == nullptr ? Json() : *value;
  }
  return picked;
}

Json PoolFigures(backends::PoolManager& manager, const std::string& name) {
  const Json snapshot = manager.Snapshot();
  const Json* pools = snapshot.Find("pools");
  return Pick(pools == nullptr ? nullptr : pools->Find(name),
              {"/min", "/max", "/idle", "/in_use", "/waiting", "/breaker/state"});
}

Json CacheFigures(const cache::Cache& cache) {
  const cache::CacheStats stats = cache.Stats();
  Json json = Json::MakeObject();
  json["entries"] = stats.entries;
  json["bytes"] = stats.bytes;
  return json;
}

Json AudioFigures(const audio::AudioMemoryOptimizer& optimizer) {
  const audio::StreamsUsage usage = optimizer.Usage().streams;
  Json json = Json::MakeObject();
  json["streams"] = std::uint64_t{usage.streams};
  json["used_bytes"] = usage.used_bytes;
  json["resident_bytes"] = usage.resident_bytes;
  return json;
}

/// Figures, the deed unless it is a dry run, and the figures again.
Json Around(const std::string& target, bool dry_run, const std::function<Json()>& look,
            const std::function<std::string()>& act) {
  Json result = Json::MakeObject();
  result["target"] = target;
  result["before"] = look();
  if (dry_run) {
    result["after"] = Json();
    return result;
  }
  const std::string note = act();
  result["after"] = look();
  if (!note.empty()) result["note"] = note;
  return result;
}

Task<void> Change(backends::PoolManager& manager, const Optimization& wanted,
                  const std::string& name) {
  backends::ConnectionPool& pool = manager.Pool(name);
  if (wanted.action == "drop_idle_connections") pool.CloseIdle();
  if (wanted.action == "resize_pool") pool.Resize(wanted.min, wanted.max);
  if (wanted.action == "reset_breakers") pool.Settings().breaker->Reset(Clock::now());
  co_return;
}

Json OnPool(const Optimization& wanted, const Subjects& subjects, const std::string& name,
            Deadline deadline) {
  backends::PoolManager* manager = subjects.WithPool(name);
  if (manager == nullptr) throw Error(fmt::format("pool '{}' is gone", name));
  return Around(
      name, wanted.dry_run, [&] { return PoolFigures(*manager, name); },
      [&] {
        // The task may outlive this call, so it has its own copies.
        const bool done = manager->Run(
            [manager, wanted, name] { return Change(*manager, wanted, name); }, deadline);
        if (!done) throw Error(fmt::format("pool '{}': its loop gave no answer in time", name));
        return std::string();
      });
}

Json OnCache(const Optimization& wanted, const Subjects& subjects, const std::string& name,
             Deadline deadline) {
  cache::Cache* cache = subjects.WithCache(name);
  if (cache == nullptr) throw Error(fmt::format("cache '{}' is gone", name));
  return Around(
      name, wanted.dry_run, [&] { return CacheFigures(*cache); },
      [&] {
        if (wanted.action == "evict_expired") {
          return fmt::format("{} entries evicted", cache->EvictExpired());
        }
        cache::WarmOptions options;
        options.deadline = deadline;
        const cache::WarmReport report = cache->Warm(wanted.keys, options);
        return fmt::format("{} loaded, {} were fresh, {} without a loader, {} failed{}",
                           report.loaded, report.fresh, report.unmatched, report.failed,
                           report.complete ? "" : "; not all in time");
      });
}

}  // namespace

const std::vector<std::string_view>& OptimizeActions() noexcept { return kActions; }

Optimization Optimization::FromJson(const Json& json, const Subjects& subjects) {
  if (!json.IsObject())
    throw ConfigError("expected an object such as {\"action\": \"trim_audio\"}");
  Optimization wanted;
  bool sized = false;
  const auto text = [](const Json& value, std::string_view name) {
    if (!value.IsString()) throw ConfigError(fmt::format("{}: expected a text", name));
    return value.AsString();
  };
  for (const auto& [name, value] : json.AsObject()) {
    if (name == "action") {
      wanted.action = text(value, name);
    } else if (name == "target") {
      wanted.target = text(value, name);
    } else if (name == "min") {
      wanted.min = Connections(value, name);
    } else if (name == "max") {
      wanted.max = Connections(value, name);
      sized = true;
    } else if (name == "keys") {
      wanted.keys = Keys(value);
    } else if (name == "dry_run") {
      if (!value.IsBool()) throw ConfigError("dry_run: expected true or false");
      wanted.dry_run = value.AsBool();
    } else {
      Fail(fmt::format("unknown member '{}'", Excerpt(name, 100)), name,
           {"action", "target", "min", "max", "keys", "dry_run"});
    }
  }
  if (std::find(kActions.begin(), kActions.end(), wanted.action) == kActions.end()) {
    Fail(fmt::format("unknown action '{}'", Excerpt(wanted.action, 100)), wanted.action, kActions);
  }
  CheckTarget(wanted, subjects);
  if (wanted.action == "resize_pool" && (!sized || wanted.max == 0 || wanted.min > wanted.max)) {
    throw ConfigError("resize_pool needs max, from 1 to 10000, and min not above it");
  }
  if (wanted.action == "warm_caches" && wanted.keys.empty()) {
    throw ConfigError("warm_caches needs keys");
  }
  return wanted;
}

std::string Optimization::Describe() const {
  std::string text = action;
  if (!target.empty()) text += " " + target;
  if (action == "resize_pool") text += fmt::format(" {} {}", min, max);
  if (action == "warm_caches") text += fmt::format(" {} keys", keys.size());
  if (dry_run) text += " (dry run)";
  return text;
}

Json Optimize(const Optimization& wanted, const Subjects& subjects, Deadline deadline) {
  Json results = Json::MakeArray();
  const auto targets = [&](std::vector<std::string> all) {
    return wanted.target.empty() ? std::move(all) : std::vector<std::string>{wanted.target};
  };
  if (OfPools(wanted.action)) {
    for (const std::string& name : targets(subjects.PoolNames())) {
      results.Append(OnPool(wanted, subjects, name, deadline));
    }
  } else if (OfCaches(wanted.action)) {
    for (const std::string& name : targets(subjects.CacheNames())) {
      results.Append(OnCache(wanted, subjects, name, deadline));
    }
  } else {
    for (audio::AudioMemoryOptimizer* optimizer : subjects.streams) {
      results.Append(Around(
          "streams", wanted.dry_run, [&] { return AudioFigures(*optimizer); },
          [&] { return fmt::format("{} bytes given back", optimizer->Trim()); }));
    }
  }
  Json json = Json::MakeObject();
  json["action"] = wanted.action;
  json["dry_run"] = wanted.dry_run;
  json["results"] = std::move(results);
  return json;
}

}  // namespace perf::service
