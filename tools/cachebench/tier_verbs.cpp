// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/bench/cache_chaos.hpp"
#include "libperf/bench/cache_fuzz.hpp"
#include "libperf/bench/cache_stampede.hpp"
#include "libperf/bench/cache_tiers.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

void DeclareServer(Flags& flags, bench::TierServerOptions& server) {
  flags.Word("--redis", server.url, "URL", "the second tier's Redis (default: a private one)");
  flags.Repeated("--allow-host", server.allow_hosts, "HOST",
                 "allow load on this host, which is neither loopback nor private (repeatable)");
}

class Stampede final : public Verb {
 public:
  Stampede() : Verb("stampede", "many threads of many processes want the same absent key") {}
  void Declare(Flags& flags) override {
    flags.Count("--threads", options_.threads, "of each process (default 64)");
    flags.Count("--processes", options_.processes, "so many (default 4)");
    flags.Words("--lock", locks_, "distributed, local (default both)");
    flags.Count("--rounds", options_.rounds, "how often (default 1)");
    flags.Word("--load", load_, "TIME", "how long the source takes (default 200ms)");
    DeclareServer(flags, options_.server);
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheStampedeOptions options = options_;
    if (!locks_.empty()) options.locks = locks_;
    options.load = DurationOf("--load", load_);
    return
        [options](const bench::Context& context) { return bench::CacheStampede(options, context); };
  }

 private:
  bench::CacheStampedeOptions options_;
  std::vector<std::string> locks_;
  std::string load_ = "200ms";
};

class Chaos final : public Verb {
 public:
  Chaos() : Verb("chaos", "races, lost links, clocks that step, a second tier that dies") {}
  void Declare(Flags& flags) override {
    what_ = "which (default all):";
    for (const std::string& name : bench::ChaosCases()) what_ += " " + name;
    flags.Words("--case", options_.cases, what_.c_str());
    flags.Word("--iterations", iterations_, "N", "of each race (default 10000)");
    flags.Count("--caches", options_.caches, "tracking-lost: so many at once (default 100)");
    flags.Word("--down", down_, "TIME", "l2-kill: how long Redis is away (default 10s)");
    flags.Words("--way", ways_, "l2-kill: kill, stop (default kill)");
    DeclareServer(flags, options_.server);
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheChaosOptions options = options_;
    options.iterations = CountOf("--iterations", iterations_);
    options.down = DurationOf("--down", down_);
    if (!ways_.empty()) options.ways = ways_;
    return [options](const bench::Context& context) { return bench::CacheChaos(options, context); };
  }

 private:
  bench::CacheChaosOptions options_;
  std::string what_, iterations_ = "10000", down_ = "10s";
  std::vector<std::string> ways_;
};

class FuzzL2 final : public Verb {
 public:
  FuzzL2() : Verb("fuzz-l2", "damaged values in the second tier are misses, and nothing else") {}
  void Declare(Flags& flags) override {
    flags.Word("--cases", cases_, "N", "so many (default 100000)");
    flags.Count("--threads", options_.threads, "so many (default 4)");
    DeclareServer(flags, options_.server);
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheFuzzOptions options = options_;
    options.cases = CountOf("--cases", cases_);
    return
        [options](const bench::Context& context) { return bench::CacheFuzzL2(options, context); };
  }

 private:
  bench::CacheFuzzOptions options_;
  std::string cases_ = "100000";
};

class Tiers final : public Verb {
 public:
  Tiers() : Verb("tiers", "what memory saves, what Redis saves, what both save") {}
  void Declare(Flags& flags) override {
    flags.Count("--concurrency", options_.concurrency, "threads that look up (default 64)");
    flags.Word("--lookups", lookups_, "N", "so many of each (default 1e6)");
    flags.Word("--guests", guests_, "N", "keys that there are (default 1e5)");
    flags.Word("--zipf", zipf_, "S", "exponent of their popularity (default 1.0)");
    flags.Word("--source", source_, "TIME", "how long the source takes (default 5ms)");
    flags.Word("--memory", memory_, "N", "entries of the memory tier (default 1000)");
    flags.Word("--policy", options_.policy, "NAME", "of the memory tier (default adaptive)");
    flags.Word("--ttl", ttl_, "TIME", "of an entry (default 300s)");
    flags.Words("--tiers", modes_, "both, memory, tier, none (default all)");
    DeclareServer(flags, options_.server);
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheTiersOptions options = options_;
    options.lookups = CountOf("--lookups", lookups_);
    options.guests = CountOf("--guests", guests_);
    options.memory_entries = CountOf("--memory", memory_);
    options.source = DurationOf("--source", source_);
    options.ttl = DurationOf("--ttl", ttl_);
    options.zipf = NumberOf("--zipf", zipf_, 10);
    if (options.guests > 100'000'000) throw UsageError("--guests: at most 1e8");
    if (!modes_.empty()) options.modes = modes_;
    return [options](const bench::Context& context) { return bench::CacheTiers(options, context); };
  }

 private:
  bench::CacheTiersOptions options_;
  std::string lookups_ = "1e6", guests_ = "1e5", memory_ = "1000", zipf_ = "1.0", source_ = "5ms",
              ttl_ = "300s";
  std::vector<std::string> modes_;
};

}  // namespace

Verbs TierVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<Stampede>());
  verbs.push_back(std::make_unique<Chaos>());
  verbs.push_back(std::make_unique<FuzzL2>());
  verbs.push_back(std::make_unique<Tiers>());
  return verbs;
}

}  // namespace perf::tool
