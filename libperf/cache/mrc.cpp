// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/mrc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"
#include "libperf/cache/policy/policy.hpp"
#include "libperf/cache/sim/memory_room.hpp"

namespace perf::cache {

namespace {

/// Only the requests of some keys, chosen by hash: all uses of a key or none.
class SampledReader final : public TraceReader {
 public:
  SampledReader(std::unique_ptr<TraceReader> all, double rate, std::uint64_t seed)
      : all_(std::move(all)),
        most_(static_cast<std::uint64_t>(
            std::min(rate * 18446744073709551616.0, 18446744073709549568.0))),
        seed_(MixId(seed)) {}

  std::size_t Read(std::span<Request> into) override {
    std::size_t kept = 0;
    while (kept == 0) {
      const std::size_t count = all_->Read(into);
      if (count == 0) return 0;
      for (std::size_t i = 0; i < count; ++i) {
        if (MixId(into[i].id ^ seed_) <= most_) into[kept++] = into[i];
      }
    }
    return kept;
  }
  TraceFormat Format() const noexcept override { return all_->Format(); }
  const std::string& Guess() const noexcept override { return all_->Guess(); }
  bool HasSizes() const noexcept override { return all_->HasSizes(); }

 private:
  std::unique_ptr<TraceReader> all_;
  std::uint64_t most_, seed_;
};

class CurveMaker {
 public:
  CurveMaker(const TraceOpener& open, const MrcOptions& options) : open_(open), options_(options) {}

  std::vector<MissRatioCurve> Make() {
    for (const std::string& policy : options_.policies) {
      if (!NeedsFuture(policy)) (void)MakePolicy(policy, {.limits = {1, 0}});
    }
    LookAtTrace();
    std::vector<MissRatioCurve> curves(options_.policies.size());
    std::vector<std::size_t> simulated;
    for (std::size_t i = 0; i < curves.size(); ++i) {
      curves[i].policy = options_.policies[i];
      if (curves[i].policy != "lru" || options_.bytes) {
        simulated.push_back(i);
      } else {
        options_.sample == 0 ? ByDistances(curves[i]) : BySample(curves[i]);
      }
    }
    BySimulation(simulated, curves);
    return curves;
  }

 private:
  void Say(const std::string& text) {
    if (text.empty() || text == said_ || !options_.say) return;
    if (text.starts_with("guessed ")) said_ = text;
    options_.say(text);
  }

  void LookAtTrace() {
    sizes_ = options_.sizes;
    if (std::find(sizes_.begin(), sizes_.end(), 0U) != sizes_.end()) {
      throw ConfigError("a cache of size 0 cannot be simulated");
    }
    const bool lru =
        !options_.bytes && std::find(options_.policies.begin(), options_.policies.end(), "lru") !=
                               options_.policies.end();
    if (!sizes_.empty() && !(lru && options_.sample == 0) && options_.sample == 0) return;
    const auto reader = open_();
    Say(reader->Guess());
    survey_ = Survey(*reader);
    if (survey_.requests == 0) throw ConfigError("the trace has no requests");
    if (sizes_.empty()) SpaceSizes();
    if (lru && options_.sample == 0) {
      const std::uint64_t needs = survey_.distinct * 92 + (64 << 10);
      Say(fmt::format(
          "exact stack distances will need about {} ({} requests, about {} distinct keys)",
          FormatBytes(needs), survey_.requests, survey_.distinct));
      RequireMemory("an exact curve", needs, options_.memory_limit);
    }
  }

  void SpaceSizes() {
    double most = static_cast<double>(std::max<std::uint64_t>(survey_.distinct, 1));
    double least = std::max(10.0, most / 1000);
    if (options_.bytes) {
      const double mean =
          static_cast<double>(survey_.bytes) / static_cast<double>(survey_.requests);
      most *= mean, least *= mean;
    }
    least = std::min(least, most);
    const unsigned points = std::clamp(options_.points, 2U, 10000U);
    for (unsigned i = 0; i < points; ++i) {
      const double part = static_cast<double>(i) / (points - 1);
      const auto size =
          static_cast<std::uint64_t>(std::llround(least * std::pow(most / least, part)));
      if (sizes_.empty() || size > sizes_.back())
        sizes_.push_back(std::max<std::uint64_t>(size, 1));
    }
  }

  /// Hands all gets of the trace on.
  template <class Counter>
  void Count(Counter& counter) {
    const auto reader = open_();
    Say(reader->Guess());
    std::vector<Request> batch(8192);
    std::uint64_t requests = 0;
    for (std::size_t count = 0; (count = reader->Read(batch)) > 0;) {
      for (std::size_t i = 0; i < count; ++i) {
        if (batch[i].op == TraceOp::kGet) counter.Add(batch[i].id);
      }
      requests += count;
      if (options_.go_on && !options_.go_on(requests)) break;
    }
  }

  void ByDistances(MissRatioCurve& curve) {
    StackDistances distances;
    Count(distances);
    curve.method = "stack distances";
    curve.requests = distances.Requests();
    const double all = std::max(1.0, static_cast<double>(curve.requests));
    for (const std::uint64_t size : sizes_) {
      curve.points.push_back({size, 1.0 - static_cast<double>(distances.Hits(size)) / all});
    }
  }

  void BySample(MissRatioCurve& curve) {
    Shards shards(options_.sample, options_.seed);
    Count(shards);
    curve.method = "SHARDS";
    curve.requests = shards.Requests();
    curve.sampled = shards.Rate();
    for (const std::uint64_t size : sizes_) curve.points.push_back({size, shards.MissRatio(size)});
  }

  void BySimulation(const std::vector<std::size_t>& which, std::vector<MissRatioCurve>& curves) {
    if (which.empty()) return;
    const double rate = options_.sample == 0
                            ? 1.0
                            : std::min(1.0, static_cast<double>(options_.sample) /
                                                static_cast<double>(survey_.distinct));
    SimOptions options;
    for (const std::size_t at : which) {
      for (const std::uint64_t size : sizes_) {
        const auto scaled = std::llround(static_cast<double>(size) * rate);
        options.cells.push_back({.policy = curves[at].policy,
                                 .size = static_cast<std::uint64_t>(std::max(scaled, 1LL)),
                                 .bytes = options_.bytes,
                                 .seed = options_.seed});
      }
    }
    options.say = [this](const std::string& text) { Say(text); };
    options.go_on = options_.go_on;
    options.memory_limit = options_.memory_limit;
    options.threads = options_.threads;
    const TraceOpener sampled = [this, rate]() -> std::unique_ptr<TraceReader> {
      return std::make_unique<SampledReader>(open_(), rate, options_.seed);
    };
    const auto rows = Simulate(rate < 1 ? sampled : open_, options);
    auto row = rows.begin();
    for (const std::size_t at : which) {
      MissRatioCurve& curve = curves[at];
      curve.method = rate < 1 ? "miniature simulation" : "simulation";
      curve.sampled = rate;
      for (const std::uint64_t size : sizes_) {
        curve.requests = row->requests;
        curve.points.push_back({size, 1.0 - (row++)->HitRatio()});
      }
    }
  }

  const TraceOpener& open_;
  const MrcOptions& options_;
  std::vector<std::uint64_t> sizes_;
  TraceSurvey survey_;
  std::string said_;
};

}  // namespace

std::vector<MissRatioCurve> MissRatioCurves(const TraceOpener& open, const MrcOptions& options) {
  return CurveMaker(open, options).Make();
}

}  // namespace perf::cache
