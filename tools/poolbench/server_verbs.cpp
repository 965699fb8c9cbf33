// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/pool_compare.hpp"
#include "libperf/bench/pool_failover.hpp"
#include "libperf/bench/pool_run.hpp"
#include "libperf/bench/pool_size.hpp"
#include "libperf/bench/pool_storm.hpp"
#include "libperf/load/one_liner.hpp"
#include "libperf/load/parse.hpp"
#include "tools/common/bench/words.hpp"
#include "tools/common/program.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

void DeclareAllowHost(Flags& flags, std::vector<std::string>& hosts) {
  flags.Repeated("--allow-host", hosts, "HOST",
                 "allow load on this host, which is neither loopback nor private (repeatable)");
}

/// The flags of verbs that run a scenario.
struct ScenarioFlags {
  std::string file, profile;
  std::vector<std::string> sets, allow_hosts;
  std::size_t loops = 1;

  void Declare(Flags& flags) {
    flags.Positional("scenario", file, "FILE", "scenario in YAML");
    flags.Repeated("--set", sets, "PATH=VALUE", "set a value of the scenario (repeatable)");
    flags.Word("--profile", profile, "NAME", "lay a profile of the scenario over it");
    flags.Count("--loops", loops, "event loops, each on its own thread (default 1)");
    DeclareAllowHost(flags, allow_hosts);
  }
  /// A scenario cannot be copied, a function must be: hence the pointer.
  std::shared_ptr<load::Scenario> Parse(std::optional<std::uint64_t> seed) const {
    load::ParseOptions parse;
    parse.path = file;
    parse.sets = SplitSets(sets);
    parse.profile = profile;
    parse.seed = seed;
    parse.allow_hosts = allow_hosts;
    return std::make_shared<load::Scenario>(load::ParseScenario(parse));
  }
};

class RunVerb final : public Verb {
 public:
  RunVerb() : Verb("run", "run a scenario and show its pools") {}
  void Declare(Flags& flags) override { scenario_.Declare(flags); }
  Run Bind(std::optional<std::uint64_t> seed) override {
    return
        [scenario = scenario_.Parse(seed), loops = scenario_.loops](const bench::Context& context) {
          load::RunOptions run;
          run.threads = loops;
          run.stop = context.stop;
          run.on_phase = context.on_phase;
          return bench::PoolRun(*scenario, run);
        };
  }

 private:
  ScenarioFlags scenario_;
};

class Size final : public Verb {
 public:
  Size() : Verb("size", "run a scenario with pools of many sizes and recommend one") {}
  void Declare(Flags& flags) override {
    scenario_.Declare(flags);
    flags.Word("--target", options_.target, "NAME", "whose pool (default: the only target's)");
    flags.Word("--sizes", sizes_, "N,…",
               "such as 1,2,4 or 1-16 (default: up to pool.max, each a third more)");
    flags.Count("--rounds", options_.rounds, "runs of each size (default 5)");
  }
  Run Bind(std::optional<std::uint64_t> seed) override {
    bench::SizeOptions options = options_;
    options.threads = scenario_.loops;
    if (!sizes_.empty()) options.sizes = SizesOf(sizes_);
    return [options, scenario = scenario_.Parse(seed)](const bench::Context& context) {
      return bench::PoolSize(std::move(*scenario), options, context);
    };
  }
  std::string Advice(const load::Result& result) const override { return bench::SizeLines(result); }

 private:
  ScenarioFlags scenario_;
  bench::SizeOptions options_;
  std::string sizes_;
};

class CompareUnpooled final : public Verb {
 public:
  CompareUnpooled()
      : Verb("compare-unpooled", "what a pool saves of the cost of a connection for each request") {
    postgres_.kind = load::TargetKind::kPostgres;
    redis_.kind = load::TargetKind::kRedis;
    http_.kind = load::TargetKind::kHttp;
  }
  void Declare(Flags& flags) override {
    flags.Word("--postgres", postgres_.url, "URL", "URL, conninfo or 'private'");
    flags.Word("--redis", redis_.url, "URL", "URL or 'private'");
    flags.Word("--http", http_.url, "URL", "http:// or https:// URL, or 'private'");
    flags.Word("--query", postgres_.query, "SQL", "statement (default: select 1)");
    flags.Word("--command", command_, "WORDS", "command in words (default: PING)");
    flags.Word("--ca", http_.ca_file, "FILE", "certificates that are trusted");
    flags.Switch("--insecure", http_.insecure, "do not verify the server's certificate");
    flags.Count("--users", options_.users, "so many at the same time (default 1)");
    flags.Word("--seconds", seconds_, "N", "of each way on each target (default 2)");
    DeclareAllowHost(flags, options_.allow_hosts);
  }
  Run Bind(std::optional<std::uint64_t>) override {
    redis_.command.clear();
    for (const std::string_view word : Split(command_, ' ')) redis_.command.emplace_back(word);
    bench::CompareOptions options = options_;
    options.length = SecondsOf("--seconds", seconds_);
    for (const load::OneLiner* line : {&postgres_, &redis_, &http_}) {
      if (!line->url.empty()) options.targets.push_back(*line);
    }
    if (options.targets.empty()) throw UsageError("name a target: --postgres, --redis or --http");
    return
        [options](const bench::Context& context) { return bench::PoolCompare(options, context); };
  }

 private:
  bench::CompareOptions options_;
  load::OneLiner postgres_, redis_, http_;
  std::string command_ = "PING", seconds_ = "2";
};

class Storm final : public Verb {
 public:
  Storm() : Verb("storm", "all connections break, or grow old, at the same time") {}
  void Declare(Flags& flags) override {
    flags.Count("--conns", options_.conns, "connections (default 64)");
    flags.Count("--dials", options_.dials, "most dials at the same time (default 8)");
    flags.Word("--lifetime", lifetime_, "TIME", "of a connection (default 10s)");
    flags.Word("--jitter", jitter_, "SHARE", "of the lifetime (default 10%)");
    flags.Switch("--no-restart", no_restart_, "not the herd after a restart");
    flags.Switch("--no-lifetimes", no_lifetimes_, "not the herd at the end of the lifetime");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::StormOptions options = options_;
    options.lifetime = DurationOf("--lifetime", lifetime_);
    options.jitter = ShareOf("--jitter", jitter_);
    options.restart = !no_restart_;
    options.lifetimes = !no_lifetimes_;
    return [options](const bench::Context& context) { return bench::PoolStorm(options, context); };
  }

 private:
  bench::StormOptions options_;
  std::string lifetime_ = "10s", jitter_ = "10%";
  bool no_restart_ = false, no_lifetimes_ = false;
};

class Failover final : public Verb {
 public:
  Failover() : Verb("failover", "another server becomes the primary while borrowers write") {}
  void Declare(Flags& flags) override {
    flags.Words("--way", options_.ways, "kill, switch (default both)");
    flags.Count("--conns", options_.conns, "connections and borrowers (default 16)");
    flags.Switch("--no-postgres", no_postgres_, "not PostgreSQL with a replica");
    flags.Switch("--no-redis", no_redis_, "not Redis with three Sentinels");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::FailoverOptions options = options_;
    options.postgres = !no_postgres_;
    options.redis = !no_redis_;
    return
        [options](const bench::Context& context) { return bench::PoolFailover(options, context); };
  }

 private:
  bench::FailoverOptions options_;
  bool no_postgres_ = false, no_redis_ = false;
};

}  // namespace

Verbs ServerVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<RunVerb>());
  verbs.push_back(std::make_unique<CompareUnpooled>());
  verbs.push_back(std::make_unique<Size>());
  verbs.push_back(std::make_unique<Storm>());
  verbs.push_back(std::make_unique<Failover>());
  return verbs;
}

}  // namespace perf::tool
