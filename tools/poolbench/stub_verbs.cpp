// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/bench/pool_micro.hpp"
#include "libperf/bench/pool_verbs.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

class Micro final : public Verb {
 public:
  Micro() : Verb("micro", "acquire and release stub connections, beside baselines") {}
  void Declare(Flags& flags) override {
    flags.Counts("--threads", options_.threads, "numbers of threads (default 1,2,8,32)");
    flags.Counts("--pool", options_.pools, "sizes of the pool (default 32,16)");
    flags.Words("--hold", holds_, "how long each is held, in processor time (default 0,1us,100us)");
    flags.Words("--impl", options_.impls, "of bounded,strict,mutex,fifo (default all)");
    flags.Word("--seconds", seconds_, "N", "of each implementation at each point (default 1)");
    flags.Word("--operations", operations_, "N",
               "so many of each implementation at each point, instead of --seconds");
    flags.Switch("--no-speed-checks", no_speed_, "ratios and fairness are shown, not judged");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::MicroOptions options = options_;
    options.holds.clear();
    for (const std::string& word : holds_) options.holds.push_back(DurationOf("--hold", word));
    options.length = SecondsOf("--seconds", seconds_);
    if (!operations_.empty()) options.operations = CountOf("--operations", operations_);
    options.judge_speed = !no_speed_;
    return [options](const bench::Context& context) { return bench::PoolMicro(options, context); };
  }

 private:
  bench::MicroOptions options_;
  std::vector<std::string> holds_{"0", "1us", "100us"};
  std::string seconds_ = "1", operations_;
  bool no_speed_ = false;
};

class Spike final : public Verb {
 public:
  Spike() : Verb("spike", "a burst of requests on a pool at its minimum") {}
  void Declare(Flags& flags) override {
    flags.Word("--connect-ms", connect_, "MS", "how long a dial takes (default 150)");
    flags.Word("--query-ms", query_, "MS", "how long a request holds its connection (default 2)");
    flags.Count("--min", options_.min, "connections that are open before (default 5)");
    flags.Count("--max", options_.max, "most connections (default 50)");
    flags.Count("--burst", options_.burst, "requests at once (default 50)");
    flags.Count("--dials", options_.dials, "most dials at the same time (default 10)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::SpikeOptions options = options_;
    options.connect = MillisecondsOf("--connect-ms", connect_);
    options.query = MillisecondsOf("--query-ms", query_);
    if (options.min > options.max) throw UsageError("--min is above --max");
    return [options](const bench::Context& context) { return bench::PoolSpike(options, context); };
  }

 private:
  bench::SpikeOptions options_;
  std::string connect_ = "150", query_ = "2";
};

class Leak final : public Verb {
 public:
  Leak() : Verb("leak", "who holds a connection for too long is named, once") {}
  void Declare(Flags& flags) override {
    flags.Word("--hold", hold_, "TIME", "how long it is held (default 200ms)");
    flags.Word("--threshold", threshold_, "TIME", "of the pool (default 100ms)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::LeakOptions options;
    options.hold = DurationOf("--hold", hold_);
    options.threshold = DurationOf("--threshold", threshold_);
    return [options](const bench::Context& context) { return bench::PoolLeak(options, context); };
  }

 private:
  std::string hold_ = "200ms", threshold_ = "100ms";
};

class Exhaust final : public Verb {
 public:
  Exhaust() : Verb("exhaust", "an acquire that fails says why") {}
  void Declare(Flags& flags) override {
    what_ = "which (default all):";
    for (const std::string& cause : bench::ExhaustCauses()) what_ += " " + cause;
    flags.Words("--cause", options_.causes, what_.c_str());
  }
  Run Bind(std::optional<std::uint64_t>) override {
    return [options = options_](const bench::Context& context) {
      return bench::PoolExhaust(options, context);
    };
  }

 private:
  bench::ExhaustOptions options_;
  std::string what_;
};

class Pause final : public Verb {
 public:
  Pause() : Verb("pause", "pause waits for what is lent; then everybody goes on") {}
  void Declare(Flags& flags) override {
    flags.Count("--threads", options_.threads, "borrowers (default 8)");
    flags.Count("--pool", options_.pool, "connections (default 4)");
    flags.Word("--hold", hold_, "TIME", "how long each is held (default 2ms)");
    flags.Word("--drain", drain_, "TIME", "how long pause may wait (default 5s)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::PauseOptions options = options_;
    options.hold = DurationOf("--hold", hold_);
    options.drain = DurationOf("--drain", drain_);
    return [options](const bench::Context& context) { return bench::PoolPause(options, context); };
  }

 private:
  bench::PauseOptions options_;
  std::string hold_ = "2ms", drain_ = "5s";
};

class Fork final : public Verb {
 public:
  Fork() : Verb("fork", "a forked child leaves its parent's pool alone") {}
  void Declare(Flags&) override {}
  Run Bind(std::optional<std::uint64_t>) override {
    return [](const bench::Context& context) { return bench::PoolFork(context); };
  }
};

}  // namespace

Verbs StubVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<Micro>());
  verbs.push_back(std::make_unique<Spike>());
  verbs.push_back(std::make_unique<Leak>());
  verbs.push_back(std::make_unique<Exhaust>());
  verbs.push_back(std::make_unique<Pause>());
  verbs.push_back(std::make_unique<Fork>());
  return verbs;
}

}  // namespace perf::tool
