// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_snapshot.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <limits>
#include <memory>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/bench/cache_trace.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/cache.hpp"

namespace perf::bench {
namespace {

constexpr std::uint64_t kRequests = 1'000'000;
constexpr std::int64_t kKeys = 100'000;
constexpr double kZipf = 0.99;
/// How much a warm start may lie below a cache that went on.
constexpr double kLess = 0.01;

/// Requests of the trace or of the generator, the same each time.
class Requests {
 public:
  Requests(const CacheSnapshotOptions& options, const Context& context)
      : context_(context),
        synthetic_(options.trace.empty()),
        trace_(options.trace, options.format, true,
               [&context](const auto& text) { context.Phase(text); }) {}

  const std::string& Name() const noexcept { return synthetic_ ? zipf_ : trace_.Name(); }
  /// visit(id) for the first `count` of them; how many there were.
  template <typename Visit>
  std::uint64_t Each(std::uint64_t count, Visit visit) {
    std::uint64_t done = 0;
    if (synthetic_) {
      Random random(context_.seed);
      const Zipf keys(kKeys, kZipf);
      for (; done < std::min(count, kRequests) && !context_.Stopped(); ++done) {
        visit(static_cast<std::uint64_t>(keys.Draw(random)));
      }
      return done;
    }
    const auto reader = trace_.Opener()();
    std::array<cache::Request, 1024> batch;
    while (done < count && !context_.Stopped()) {
      const std::size_t read = reader->Read(batch);
      if (read == 0) break;
      for (std::size_t i = 0; i < read && done < count; ++i, ++done) visit(batch[i].id);
    }
    return done;
  }

 private:
  const Context& context_;
  bool synthetic_;
  const std::string zipf_ = "zipf";
  TraceFile trace_;
};

std::unique_ptr<cache::Cache> MakeCache(const CacheSnapshotOptions& options) {
  cache::CacheOptions cache;
  cache.name = "snapshot";
  cache.policy = options.policy;
  cache.max_entries = options.size;
  cache.max_bytes = 0;
  cache.entry.ttl = std::chrono::hours(24);
  return std::make_unique<cache::Cache>(cache);
}

struct Replayed {
  std::uint64_t requests = 0, hits = 0;
  double HitRatio() const noexcept {
    return requests > 0 ? static_cast<double>(hits) / static_cast<double>(requests) : 0;
  }
};

/// Read-through: on a miss the object is put.
Replayed Replay(cache::Cache& cache, Requests& requests, std::uint64_t count,
                std::uint64_t value_bytes) {
  Replayed replayed;
  replayed.requests = requests.Each(count, [&](std::uint64_t id) {
    const std::string key = fmt::format("key:{}", id);
    if (cache.Peek(key).Found()) {
      ++replayed.hits;
    } else {
      std::string value = fmt::format("value {} ", id);
      value.resize(std::max<std::uint64_t>(value.size(), value_bytes), 'x');
      cache.Set(key, std::move(value), Deadline::Never());
    }
  });
  return replayed;
}

/// A file that cannot be read is bad input, too.
std::size_t LoadFrom(cache::Cache& cache, const std::string& file) {
  try {
    return cache.LoadSnapshot(file);
  } catch (const IoError& error) {
    throw ConfigError(error.what());
  }
}

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

}  // namespace

load::Result SnapshotSave(const CacheSnapshotOptions& options, const Context& context) {
  Findings findings("cachebench", "snapshot", context.seed);
  Requests requests(options, context);
  const auto cache = MakeCache(options);
  context.Phase("replaying " + requests.Name());
  const Replayed replayed = Replay(*cache, requests, kAll, options.value_bytes);
  const TimePoint start = Clock::now();
  const std::size_t saved = cache->SaveSnapshot(options.file);
  const double took = ToMs(Clock::now() - start);
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(options.file, unknown);
  Json row = Json::MakeObject();
  row["action"] = "save";
  row["trace"] = requests.Name();
  row["policy"] = options.policy;
  row["size"] = options.size;
  row["requests"] = replayed.requests;
  row["hit_ratio"] = replayed.HitRatio();
  row["entries"] = std::uint64_t{saved};
  row["file_bytes"] = unknown ? Json() : Json(std::uint64_t{bytes});
  row["ms"] = took;
  findings.AddRow(std::move(row));
  findings.AtLeast("entries saved", static_cast<double>(saved), 1, "", replayed.requests);
  return findings.Finish(context.Stopped());
}

load::Result SnapshotLoad(const CacheSnapshotOptions& options, const Context& context) {
  Findings findings("cachebench", "snapshot", context.seed);
  const auto warm = MakeCache(options);
  context.Phase("loading " + options.file);
  const TimePoint start = Clock::now();
  const std::size_t loaded = LoadFrom(*warm, options.file);
  const double took = ToMs(Clock::now() - start);
  Requests requests(options, context);
  context.Phase("replaying " + requests.Name());
  const auto cold = MakeCache(options);
  const auto going_on = MakeCache(options);
  const std::uint64_t bytes = options.value_bytes;
  const std::uint64_t tenth = Replay(*going_on, requests, kAll, bytes).requests / 10;
  const Replayed uninterrupted = Replay(*going_on, requests, tenth, bytes);
  const Replayed with = Replay(*warm, requests, tenth, bytes);
  const Replayed without = Replay(*cold, requests, tenth, bytes);
  Json row = Json::MakeObject();
  row["action"] = "load";
  row["trace"] = requests.Name();
  row["policy"] = options.policy;
  row["size"] = options.size;
  row["requests"] = with.requests;
  row["warm_hit_ratio"] = with.HitRatio();
  row["uninterrupted_hit_ratio"] = uninterrupted.HitRatio();
  row["cold_hit_ratio"] = without.HitRatio();
  row["entries"] = std::uint64_t{loaded};
  row["ms"] = took;
  findings.AddRow(std::move(row));
  findings.AtLeast("hit_ratio of the first tenth after a warm start", with.HitRatio(),
                   uninterrupted.HitRatio() - kLess, "fraction", with.requests);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
