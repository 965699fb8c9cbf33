// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <numbers>
#include <thread>

#include "libperf/audio/cold_backlog.hpp"
#include "libperf/audio/converter.hpp"
#include "libperf/audio/jitter_buffer.hpp"
#include "libperf/audio/pacer.hpp"
#include "libperf/audio/rtp/reception.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "libperf/bench/fault_case.hpp"
#include "libperf/bench/fork_crew.hpp"

namespace perf::bench {
namespace {

using Bytes = std::vector<std::byte>;
constexpr Duration kPatience = std::chrono::seconds(20);

/// Does it in a process of its own, which may end badly, and takes over what it found.
void Apart(FaultCase& found, const std::function<void(FaultCase&)>& work) {
  struct Seen {
    std::uint64_t tries, failures;
    std::array<char, 300> text;
  };
  const SharedMemory memory(sizeof(Seen));
  Seen& seen = *new (memory.Address()) Seen{};
  ForkCrew crew(1, [&](std::size_t) {
    FaultCase its(found.Rounds());
    work(its);
    seen.tries = its.Tries();
    seen.failures = its.Failures();
    its.Text().copy(seen.text.data(), seen.text.size() - 1);
  });
  const ForkCrew::Ends ends = crew.Await(Deadline::After(Clock::now(), 2 * kPatience));
  found.Expect(ends.crashed == 0, "the process was ended by a signal");
  found.Expect(ends.well == 1, "the process did not come to its end");
  for (std::uint64_t i = 0; i < seen.tries; ++i) found.Expect(i >= seen.failures, seen.text.data());
  if (seen.failures == 0 && seen.text[0] != '\0') found.Note(seen.text.data());
}

/// How high a sine stands in 16-bit samples.
double HeightAt(double hertz, double rate, std::span<const std::byte> pcm) {
  double in_phase = 0, across = 0;
  const std::size_t count = pcm.size() / 2;
  for (std::size_t i = 0; i < count; ++i) {
    std::int16_t sample = 0;
    std::memcpy(&sample, pcm.data() + 2 * i, 2);
    const double angle = 2 * std::numbers::pi * hertz * static_cast<double>(i) / rate;
    in_phase += sample * std::cos(angle);
    across += sample * std::sin(angle);
  }
  return std::hypot(in_phase, across) / static_cast<double>(std::max<std::size_t>(1, count));
}

Bytes Tone(double hertz, double rate, std::size_t samples) {
  Bytes pcm(2 * samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const auto sample = static_cast<std::int16_t>(std::lround(
        10'000 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate)));
    std::memcpy(pcm.data() + 2 * i, &sample, 2);
  }
  return pcm;
}

Bytes Converted(const audio::AudioFormat& from, const audio::AudioFormat& to,
                std::span<const std::byte> pcm, std::size_t chunk) {
  audio::Converter converter(from, to);
  Bytes out;
  for (; !pcm.empty(); pcm = pcm.subspan(std::min(chunk, pcm.size()))) {
    converter.Convert(pcm.first(std::min(chunk, pcm.size())), out);
  }
  converter.Finish(out);
  return out;
}

/// A directory that goes with its owner.
class Folder {
 public:
  Folder() {
    if (::mkdtemp(path_.data()) == nullptr) throw IoError("mkdtemp " + path_);
  }
  ~Folder() { ::rmdir(path_.c_str()); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& Path() const noexcept { return path_; }

 private:
  std::string path_ = "/tmp/perfkit-audio-XXXXXX";
};

/// A disk of a mebibyte, or a limit of that size on files where no disk may be mounted.
const char* FillDisk(const std::string& path) {
  // The child's own namespaces: what is mounted goes with it.
  if (::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1M") == 0) return "a full tmpfs";
  }
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit most{1U << 20U, 1U << 20U};
  ::setrlimit(RLIMIT_FSIZE, &most);
  return "a limit on the size of files (no tmpfs may be mounted)";
}

void SpillOnFullDisk(const std::string& path, FaultCase& found) {
  const char* const how = FillDisk(path);
  const LoneStream lone;
  audio::ColdBacklog::Options options;
  options.cold = audio::ColdKind::kNone;
  options.spill_above = 100'000;
  options.spill_directory = path;
  audio::ColdBacklog backlog(lone.stream, options);
  const Bytes in = Pattern(8U << 20U);
  found.Expect(backlog.Append(in) == in.size(), "a full disk lost audio");
  found.Expect(backlog.Totals().spilled > 0, "nothing went to the file");
  found.Expect(backlog.Totals().spill_failures > 0, "the full disk was not counted");
  backlog.Finish();
  Bytes out, packet(lone.stream->PacketBytes());
  while (lone.stream->Look(audio::WaitKind::kPacket) != audio::Readiness::kEnded) {
    backlog.Feed();
    if (lone.stream->Fill() == 0) break;
    while (lone.stream->Fill() > 0 && lone.stream->Read(packet)) {
      out.insert(out.end(), packet.begin(), packet.end());
    }
  }
  found.Expect(out.size() >= in.size() && std::equal(in.begin(), in.end(), out.begin()),
               "what came back is not what went in");
  found.Note(fmt::format("{}: {} blocks in it, {} stayed in memory", how,
                         backlog.Totals().spilled.load(), backlog.Totals().spill_failures.load()));
}

/// Whether a pacer of its own thread calls what is due.
bool Paces() {
  struct Counter final : audio::Paced {
    void OnDue(TimePoint) noexcept override { beats.fetch_add(1); }
    std::atomic<int> beats{0};
  } counter;
  audio::Paced* const paced = &counter;
  audio::CoreThreads threads;
  audio::Pacer pacer({audio::UsableCores().front(), std::chrono::milliseconds(1), "poor"}, threads);
  pacer.Add({&paced, 1}, std::chrono::milliseconds(1));
  const TimePoint end = Clock::now() + kPatience;
  while (counter.beats.load() < 20 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  pacer.Stop();
  return counter.beats.load() >= 20;
}

void PaceWithoutFiles(FaultCase& found) {
  found.Expect(Paces(), "the pacer does not run");
  const rlimit few{64, 64};
  ::setrlimit(RLIMIT_NOFILE, &few);
  while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
  }
  found.Expect(Paces(), "without file descriptors the pacer does not run");
  found.Expect(::fcntl(0, F_GETFD) >= 0, "file descriptor 0 was closed");
}

}  // namespace

// jambonz/freeswitch-modules #12, openclaw #32298, flowcat #10: sound of one rate played as
// another.
void FaultRate(FaultCase& found) {
  const audio::AudioFormat high(audio::SampleType::kS16, 24'000, 1);
  const audio::AudioFormat low(audio::SampleType::kS16, 8000, 1);
  const Bytes tone = Tone(1000, 24'000, 48'000);
  const Bytes back = Converted(low, high, Converted(high, low, tone, tone.size()), tone.size());
  found.Expect(back.size() == tone.size(), "the length changed on the way to 8 kHz and back");
  const double peak = HeightAt(1000, 24'000, back);
  for (const double hertz : {250.0, 333.0, 500.0, 2000.0, 3000.0, 4000.0, 7000.0}) {
    found.Expect(HeightAt(hertz, 24'000, back) < peak / 100, "1 kHz is another tone now");
  }
  found.Expect(Converted(high, low, tone, 997) == Converted(high, low, tone, tone.size()),
               "in chunks it sounds different from at once");
  const Folder folder;
  const std::string path = folder.Path() + "/tone.wav";
  const auto writer = audio::CreateSound(path, audio::SoundContainer::kWav, high);
  writer->Write(tone);
  writer->Close();
  bool refused = false;
  try {
    audio::OpenSound(path, audio::AudioFormat(audio::SampleType::kS16, 48'000, 1));
  } catch (const ConfigError&) {
    refused = true;
  }
  ::unlink(path.c_str());
  found.Expect(refused, "a file of 24 kHz is taken as one of 48 kHz");
}

// h2o #909, firebird #8048, mxl PR 300, Fast-DDS PR 1248: SIGBUS where the disk is full.
void FaultFullDisk(FaultCase& found) {
  const Folder folder;
  Apart(found, [&](FaultCase& its) { SpillOnFullDisk(folder.Path(), its); });
}

// xbmc PR 3156, Provenance PR 3195, jsyn PR 47, pihpsdr #118: who waits is never woken.
void FaultCloseWhileBlocked(FaultCase& found) {
  std::atomic<std::int64_t> slowest_ns{0};
  for (std::uint64_t round = 0; round < found.Rounds(); ++round) {
    const LoneStream empty, full;
    while (full.stream->Fill() < full.stream->Depth() && full.stream->BeginWrite() != nullptr) {
      full.stream->CommitWrite();
    }
    std::atomic<TimePoint> closed{TimePoint{}};
    std::atomic<int> waiting{0}, woken{0};
    const auto wait = [&](audio::Stream& stream, audio::WaitKind kind) {
      ++waiting;
      const Deadline deadline = Deadline::After(Clock::now(), kPatience);
      if (stream.Wait(kind, deadline) == audio::Readiness::kClosed) ++woken;
      const std::int64_t took = (Clock::now() - closed.load()).count();
      for (std::int64_t seen = slowest_ns.load();
           took > seen && !slowest_ns.compare_exchange_weak(seen, took);) {
      }
    };
    std::thread reader([&] { wait(*empty.stream, audio::WaitKind::kPacket); });
    std::thread writer([&] { wait(*full.stream, audio::WaitKind::kRoom); });
    while (waiting.load() < 2) std::this_thread::yield();
    closed = Clock::now();
    empty.stream->Close();
    full.stream->Close();
    reader.join();
    writer.join();
    found.Expect(woken.load() == 2, "a close did not wake who waited");
  }
  found.Note(fmt::format("slowest wake {:.1f} ms", ToMs(Duration(slowest_ns.load()))));
}

// livekit/media-sdk PR 86, rvoip PR 21: numbers that jump back mute for minutes, or jitter for
// days.
void FaultSequenceJump(FaultCase& found) {
  constexpr std::size_t kSamples = 160;
  constexpr int kBefore = 295, kAfter = 500;
  audio::JitterBuffer buffer{audio::JitterBufferOptions{}};
  audio::Reception reception(8000);
  std::vector<std::int16_t> samples(kSamples, 1000), out(kSamples);
  std::uint32_t timestamp = 1000;
  int silent = 0;
  for (int i = 0; i < kBefore + kAfter; ++i) {
    const bool after = i >= kBefore;
    if (i == kBefore) timestamp -= 8618U * kSamples;
    const auto sequence = static_cast<std::uint16_t>(after ? 12'676 + i - kBefore : 21'000 + i);
    const Duration at = i * std::chrono::milliseconds(20);
    reception.Add(sequence, timestamp, at, kSamples);
    buffer.Push({7, timestamp, sequence, samples}, TimePoint() + at);
    buffer.Pull(TimePoint() + at, out);
    timestamp += kSamples;
    const bool heard = std::any_of(out.begin(), out.end(), [](auto value) { return value != 0; });
    if (after && !heard) ++silent;
  }
  found.Expect(silent < 50, fmt::format("{} ms of silence after numbers went back", 20 * silent));
  const audio::ReceptionStats stats = reception.Stats();
  found.Expect(stats.jitter_max_ms.value_or(1e9) < 100, "jitter that no network has");
  found.Expect(stats.lost == 0, "packets are lost that never were");
  // Around the end of 16 bits, out of order: neither a loss nor another round.
  audio::Reception around(8000);
  const int numbers[] = {65530, 65531, 65533, 65532, 65534, 0, 65535, 1, 3, 2, 4, 5};
  for (std::size_t i = 0; i < std::size(numbers); ++i) {
    const auto sequence = static_cast<std::uint16_t>(numbers[i]);
    const auto media = static_cast<std::int16_t>(sequence - 65530);
    around.Add(sequence, static_cast<std::uint32_t>(media) * 160U,
               static_cast<int>(i) * std::chrono::milliseconds(20), kSamples);
  }
  found.Expect(around.Stats().lost == 0 && around.Stats().restarts == 0,
               "reorder at the end of 16 bits is taken for loss");
  found.Expect(around.Stats().reordered == 3, "reorder at the end of 16 bits is not counted");
  found.Note(fmt::format("{} ms of silence after the jump", 20 * silent));
}

// Asterisk bc973bd719 and 3fab8212e3: a clock that steps, a table of files that is full.
void FaultClockAndFiles(FaultCase& found) {
  struct Nothing final : audio::Paced {
    void OnDue(TimePoint) noexcept override {}
  } nothing;
  audio::Paced* const paced = &nothing;
  const TimePoint start{std::chrono::hours(1)};
  audio::PaceWheel wheel(start);
  audio::PaceTally tally;
  wheel.Add({&paced, 1}, std::chrono::milliseconds(20));
  for (int i = 0; i < 1000; ++i) {
    const Duration step = i % 2 == 0 ? Duration(std::chrono::seconds(-5)) : Duration(0);
    wheel.RunTick([&] { return start + i * std::chrono::milliseconds(1) + step; }, tally);
  }
  found.Expect(tally.LateUs().Count() == 50, "a clock that was set back lost beats");
  found.Expect(tally.LateUs().Max() == 0, "a clock that was set back made beats late");
  Apart(found, PaceWithoutFiles);
}

}  // namespace perf::bench
