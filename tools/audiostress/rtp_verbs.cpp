// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/bench/audio_replay.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

/// Milliseconds without a unit.
Duration TimeOf(const std::string& flag, const std::string& word) {
  return ParseNumber(word) ? MillisecondsOf(flag, word) : DurationOf(flag, word);
}

Duration BufferOf(const std::string& word) {
  const Duration buffer = TimeOf("--buffer", word);
  if (buffer > std::chrono::seconds(60)) throw UsageError("--buffer: at most 60s");
  return buffer;
}

/// Of --pt.
void SetPayloads(const std::vector<std::string>& words, audio::RtpPayloadMap& payloads) {
  for (const std::string& word : words) {
    if (payloads.Set(word)) continue;
    throw UsageError(
        fmt::format("--pt {}: expected such as 125=PCMU/8000/2: payload type, name, "
                    "clock rate, channels",
                    Excerpt(word, 60)));
  }
}

class Replay final : public Verb {
 public:
  Replay() : Verb("replay", "play recorded RTP through the jitter buffer, in virtual time") {}
  void Declare(Flags& flags) override {
    flags.Positional("FILE", options_.file, "FILE",
                     "an rtpdump, a pcap, a WAV; - is standard input");
    flags.Repeated("--pt", payloads_, "TYPE=NAME/RATE/CHANNELS",
                   "what a payload type is, such as 125=PCMU/8000/2 (repeatable)");
    flags.Word("--buffer", buffer_, "TIME",
               "depth of the jitter buffer, such as 60ms (default: it adapts)");
    flags.Word("--period", period_, "TIME", "what is played at a time (default 20ms)");
    flags.Word("--loss", loss_, "SHARE", "lose so many packets on the way, such as 2%");
    flags.Word("--jitter", jitter_, "TIME",
               "delay each packet by an exponential time of this mean");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioReplayOptions options = options_;
    SetPayloads(payloads_, options.payloads);
    if (!buffer_.empty()) options.play.buffer = BufferOf(buffer_);
    options.play.period = TimeOf("--period", period_);
    if (options.play.period < std::chrono::milliseconds(1) ||
        options.play.period > std::chrono::seconds(1)) {
      throw UsageError("--period: from 1ms to 1s");
    }
    if (!loss_.empty()) options.impairment.loss = ShareOf("--loss", loss_);
    if (!jitter_.empty()) options.impairment.jitter = TimeOf("--jitter", jitter_);
    return
        [options](const bench::Context& context) { return bench::AudioReplay(options, context); };
  }

 private:
  bench::AudioReplayOptions options_;
  std::vector<std::string> payloads_;
  std::string buffer_, period_ = "20ms", loss_, jitter_;
};

}  // namespace

Verbs RtpVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<Replay>());
  return verbs;
}

}  // namespace perf::tool
