// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "audio_words.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/bench/audio_replay.hpp"
#include "libperf/bench/audio_rtp.hpp"
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

class Rtp final : public Verb {
 public:
  Rtp() : Verb("rtp", "send and receive real RTP over UDP") {}
  void Declare(Flags& flags) override {
    flags.Switch("--send", options_.send,
                 "send streams; with --receive and without --to: to itself");
    flags.Switch("--receive", options_.receive, "receive whatever comes");
    flags.Word("--to", options_.to, "HOST:PORT",
               "where to send (default: the address of --listen)");
    flags.Word("--listen", options_.listen, "HOST:PORT",
               "where to receive (default 127.0.0.1:5004)");
    flags.Count("--streams", options_.streams, "so many to send (default 1)");
    flags.Word("--codec", codec_, "NAME/RATE/CHANNELS",
               "what is sent: PCMU, PCMA or L16 (default PCMU/8000)");
    flags.Word("--send-pt", type_, "TYPE",
               "its payload type (default: the static one, or else 96)");
    flags.Word("--period", period_, "TIME", "what a packet holds (default 20ms)");
    flags.Repeated("--pt", payloads_, "TYPE=NAME/RATE/CHANNELS",
                   "what a received payload type is (repeatable)");
    flags.Word("--buffer", buffer_, "TIME", "depth of the jitter buffers (default: it adapts)");
    flags.Word("--duration", duration_, "TIME", "so long (default 10s)");
    flags.Word("--idle", idle_, "TIME", "end a reception after so much silence");
    flags.Word("--sockets", sockets_, "WHICH",
               "per-thread (default) or per-stream, each with a port of its own");
    flags.Count("--threads", options_.threads, "so many (default: one a core; to receive: one)");
    flags.Word("--file", options_.file, "FILE", "a sound file to send, again and again");
    flags.Word("--sdp", options_.sdp, "FILE",
               "write the description of what is sent (- prints it)");
    flags.Repeated("--allow-host", options_.allow_hosts, "HOST", "may be sent to (repeatable)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioRtpOptions options = options_;
    SetPayloads(payloads_, options.payloads);
    options.shape.period = TimeOf("--period", period_);
    SetCodec(options);
    if (!buffer_.empty()) options.play.buffer = BufferOf(buffer_);
    options.duration = LengthOf("--duration", duration_);
    if (!idle_.empty()) options.idle = TimeOf("--idle", idle_);
    if (sockets_ != "per-thread" && sockets_ != "per-stream") {
      throw UsageError(
          fmt::format("--sockets {}: per-thread or per-stream", Excerpt(sockets_, 40)));
    }
    options.socket_per_stream = sockets_ == "per-stream";
    return [options](const bench::Context& context) { return bench::AudioRtp(options, context); };
  }
  bool TakesStdout() const override { return options_.sdp == "-"; }

 private:
  void SetCodec(bench::AudioRtpOptions& options) const {
    const auto payload = audio::ParsePayload(codec_);
    if (!payload || !payload->Decodable()) {
      throw UsageError(fmt::format(
          "--codec {}: expected such as PCMU/8000, PCMA/8000 or L16/48000/2", Excerpt(codec_, 60)));
    }
    options.shape.payload = *payload;
    const auto type = type_.empty() ? options.payloads.StaticType(*payload).value_or(96)
                                    : ParseInteger(type_).value_or(-1);
    if (type < 0 || type > 127) throw UsageError("--send-pt: from 0 to 127");
    options.shape.type = static_cast<std::uint8_t>(type);
    options.payloads.Set(options.shape.type, *payload);
  }

  bench::AudioRtpOptions options_;
  std::vector<std::string> payloads_;
  std::string codec_ = "PCMU/8000", type_, period_ = "20ms", buffer_, duration_ = "10s", idle_,
              sockets_ = "per-thread";
};

}  // namespace

Verbs RtpVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<Replay>());
  verbs.push_back(std::make_unique<Rtp>());
  return verbs;
}

}  // namespace perf::tool
