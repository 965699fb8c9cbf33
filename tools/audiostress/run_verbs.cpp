// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "audio_words.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/audio_capacity.hpp"
#include "libperf/bench/audio_compare.hpp"
#include "libperf/bench/audio_faults.hpp"
#include "libperf/bench/audio_memory.hpp"
#include "libperf/bench/audio_run.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

/// What streams are like, for all verbs that drive some.
class TrialFlags {
 public:
  /// What streams are like.
  void DeclareShape(Flags& flags) {
    flags.Word("--format", format_, "F", "sample type, rate, channels (default s16:24000:1)");
    flags.Word("--period", period_, "TIME", "that one packet holds (default 20ms)");
    flags.Word("--buffer", buffer_, "TIME", "that a stream may hold (default 200ms)");
  }
  /// And how they are driven.
  void Declare(Flags& flags) {
    DeclareShape(flags);
    flags.Word("--fill", fill_, "TIME", "that it holds when it begins (default: half of that)");
    flags.Word("--budget", budget_, "SIZE", "for all streams (default 512MiB)");
    flags.Word("--producer", producer_, "KIND",
               "thread, inline, burst, rtp or file (default thread)");
    flags.Word("--input", options_.input, "FILE", "file: the sound that the packets carry");
    flags.Count("--cores", options_.cores, "so many, with a pacer each (default: all)");
  }
  bench::AudioTrialOptions Options() const {
    bench::AudioTrialOptions options = options_;
    options.format = AudioFormatOf("--format", format_);
    options.period = DurationOf("--period", period_);
    options.buffer = DurationOf("--buffer", buffer_);
    if (!fill_.empty()) options.fill = DurationOf("--fill", fill_);
    options.budget = BytesOf("--budget", budget_);
    options.producer = bench::AudioProducerByName(producer_);
    if ((producer_ == "file") != !options.input.empty()) {
      throw UsageError("--producer file and --input FILE go together");
    }
    bench::Check(options);
    return options;
  }

 private:
  bench::AudioTrialOptions options_;
  std::string format_ = "s16:24000:1", period_ = "20ms", buffer_ = "200ms", fill_,
              budget_ = "512MiB", producer_ = "thread";
};

class RunVerb final : public Verb {
 public:
  RunVerb() : Verb("run", "drive streams; what came late, was not there, lost, torn or leaked") {}
  void Declare(Flags& flags) override {
    flags.Word("--streams", streams_, "N", "so many (default 1000; virtual: 4)");
    trial_.Declare(flags);
    flags.Word("--duration", duration_, "TIME", "in real time (default 60s)");
    flags.Switch("--virtual", virtual_, "in virtual time, as fast as it goes");
    flags.Word("--hours", hours_, "H", "of virtual time (default 1)");
    flags.Word("--close", close_, "SHARE", "close so many at the end, and watch memory come back");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioRunOptions options;
    options.trial = trial_.Options();
    options.trial.streams = CountOf("--streams", !streams_.empty() ? streams_
                                                 : virtual_        ? "4"
                                                                   : "1000");
    options.duration = LengthOf("--duration", duration_);
    if (virtual_) {
      options.hours = NumberOf("--hours", hours_, 10'000);
      if (options.hours <= 0) throw UsageError("--hours: more than none");
    }
    if (!close_.empty()) options.close = ShareOf("--close", close_);
    return [options](const bench::Context& context) { return bench::AudioRun(options, context); };
  }

 private:
  TrialFlags trial_;
  std::string streams_, duration_ = "60s", hours_ = "1", close_;
  bool virtual_ = false;
};

class Capacity final : public Verb {
 public:
  Capacity() : Verb("capacity", "the largest number of streams that the machine carries") {}
  void Declare(Flags& flags) override {
    flags.Word("--late-p99", late_, "TIME", "lateness allowed to 99 of 100 frames (default 5ms)");
    trial_.Declare(flags);
    flags.Word("--from", from_, "N", "streams to begin with (default 8000)");
    flags.Word("--most", most_, "N", "do not try more (default 1e6)");
    flags.Word("--duration", length_, "TIME", "of each trial (default 3s)");
    flags.Word("--confirm", confirmation_, "TIME", "of the run that confirms (default 10s)");
    flags.Word("--require", required_, "N", "at least so many streams");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioCapacityOptions options;
    options.trial = trial_.Options();
    options.late_p99 = DurationOf("--late-p99", late_);
    options.length = LengthOf("--duration", length_);
    options.confirmation = LengthOf("--confirm", confirmation_);
    options.from = CountOf("--from", from_);
    options.most = CountOf("--most", most_);
    if (!required_.empty()) options.required = CountOf("--require", required_);
    return
        [options](const bench::Context& context) { return bench::AudioCapacity(options, context); };
  }

 private:
  TrialFlags trial_;
  std::string late_ = "5ms", from_ = "8000", most_ = "1e6", length_ = "3s", confirmation_ = "10s",
              required_;
};

class Memory final : public Verb {
 public:
  Memory() : Verb("memory", "what a stream takes, beside one std::vector for each") {}
  void Declare(Flags& flags) override {
    trial_.DeclareShape(flags);
    flags.Word("--fill", fill_, "TIME", "that waits in each stream (default: the whole buffer)");
    flags.Word("--from", from_, "N", "streams at which the slope begins (default 1000)");
    flags.Word("--to", to_, "N", "and at which it ends (default 10000)");
    flags.Word("--burst", burst_, "TIME", "of speech that comes at once (default 7s; 0: none)");
    flags.Word("--cold", cold_, "KIND", "how it waits: none, flac, opus, g711 (default flac)");
    flags.Word("--input", input_, "FILE", "the speech (default: a voice of our own)");
    flags.Word("--require", required_, "SHARE", "saved of the naive design's bytes at least");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioMemoryOptions options;
    options.trial = trial_.Options();
    options.trial.input = input_;
    if (!fill_.empty()) options.trial.fill = DurationOf("--fill", fill_);
    options.from = CountOf("--from", from_);
    options.to = CountOf("--to", to_);
    options.burst = DurationOf("--burst", burst_);
    options.cold = ColdKindOf("--cold", cold_);
    if (!required_.empty()) options.required = ShareOf("--require", required_);
    return
        [options](const bench::Context& context) { return bench::AudioMemory(options, context); };
  }

 private:
  TrialFlags trial_;
  std::string fill_, from_ = "1000", to_ = "10000", burst_ = "7s", cold_ = "flac", input_,
                     required_;
};

class Compare final : public Verb {
 public:
  Compare() : Verb("compare", "the same packets through different buffers") {}
  void Declare(Flags& flags) override {
    flags.Words("--impl", options_.impls, "mutex, spsc, slots, mirror (default all)");
    flags.Word("--streams", streams_, "N", "so many (default 10000)");
    trial_.Declare(flags);
    flags.Count("--rounds", options_.rounds, "so many, in turns (default 3)");
    flags.Word("--duration", length_, "TIME", "of virtual time, each (default 10s)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioCompareOptions options = options_;
    options.trial = trial_.Options();
    options.trial.streams = CountOf("--streams", streams_);
    options.length = LengthOf("--duration", length_);
    return
        [options](const bench::Context& context) { return bench::AudioCompare(options, context); };
  }

 private:
  bench::AudioCompareOptions options_;
  TrialFlags trial_;
  std::string streams_ = "10000", length_ = "10s";
};

class Faults final : public Verb {
 public:
  Faults() : Verb("faults", "ten bugs that other audio buffers had, tried on ours") {}
  void Declare(Flags& flags) override {
    what_ = "which (default all):";
    for (const std::string& name : bench::AudioFaultCases()) what_ += " " + name;
    flags.Words("--case", options_.cases, what_.c_str());
    flags.Word("--rounds", rounds_, "N", "of what is done again and again (default 1000)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioFaultsOptions options = options_;
    options.rounds = CountOf("--rounds", rounds_);
    return
        [options](const bench::Context& context) { return bench::AudioFaults(options, context); };
  }

 private:
  bench::AudioFaultsOptions options_;
  std::string what_, rounds_ = "1000";
};

}  // namespace

Verbs RunVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<RunVerb>());
  verbs.push_back(std::make_unique<Capacity>());
  verbs.push_back(std::make_unique<Memory>());
  verbs.push_back(std::make_unique<Compare>());
  verbs.push_back(std::make_unique<Faults>());
  return verbs;
}

}  // namespace perf::tool
