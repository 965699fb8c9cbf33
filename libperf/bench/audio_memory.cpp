// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_memory.hpp"

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libperf/audio/cold_backlog.hpp"
#include "libperf/backends/speech_voice.hpp"
#include "libperf/base/error.hpp"
#include "libperf/bench/audio_peers.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/fork_crew.hpp"

namespace perf::bench {
namespace {

/// Nobody is refused.
constexpr std::uint64_t kRoom = std::uint64_t{16} << 30U;
constexpr Duration kPatience = std::chrono::minutes(2);
/// Packets that go through each stream while the backlog stays: three seconds of them.
constexpr std::uint64_t kThrough = 150;

/// What one process found; it lies in memory that both see.
struct Seen {
  std::uint64_t rss_from, rss_to;
  std::uint64_t own_bytes;  // as the buffers themselves count it, of all
  bool done;
  double Slope(std::size_t streams) const noexcept {
    return (static_cast<double>(rss_to) - static_cast<double>(rss_from)) /
           static_cast<double>(streams);
  }
};

struct Range {
  std::size_t from, to;
  std::size_t Streams() const noexcept { return to - from; }
};

/// Makes streams one after the other, and looks at the memory at both ends of the range.
void Grow(const Range& range, const std::function<void(std::size_t)>& make, Seen& seen) {
  for (std::size_t i = 0; i < range.to; ++i) {
    if (i == range.from) seen.rss_from = ResidentBytes();
    make(i);
  }
  seen.rss_to = ResidentBytes();
}

/// Lets `work` fill in what it sees in a process of its own, so that no heap is used twice.
Seen Apart(const std::function<void(Seen&)>& work) {
  const SharedMemory memory(sizeof(Seen));
  Seen& seen = *new (memory.Address()) Seen{};
  ForkCrew crew(1, [&](std::size_t) {
    work(seen);
    seen.done = true;
  });
  crew.Await(Deadline::After(Clock::now(), kPatience));
  if (!seen.done) throw Error("a process that measures memory did not come to its end");
  return seen;
}

/// The trace: the backlog, and then one out, one in.
template <typename Write, typename Read>
void Play(std::uint64_t fill, Write write, Read read) {
  for (std::uint64_t i = 0; i < fill; ++i) write(i);
  for (std::uint64_t i = 0; i < kThrough; ++i) {
    read();
    write(fill + i);
  }
}

class Steady {
 public:
  Steady(const AudioMemoryOptions& options, const Context& context)
      : options_(options),
        context_(context),
        packets_(PacketsFor(options.trial)),
        fill_(options.trial.fill ? options.trial.Shape().fill : options.trial.Depth()),
        range_{options.from, options.to} {}

  Seen Ours() const;
  Seen Naive() const;
  std::uint64_t Fill() const noexcept { return fill_; }
  const Range& Its() const noexcept { return range_; }

 private:
  const AudioMemoryOptions& options_;
  const Context& context_;
  const TestPackets packets_;
  const std::uint64_t fill_;
  const Range range_;
};

Seen Steady::Ours() const {
  context_.Phase(fmt::format("{} streams, {} packets in each", range_.to, fill_));
  return Apart([this](Seen& seen) {
    AudioTrialOptions one = options_.trial;
    one.streams = 1;
    audio::Streams home({kRoom, kRoom});
    std::vector<audio::StreamRef> refs(range_.to);
    Grow(
        range_,
        [&](std::size_t i) {
          OpenedStreams opened = Open(home, one);
          if (opened.refs.empty()) throw Error(opened.refusal);
          refs[i] = std::move(opened.refs[0]);
          audio::Stream& stream = *refs[i];
          const auto id = static_cast<std::uint32_t>(i);
          Play(
              fill_,
              [&](std::uint64_t number) {
                packets_.Fill(stream.BeginWrite(), id, number);
                stream.CommitWrite();
              },
              [&] {
                stream.Peek();
                stream.Pop();
              });
        },
        seen);
    for (const audio::StreamRef& ref : refs) seen.own_bytes += ref->UsedBytes();
  });
}

Seen Steady::Naive() const {
  context_.Phase(fmt::format("{} vectors, the same packets", range_.to));
  return Apart([this](Seen& seen) {
    std::vector<NaiveBuffer> buffers(range_.to);
    std::vector<std::byte> packet(packets_.Bytes());
    Grow(
        range_,
        [&](std::size_t i) {
          const auto id = static_cast<std::uint32_t>(i);
          Play(
              fill_,
              [&](std::uint64_t number) {
                packets_.Fill(packet.data(), id, number);
                buffers[i].Write(packet);
              },
              [&] { buffers[i].Read(packet); });
        },
        seen);
    for (const NaiveBuffer& buffer : buffers) seen.own_bytes += buffer.Bytes();
  });
}

/// Speech of the wanted length, from the file or, of 24 kHz s16, from our own voice.
std::vector<std::byte> Speech(const AudioMemoryOptions& options) {
  const audio::AudioFormat& format = options.trial.format;
  const std::size_t bytes = format.BytesOf(format.FramesIn(options.burst));
  std::vector<std::byte> speech;
  if (!options.trial.input.empty()) {
    speech = LoadSound(options.trial.input, format);
  } else {
    const char* const text =
        "Good evening, and welcome to our house. Your room is on the second floor, breakfast is "
        "served from seven to ten, and if you need anything at all, please call the desk. ";
    std::string sound;
    backends::SpokenText spoken(text, "guide");
    spoken.Speak(sound, spoken.Samples());
    const auto all = std::as_bytes(std::span(sound));
    speech.assign(all.begin(), all.end());
  }
  // From the beginning again where it is shorter.
  for (std::size_t i = 0; speech.size() < bytes; ++i) speech.push_back(speech[i]);
  speech.resize(bytes);
  return speech;
}

/// Calls write(packet) with each packet of the speech, as it comes.
template <typename Write>
void Append(std::span<const std::byte> speech, std::size_t packet, Write write) {
  for (; !speech.empty(); speech = speech.subspan(std::min(packet, speech.size()))) {
    write(speech.first(std::min(packet, speech.size())));
  }
}

Seen BurstOurs(const AudioMemoryOptions& options, const Range& range,
               std::span<const std::byte> speech) {
  return Apart([&](Seen& seen) {
    AudioTrialOptions all = options.trial;
    all.streams = range.to;
    audio::Streams home({kRoom, kRoom});
    const OpenedStreams opened = Open(home, all);
    std::deque<audio::ColdBacklog> backlogs;
    audio::ColdBacklog::Options cold;
    cold.cold = options.cold;
    Grow(
        range,
        [&](std::size_t i) {
          audio::ColdBacklog& backlog = backlogs.emplace_back(opened.refs[i], cold);
          Append(speech, all.PacketBytes(),
                 [&](std::span<const std::byte> packet) { backlog.Append(packet); });
          if (backlog.Totals().lost_bytes > 0) throw Error("a backlog lost some of the speech");
        },
        seen);
    for (std::size_t i = 0; i < range.to; ++i) {
      seen.own_bytes += backlogs[i].MemoryBytes() + opened.refs[i]->UsedBytes();
    }
  });
}

Seen BurstNaive(const AudioMemoryOptions& options, const Range& range,
                std::span<const std::byte> speech) {
  return Apart([&](Seen& seen) {
    std::vector<NaiveBuffer> buffers(range.to);
    Grow(
        range,
        [&](std::size_t i) {
          Append(speech, options.trial.PacketBytes(),
                 [&](std::span<const std::byte> packet) { buffers[i].Write(packet); });
        },
        seen);
    for (const NaiveBuffer& buffer : buffers) seen.own_bytes += buffer.Bytes();
  });
}

/// Two rows, and the share of the naive design's bytes that ours saves.
double AddRows(const std::string& what, const std::string& impl, double audio_bytes,
               const Range& range, const Seen& ours, const Seen& naive, Findings& findings) {
  const auto each = [&](const Seen& seen) {
    return static_cast<double>(seen.own_bytes) / static_cast<double>(range.to);
  };
  const double slope = ours.Slope(range.Streams());
  const double saved = 1 - slope / each(naive);
  const auto row = [&](const std::string& name, const Seen& seen, double bytes, Json share) {
    findings.AddRow({{"case", what},
                     {"impl", name},
                     {"streams", std::uint64_t{range.to}},
                     {"audio_bytes", audio_bytes},
                     {"bytes_per_stream", bytes},
                     {"rss_slope", seen.Slope(range.Streams())},
                     {"own_count", each(seen)},
                     {"saved", std::move(share)}});
  };
  row(impl, ours, slope, Json(saved));
  row("naive", naive, each(naive), Json());
  return saved;
}

void RunBurst(const AudioMemoryOptions& options, const Context& context, Findings& findings) {
  context.Phase(fmt::format("{} streams, a burst of {:g} s in each", options.burst_to,
                            ToMs(options.burst) / 1000));
  const std::vector<std::byte> speech = Speech(options);
  const Range range{options.burst_from, options.burst_to};
  const Seen ours = BurstOurs(options, range, speech);
  const Seen naive = BurstNaive(options, range, speech);
  AddRows(fmt::format("burst of {:g} s", ToMs(options.burst) / 1000),
          fmt::format("perfkit, {}", Name(options.cold)), static_cast<double>(speech.size()), range,
          ours, naive, findings);
}

void CheckMemory(const AudioMemoryOptions& options) {
  Check(options.trial);
  if (options.from >= options.to || options.burst_from >= options.burst_to) {
    throw UsageError("--from: fewer streams than --to");
  }
  if (options.burst > Duration::zero() && options.trial.input.empty() &&
      options.trial.format != audio::AudioFormat()) {
    throw UsageError(
        fmt::format("a burst of {}: name a file of speech with --input, or leave it "
                    "out with --burst 0",
                    options.trial.format.ToString()));
  }
  if (options.burst > Duration::zero()) audio::ColdCodec(options.cold, options.trial.format);
}

}  // namespace

load::Result AudioMemory(const AudioMemoryOptions& options, const Context& context) {
  CheckMemory(options);
  Findings findings("audiostress", "memory", context.seed);
  const Steady steady(options, context);
  const Seen ours = steady.Ours();
  const Seen naive = steady.Naive();
  const double audio_bytes =
      static_cast<double>(steady.Fill()) * static_cast<double>(options.trial.PacketBytes());
  const double saved = AddRows(fmt::format("{:g} ms waiting", static_cast<double>(steady.Fill()) *
                                                                  ToMs(options.trial.period)),
                               "perfkit", audio_bytes, steady.Its(), ours, naive, findings);
  findings.AtLeast("share of the naive design's bytes that is saved", saved, options.required,
                   "fraction");
  load::AudioResult audio;
  audio.streams = options.to;
  audio.bytes_per_stream = ours.Slope(steady.Its().Streams());
  findings.SetAudio(audio);
  if (options.burst > Duration::zero() && !context.Stopped()) RunBurst(options, context, findings);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
