// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/bench/cache_advise.hpp"
#include "libperf/bench/cache_mrc.hpp"
#include "libperf/bench/cache_sim.hpp"
#include "libperf/bench/cache_trace.hpp"
#include "libperf/report/cache_chart.hpp"
#include "libperf/report/output_dir.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

const std::vector<std::string> kUsualPolicies{"lru", "s3fifo", "arc", "wtinylfu", "adaptive"};
/// Without TTLs, which traces do not tell, ttl is fifo.
const std::vector<std::string> kAdvisable{"lru",    "fifo", "lfu",      "sieve",
                                          "s3fifo", "arc",  "wtinylfu", "adaptive"};

/// How a trace is to be read, and how large caches are.
struct TraceFlags {
  std::string format = "auto", limit, line_bytes;
  cache::TraceOptions options;
  std::vector<std::string> policies, sizes;
  bool bytes = false;
  std::size_t threads = 0;

  void Declare(Flags& flags) {
    formats_ = "how the trace is written:";
    for (const std::string_view name : cache::TraceFormatNames()) formats_.append(" ").append(name);
    flags.Word("--format", format, "F", formats_.c_str());
    flags.Word("--key", options.key_column, "COLUMN", "csv: name or number of the keys' column");
    flags.Word("--size-column", options.size_column, "COLUMN", "csv: that of the sizes");
    flags.Word("--line-bytes", line_bytes, "N",
               "address: bytes of a line of the cache (default 1)");
    flags.Word("--limit", limit, "N", "stop after so many requests");
    flags.Words("--policy", policies,
                "policies, all or online (default lru,s3fifo,arc,wtinylfu,adaptive)");
    flags.Switch("--bytes", bytes, "sizes are bytes, as the trace tells them");
    flags.Count("--threads", threads, "so many (default: one a processor)");
  }
  cache::TraceOptions Options() const {
    cache::TraceOptions read = options;
    read.format = bench::TraceFormatOf(format);
    if (!limit.empty()) read.limit = CountOf("--limit", limit);
    if (!line_bytes.empty()) read.line_bytes = CountOf("--line-bytes", line_bytes);
    return read;
  }
  std::vector<std::string> Policies() const {
    return bench::SimPolicyNames(policies.empty() ? kUsualPolicies : policies);
  }
  std::vector<std::uint64_t> Sizes() const {
    std::vector<std::uint64_t> all;
    for (const std::string& word : sizes) all.push_back(SizeOf("--size", word));
    return all;
  }
  std::uint64_t SizeOf(const std::string& flag, const std::string& word) const {
    return bytes ? BytesOf(flag, word) : CountOf(flag, word);
  }

 private:
  std::string formats_;
};

class Sim final : public Verb {
 public:
  Sim() : Verb("sim", "replay traces through policies and count the hits") {}
  void Declare(Flags& flags) override {
    flags.Repeated("--trace", options_.traces, "FILE", "a trace; - is standard input (repeatable)");
    flags.Words("--size", trace_.sizes, "sizes of the cache, in entries");
    trace_.Declare(flags);
    flags.Repeated("--require", requires_, "BOUND",
                   "48%, adaptive>=48% or adaptive>=lru-0.5%: exit code 99 where it does not hold");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheSimOptions options = options_;
    options.format = trace_.Options();
    options.policies = trace_.Policies();
    options.sizes = trace_.Sizes();
    options.bytes = trace_.bytes;
    options.threads = static_cast<unsigned>(trace_.threads);
    for (const std::string& word : requires_) {
      options.requirements.push_back(bench::ParseRequirement(word));
    }
    if (options.traces.empty()) throw UsageError("sim: a trace is missing: --trace FILE");
    if (options.sizes.empty()) throw UsageError("sim: a size is missing: --size N,…");
    return [options](const bench::Context& context) { return bench::CacheSim(options, context); };
  }

 private:
  bench::CacheSimOptions options_;
  TraceFlags trace_;
  std::vector<std::string> requires_;
};

class Mrc final : public Verb {
 public:
  Mrc() : Verb("mrc", "draw the miss ratio of each policy over sizes of the cache") {}
  void Declare(Flags& flags) override {
    flags.Word("--trace", options_.trace, "FILE", "the trace (default -: standard input)");
    flags.Words("--size", trace_.sizes, "these sizes, instead of --points of them");
    trace_.Declare(flags);
    flags.Count("--points", points_, "so many sizes up to all keys (default 20)");
    flags.Words("--method", methods_, "exact, sampled or both (default exact)");
    flags.Word("--sample", sample_, "N", "sampled: keys that are followed (default 8192)");
    flags.Word("--svg", svg_, "FILE", "draw the curves into this file, too");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheMrcOptions options = options_;
    options.format = trace_.Options();
    options.policies = trace_.Policies();
    options.sizes = trace_.Sizes();
    options.bytes = trace_.bytes;
    options.threads = static_cast<unsigned>(trace_.threads);
    options.points = static_cast<unsigned>(points_);
    options.sample = CountOf("--sample", sample_);
    options.exact = options.sampled = false;
    for (const std::string& method : methods_) {
      if (method == "exact") {
        options.exact = true;
      } else if (method == "sampled") {
        options.sampled = true;
      } else {
        throw UsageError(fmt::format("--method {}: exact or sampled", Excerpt(method, 40)));
      }
    }
    return [options, svg = svg_](const bench::Context& context) {
      if (svg.empty()) return bench::CacheMrc(options, context);
      const std::size_t slash = svg.find_last_of('/');
      // Tried before the work, so that a place that cannot be written is known early.
      const report::OutputDir place(
          slash == std::string::npos ? "." : svg.substr(0, std::max<std::size_t>(slash, 1)), "mrc");
      const load::Result result = bench::CacheMrc(options, context);
      place.Write(svg.substr(slash + 1), report::ChartSvg(report::MissRatioChart(result)));
      return result;
    };
  }
  std::string Advice(const load::Result& result) const override {
    return "\n" + report::ChartText(report::MissRatioChart(result));
  }

 private:
  bench::CacheMrcOptions options_;
  TraceFlags trace_;
  std::size_t points_ = 20;
  std::vector<std::string> methods_{"exact"};
  std::string sample_ = "8192", svg_;
};

class Advise final : public Verb {
 public:
  Advise() : Verb("advise", "the smallest cache and the best policy for a wanted hit ratio") {}
  void Declare(Flags& flags) override {
    flags.Word("--trace", options_.trace, "FILE", "the trace (default -: keys on standard input)");
    flags.Word("--hit-ratio", ratio_, "SHARE", "what is wanted (default 80%)");
    flags.Word("--max-size", most_, "N", "the largest cache that may be");
    flags.Word("--entry-bytes", entry_, "BYTES",
               "key and value of an entry, where the trace tells no sizes");
    trace_.Declare(flags);
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::CacheAdviseOptions options = options_;
    options.format = trace_.Options();
    options.policies =
        bench::SimPolicyNames(trace_.policies.empty() ? kAdvisable : trace_.policies);
    for (const std::string& name : options.policies) bench::OnlinePolicyName(name);
    options.hit_ratio = ShareOf("--hit-ratio", ratio_);
    options.bytes = trace_.bytes;
    if (!most_.empty()) options.max_size = trace_.SizeOf("--max-size", most_);
    if (!entry_.empty()) options.entry_bytes = BytesOf("--entry-bytes", entry_);
    options.threads = static_cast<unsigned>(trace_.threads);
    return
        [options](const bench::Context& context) { return bench::CacheAdvise(options, context); };
  }
  std::string Advice(const load::Result& result) const override {
    return bench::CacheLines(result);
  }

 private:
  bench::CacheAdviseOptions options_;
  TraceFlags trace_;
  std::string ratio_ = "80%", most_, entry_;
};

}  // namespace

Verbs TraceVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<Sim>());
  verbs.push_back(std::make_unique<Mrc>());
  verbs.push_back(std::make_unique<Advise>());
  return verbs;
}

}  // namespace perf::tool
