// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/cache/policy/adaptive.hpp"
#include "libperf/cache/policy/arc.hpp"
#include "libperf/cache/policy/lfu.hpp"
#include "libperf/cache/policy/plfu.hpp"
#include "libperf/cache/policy/policy.hpp"
#include "libperf/cache/policy/queue.hpp"
#include "libperf/cache/policy/s3fifo.hpp"
#include "libperf/cache/policy/sieve.hpp"
#include "libperf/cache/policy/ttl.hpp"
#include "libperf/cache/policy/wtinylfu.hpp"

namespace perf::cache {

namespace {

using Maker = std::unique_ptr<Policy> (*)(const PolicyOptions&);

template <class P>
std::unique_ptr<Policy> Make(const PolicyOptions& options) {
  return std::make_unique<P>(options.limits);
}

std::unique_ptr<Policy> MakeAdaptive(const PolicyOptions& options) {
  return std::make_unique<Adaptive>(options.limits, options.seed,
                                    std::dynamic_pointer_cast<AdaptiveGroup>(options.group));
}

// Another policy is one line in each of the two, at the same place.
constexpr std::array kKinds = {
    PolicyKind{"lru", "least recently used"},
    PolicyKind{"fifo", "first in, first out"},
    PolicyKind{"lfu", "least frequently used since it came; ties by least recent use"},
    PolicyKind{"sieve", "SIEVE: one queue, a visited bit and a moving hand"},
    PolicyKind{"s3fifo", "S3-FIFO: small, main and ghost queues"},
    PolicyKind{"arc", "ARC: balances recency and frequency by its ghosts"},
    PolicyKind{"wtinylfu", "W-TinyLFU with a fixed window of 1 %"},
    PolicyKind{"adaptive", "learns which of six rules of LRU, LIRS and S3-FIFO pays"},
    PolicyKind{"ttl", "what expires first goes first"},
    PolicyKind{"plfu", "perfect LFU: counts over the whole history (simulation only)", false},
};
constexpr std::array<Maker, kKinds.size()> kMakers = {
    Make<Lru>, Make<Fifo>,     Make<Lfu>,    Make<Sieve>, Make<S3Fifo>,
    Make<Arc>, Make<WTinyLfu>, MakeAdaptive, Make<Ttl>,   Make<Plfu>,
};

}  // namespace

std::span<const PolicyKind> PolicyKinds() noexcept { return kKinds; }

std::unique_ptr<Policy> MakePolicy(std::string_view name, const PolicyOptions& options) {
  if (options.limits.entries == 0 && options.limits.weight == 0) {
    throw ConfigError("a cache needs a bound: entries, bytes or both");
  }
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].name == name) return kMakers[i](options);
    names.push_back(kKinds[i].name);
  }
  const std::string_view near = Suggest(name, names);
  throw ConfigError(fmt::format("no policy \"{}\"{} (there are: {})", Excerpt(name, 40),
                                near.empty() ? "" : fmt::format("; did you mean {}?", near),
                                fmt::join(names, ", ")));
}

std::shared_ptr<PolicyGroup> MakePolicyGroup(std::string_view name, const PolicyOptions& options,
                                             std::uint64_t parts) {
  if (name != "adaptive") return nullptr;
  return std::make_shared<AdaptiveGroup>(options.limits, parts, options.seed);
}

}  // namespace perf::cache
