// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/bench/cache_run.hpp"
#include "libperf/bench/cache_snapshot.hpp"
#include "libperf/bench/cache_trace.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

/// "95/5/0": reads, writes, removes.
void SetMix(const std::string& word, bench::CacheWorkloadOptions& load) {
  std::vector<std::int64_t> shares;
  for (const std::string_view part : Split(word, '/')) {
    shares.push_back(ParseInteger(part).value_or(-1));
  }
  shares.resize(std::max<std::size_t>(shares.size(), 3));
  std::int64_t sum = 0;
  bool wrong = shares.size() > 3;
  for (const std::int64_t share : shares) {
    wrong |= share < 0 || share > 100;
    sum += share;
  }
  if (wrong || sum != 100) {
    throw UsageError(
        fmt::format("--mix {}: expected percent of reads, writes and removes, such as 95/4/1",
                    Excerpt(word, 40)));
  }
  load.writes = static_cast<unsigned>(shares[1]);
  load.removes = static_cast<unsigned>(shares[2]);
}

/// "100", "100-4096" or "pareto:100-4096".
void SetValues(const std::string& word, bench::CacheWorkloadOptions& load) {
  const bool pareto = word.starts_with("pareto:");
  const std::string sizes = pareto ? word.substr(7) : word;
  const std::vector<std::string_view> ends = Split(sizes, '-');
  if (ends.size() > 2 || (pareto && ends.size() == 1)) {
    throw UsageError(fmt::format("--value {}: expected such as 100, 100-4096 or pareto:100-64KiB",
                                 Excerpt(word, 40)));
  }
  load.value_sizes = pareto ? "pareto" : ends.size() == 2 ? "uniform" : "fixed";
  load.value_min = BytesOf("--value", std::string(ends.front()));
  load.value_max = BytesOf("--value", std::string(ends.back()));
}

class RunVerb final : public Verb {
 public:
  RunVerb() : Verb("run", "gets, puts and removes on many threads, beside a mutex LRU") {}
  void Declare(Flags& flags) override {
    bench::CacheWorkloadOptions& load = options_.workload;
    flags.Counts("--threads", options_.threads, "numbers of threads (default 1,2,4,8)");
    flags.Words("--policy,--subject", options_.subjects,
                "policies, and mutex-lru (default sieve,adaptive,lru,mutex-lru)");
    flags.Word("--keys", keys_, "N", "keys that there are (default 1e6)");
    flags.Word("--capacity", capacity_, "N", "entries of the cache; 0: only --bytes (default 1e5)");
    flags.Word("--bytes", bytes_, "BYTES", "keys, values and overhead of the cache");
    flags.Word("--distribution", load.distribution, "NAME",
               "zipf, uniform, scan, hotspot or mixed (default zipf)");
    flags.Word("--zipf", zipf_, "S", "exponent (default 0.99)");
    flags.Word("--mix", mix_, "R/W/D", "percent of reads, writes, removes (default 100/0/0)");
    flags.Switch("--no-put", no_put_, "a read that misses does not put the value");
    flags.Word("--key", key_, "BYTES", "of a key (default 16)");
    flags.Word("--value", value_, "BYTES", "100, 100-4096 or pareto:100-64KiB (default 100)");
    flags.Word("--ttl", ttl_, "TIME", "of an entry (default: none)");
    flags.Word("--shards", shards_, "N", "of the cache (default: its own choice)");
    flags.Word("--warmup", warmup_, "TIME", "of each at each number of threads (default 2s)");
    flags.Word("--duration", length_, "TIME", "of each repeat (default 2s)");
    flags.Count("--repeat", options_.repeats, "so many, in turns (default 3)");
    flags.Word("--operations", operations_, "N", "at most so many in a repeat");
    flags.Word("--require", least_, "RATIO",
               "each at least so many times mutex-lru's operations per second of processor time");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheRunOptions options = options_;
    bench::CacheWorkloadOptions& load = options.workload;
    for (const std::string& name : options.subjects) {
      if (name != "mutex-lru") bench::OnlinePolicyName(name);
    }
    load.keys = CountOf("--keys", keys_);
    load.zipf = NumberOf("--zipf", zipf_, 10);
    load.key_bytes = BytesOf("--key", key_);
    load.put_on_miss = !no_put_;
    SetMix(mix_, load);
    SetValues(value_, load);
    options.capacity = capacity_ == "0" ? 0 : CountOf("--capacity", capacity_);
    if (!bytes_.empty()) options.max_bytes = BytesOf("--bytes", bytes_);
    if (!shards_.empty())
      options.shards = static_cast<unsigned>(NumberOf("--shards", shards_, 256));
    if (!ttl_.empty()) options.ttl = DurationOf("--ttl", ttl_);
    options.warmup = DurationOf("--warmup", warmup_);
    options.length = DurationOf("--duration", length_);
    if (!operations_.empty()) options.operations = CountOf("--operations", operations_);
    if (!least_.empty()) options.at_least = NumberOf("--require", least_, 1000);
    return [options](const bench::Context& context) { return bench::CacheRun(options, context); };
  }

 private:
  bench::CacheRunOptions options_;
  std::string keys_ = "1e6", capacity_ = "1e5", bytes_, zipf_ = "0.99", mix_ = "100/0/0",
              key_ = "16", value_ = "100", ttl_, shards_, warmup_ = "2s", length_ = "2s",
              operations_, least_;
  bool no_put_ = false;
};

class Snapshot final : public Verb {
 public:
  Snapshot() : Verb("snapshot", "write what a cache holds to a file; start warm from one") {}
  void Declare(Flags& flags) override {
    flags.Positional("action", action_, "save|load", "save or load");
    flags.Positional("file", options_.file, "FILE", "the snapshot");
    flags.Word("--replay,--trace", options_.trace, "FILE",
               "the trace (default: a million zipf-distributed look-ups)");
    flags.Word("--format", format_, "F", "as in sim (default auto)");
    flags.Word("--size", size_, "N", "entries of the cache (default 10000)");
    flags.Word("--policy", options_.policy, "NAME", "of the cache (default adaptive)");
    flags.Word("--value-bytes", value_, "BYTES", "of each value (default 100)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheSnapshotOptions options = options_;
    options.format.format = bench::TraceFormatOf(format_);
    options.policy = bench::OnlinePolicyName(options.policy);
    options.size = CountOf("--size", size_);
    options.value_bytes = BytesOf("--value-bytes", value_);
    if (action_ != "save" && action_ != "load") {
      throw UsageError(fmt::format("snapshot {}: save or load", Excerpt(action_, 40)));
    }
    return [options, save = action_ == "save"](const bench::Context& context) {
      return save ? bench::SnapshotSave(options, context) : bench::SnapshotLoad(options, context);
    };
  }

 private:
  bench::CacheSnapshotOptions options_;
  std::string action_, format_ = "auto", size_ = "10000", value_ = "100";
};

}  // namespace

Verbs MemoryVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<RunVerb>());
  verbs.push_back(std::make_unique<Snapshot>());
  return verbs;
}

}  // namespace perf::tool
