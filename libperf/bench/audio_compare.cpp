// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <new>
#include <span>
#include <utility>

#include "libperf/audio/mirror_ring.hpp"
#include "libperf/base/cpu_time.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/audio_peers.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/fork_crew.hpp"

namespace perf::bench {
namespace {

constexpr Duration kPatience = std::chrono::minutes(5);
constexpr Duration kWarmup = std::chrono::seconds(1);

/// A mirror ring by packets.
class MirrorPackets {
 public:
  MirrorPackets(std::size_t packet_bytes, std::uint32_t depth)
      : bytes_(packet_bytes), ring_(Options(packet_bytes, depth)) {}

  std::byte* BeginWrite() noexcept {
    const std::span<std::byte> room = ring_.BeginWrite(bytes_);
    return room.size() == bytes_ ? room.data() : nullptr;
  }
  void CommitWrite() noexcept { ring_.CommitWrite(bytes_); }
  std::span<const std::byte> Peek() noexcept { return ring_.Peek(bytes_); }
  void Pop() noexcept { ring_.Pop(bytes_); }
  bool Mirrored() const noexcept { return ring_.Its() == audio::MirrorRing::Kind::kMirrored; }

 private:
  static audio::MirrorRing::Options Options(std::size_t packet_bytes, std::uint32_t depth) {
    audio::MirrorRing::Options options;
    options.bytes = packet_bytes * depth;
    options.frame_bytes = packet_bytes;
    options.largest = packet_bytes;
    return options;
  }

  std::size_t bytes_;
  audio::MirrorRing ring_;
};

/// What one process found; it lies in memory that both see.
struct Seen {
  std::uint64_t frames, cpu_ns, allocations, underruns, wrong;
  std::uint64_t bytes, mappings, mirrored;
  bool done;
};

template <typename Buffer>
void Drive(std::span<Buffer* const> buffers, const AudioCompareOptions& options,
           const TestPackets& packets, const Context& context, Seen& seen) {
  AudioLane<Buffer> lane(buffers, packets, options.trial.Shape(), 1);
  audio::PaceWheel wheel(TimePoint{});
  audio::PaceTally tally;
  const std::uint64_t bytes = ResidentBytes();
  lane.Prefill();
  seen.bytes += ResidentBytes() - bytes;
  seen.mappings = MappingCount();
  if (!lane.Writers().empty()) {
    wheel.Add(lane.Writers(), options.trial.Shape().WritersPeriod());
  }
  wheel.Add(lane.Readers(), options.trial.period);
  audio::RunVirtually(wheel, tally, TimePoint{} + kWarmup);
  const std::uint64_t before = lane.Frames();
  const std::uint64_t allocations = context.Allocations();
  const Duration cpu = ThreadCpu();
  audio::RunVirtually(wheel, tally, TimePoint{} + kWarmup + options.length);
  seen.cpu_ns = static_cast<std::uint64_t>((ThreadCpu() - cpu).count());
  seen.allocations = context.Allocations() - allocations;
  load::AudioResult found;
  lane.Count(found);
  seen.frames = lane.Frames() - before;
  seen.underruns = found.underruns.frames;
  seen.wrong = found.lost + found.torn + found.leaked + found.repeated;
}

/// Buffers of one kind, all made before the first is filled.
template <typename Buffer>
void DriveOwn(const AudioCompareOptions& options, const TestPackets& packets,
              const Context& context, Seen& seen) {
  const std::uint64_t before = ResidentBytes();
  std::deque<Buffer> buffers;
  std::vector<Buffer*> pointers;
  for (std::size_t i = 0; i < options.trial.streams; ++i) {
    pointers.push_back(&buffers.emplace_back(packets.Bytes(), options.trial.Depth()));
  }
  seen.bytes = ResidentBytes() - before;
  if constexpr (requires { pointers[0]->Mirrored(); }) {
    for (const Buffer* buffer : pointers) seen.mirrored += buffer->Mirrored() ? 1 : 0;
  }
  Drive<Buffer>(pointers, options, packets, context, seen);
}

void DriveSlots(const AudioCompareOptions& options, const TestPackets& packets,
                const Context& context, Seen& seen) {
  const std::uint64_t before = ResidentBytes();
  audio::Streams home({options.trial.budget, options.trial.budget});
  const OpenedStreams opened = Open(home, options.trial);
  if (!opened.refusal.empty()) throw UsageError("--budget: " + opened.refusal);
  seen.bytes = ResidentBytes() - before;
  Drive<audio::Stream>(opened.streams, options, packets, context, seen);
}

Seen RunOnce(const std::string& impl, const AudioCompareOptions& options,
             const TestPackets& packets, const Context& context) {
  const SharedMemory memory(sizeof(Seen));
  Seen& seen = *new (memory.Address()) Seen{};
  ForkCrew crew(1, [&](std::size_t) {
    if (impl == "mutex") DriveOwn<MutexDeque>(options, packets, context, seen);
    if (impl == "spsc") DriveOwn<SpscRing>(options, packets, context, seen);
    if (impl == "mirror") DriveOwn<MirrorPackets>(options, packets, context, seen);
    if (impl == "slots") DriveSlots(options, packets, context, seen);
    seen.done = true;
  });
  crew.Await(Deadline::After(Clock::now(), kPatience));
  if (!seen.done) throw Error(fmt::format("{}: its process did not come to its end", impl));
  return seen;
}

/// All rounds of one implementation.
struct Subject {
  std::string impl;
  std::vector<Seen> seen;
  double Median() const {
    std::vector<double> all;
    for (const Seen& one : seen) {
      all.push_back(static_cast<double>(one.cpu_ns) /
                    std::max(1.0, static_cast<double>(one.frames)));
    }
    if (all.empty()) return 0;
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2),
                     all.end());
    return all[all.size() / 2];
  }
};

void Report(const std::vector<Subject>& subjects, const AudioCompareOptions& options,
            const Context& context, Findings& findings) {
  double slots = 0;
  for (const Subject& subject : subjects) {
    if (subject.impl == "slots") slots = subject.Median();
  }
  for (const Subject& subject : subjects) {
    if (subject.seen.empty()) continue;
    const Seen& last = subject.seen.back();
    const double ns = subject.Median();
    std::uint64_t wrong = 0, frames = 0;
    for (const Seen& one : subject.seen) {
      wrong += one.wrong;
      frames += one.frames;
    }
    findings.AddRow(
        {{"impl", subject.impl},
         {"streams", std::uint64_t{options.trial.streams}},
         {"cpu_ns_per_frame", ns},
         {"slots_are_times_faster", slots > 0 ? Json(ns / slots) : Json()},
         {"bytes_per_stream",
          static_cast<double>(last.bytes) / static_cast<double>(options.trial.streams)},
         {"mappings", last.mappings},
         {"mirrored", last.mirrored},
         {"underrun_frames", last.underruns},
         {"hot_allocs", context.allocations != nullptr ? Json(last.allocations) : Json()},
         {"frames", frames},
         {"wrong", wrong}});
    findings.Never(subject.impl + ": wrong frames", wrong, frames);
    findings.Never(subject.impl + ": frames that were not there", last.underruns, frames);
  }
}

}  // namespace

const std::vector<std::string>& AudioImpls() {
  static const std::vector<std::string> kAll{"mutex", "spsc", "slots", "mirror"};
  return kAll;
}

load::Result AudioCompare(const AudioCompareOptions& options, const Context& context) {
  Check(options.trial);
  std::vector<Subject> subjects;
  for (const std::string& impl : options.impls) {
    const auto& all = AudioImpls();
    if (std::find(all.begin(), all.end(), impl) == all.end()) {
      throw UsageError(fmt::format("--impl {}: mutex, spsc, slots or mirror", Excerpt(impl, 40)));
    }
    subjects.push_back({impl, {}});
  }
  Findings findings("audiostress", "compare", context.seed);
  const TestPackets packets = PacketsFor(options.trial);
  for (std::size_t round = 0; round < options.rounds; ++round) {
    for (Subject& subject : subjects) {
      if (context.Stopped()) break;
      context.Phase(fmt::format("{}: {} of {}", subject.impl, round + 1, options.rounds));
      subject.seen.push_back(RunOnce(subject.impl, options, packets, context));
    }
  }
  Report(subjects, options, context, findings);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
