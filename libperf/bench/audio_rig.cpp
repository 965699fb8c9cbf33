// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_rig.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "libperf/base/cpu_time.hpp"

namespace perf::bench {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(20);

using Span = std::span<audio::Paced* const>;

/// What falls to one of `parts`.
std::vector<audio::Paced*> Share(Span all, std::size_t part, std::size_t parts) {
  std::vector<audio::Paced*> share;
  share.reserve(all.size() / parts + 1);
  for (std::size_t i = part; i < all.size(); i += parts) share.push_back(all[i]);
  return share;
}

}  // namespace

AudioRig::AudioRig(std::size_t cores, const Context& context) : context_(context) {
  std::vector<int> usable = audio::UsableCores();
  if (cores > 0) usable.resize(std::min(cores, usable.size()));
  for (const int core : usable) {
    const auto pacer = [&](const char* name) {
      audio::PacerOptions options;
      options.core = core;
      options.name = fmt::format("{}-{}", name, core);
      return std::make_unique<audio::Pacer>(options, threads_);
    };
    readers_.push_back(pacer("reader"));
    writers_.push_back(pacer("writer"));
  }
}

void AudioRig::Add(Span readers, Duration period, Span writers, Duration writers_period) {
  for (std::size_t core = 0; core < Cores(); ++core) {
    if (!writers.empty()) writers_[core]->Add(Share(writers, core, Cores()), writers_period);
    readers_[core]->Add(Share(readers, core, Cores()), period);
  }
}

void AudioRig::Remove(Span readers, Span writers) {
  for (auto& pacer : readers_) pacer->Remove(readers);
  for (auto& pacer : writers_) pacer->Remove(writers);
}

AudioRig::Snapshot AudioRig::Now() const {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  Snapshot now;
  now.faults = static_cast<std::uint64_t>(usage.ru_minflt);
  now.allocations = context_.Allocations();
  now.cpu = ProcessCpu();
  now.at = Clock::now();
  return now;
}

void AudioRig::Begin() {
  for (auto& pacer : writers_) pacer->Forget();
  for (auto& pacer : readers_) pacer->Forget();
  begin_ = Now();
}

void AudioRig::Run(Duration length) const {
  const TimePoint end = Saturated(Clock::now(), length);
  for (TimePoint now = Clock::now(); now < end && !context_.Stopped(); now = Clock::now()) {
    std::this_thread::sleep_until(std::min(end, now + kLook));
  }
}

RigFigures AudioRig::Stop() {
  RigFigures figures;
  figures.length = end_.at - begin_.at;
  figures.cpu = end_.cpu - begin_.cpu;
  figures.faults = end_.faults - begin_.faults;
  figures.allocations = end_.allocations - begin_.allocations;
  // Who reads ends first: what is not read any more has nobody to miss it.
  for (auto& pacer : readers_) pacer->Stop();
  for (auto& pacer : writers_) pacer->Stop();
  for (const auto& pacer : readers_) {
    const audio::PacerReport& report = pacer->Report();
    figures.late.Merge(report.tally);
    figures.starved = std::max(figures.starved, report.starved);
    figures.longest_starved = std::max(figures.longest_starved, report.longest_starved);
    figures.pinned = figures.pinned && report.core >= 0;
    figures.run_delay_known = figures.run_delay_known && report.run_delay_known;
  }
  for (const auto& pacer : writers_) figures.writers_late.Merge(pacer->Report().tally);
  figures.threads = readers_.size() + writers_.size();
  return figures;
}

std::uint64_t ResidentBytes() {
  // Unlike statm, which is summed up over processors only now and then.
  std::ifstream file("/proc/self/smaps_rollup");
  std::uint64_t bytes = 0;
  std::string word;
  while (file >> word) {
    std::uint64_t kib = 0;
    if ((word == "Anonymous:" || word == "Pss_Shmem:") && file >> kib) bytes += kib * 1024;
  }
  return bytes;
}

std::size_t MappingCount() {
  std::ifstream file("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

}  // namespace perf::bench
