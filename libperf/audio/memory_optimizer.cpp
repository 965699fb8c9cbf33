// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/memory_optimizer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr Duration kPatience = std::chrono::milliseconds(500);

Streams::Options OptionsOf(const AudioMemoryOptimizer::Options& options) {
  Validate(options.buffers);
  if (options.tick <= Duration::zero() || options.tick > std::chrono::seconds(10)) {
    throw ConfigError("the upkeep of audio must tick once in 10 s at least");
  }
  return {options.budget_bytes, options.buffers.max_buffer_size_mb * kMiB};
}

}  // namespace

AudioMemoryOptimizer::AudioMemoryOptimizer(Options options)
    : options_(std::move(options)), streams_(OptionsOf(options_)) {
  if (options_.own_thread) thread_ = std::thread([this] { Run(); });
}

AudioMemoryOptimizer::~AudioMemoryOptimizer() {
  {
    const std::lock_guard lock(stop_mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AudioMemoryOptimizer::Run() {
  std::unique_lock lock(stop_mutex_);
  TimePoint next = Clock::now();
  while (true) {
    next = std::max(next + options_.tick, Clock::now());
    if (stopped_.wait_until(lock, next, [this] { return stop_; })) return;
    lock.unlock();
    Tick(Clock::now());
    lock.lock();
  }
}

std::shared_ptr<ColdBacklog> AudioMemoryOptimizer::BacklogFor(const StreamRef& stream,
                                                              ColdKind cold) const {
  ColdBacklog::Options options;
  options.cold = options_.buffers.enable_compression ? cold : ColdKind::kNone;
  options.most_bytes = options_.buffers.max_buffer_size_mb * kMiB;
  if (options_.buffers.enable_memory_mapping) {
    options.spill_above = options_.buffers.spill_threshold_mb * kMiB;
  }
  options.spill_directory = options_.spill_directory;
  options.totals = cold_totals_;
  return std::make_shared<ColdBacklog>(stream, std::move(options));
}

AudioMemoryOptimizer::Created AudioMemoryOptimizer::CreateOptimizedStream(
    const StreamOptions& options, std::optional<ColdKind> cold) {
  Opened opened = streams_.Open(options);
  if (!opened) return {0, {}, std::move(opened.refusal)};
  Held held{opened.stream, cold ? BacklogFor(opened.stream, *cold) : nullptr};
  const std::uint64_t id = opened.stream->Id();
  const auto place = static_cast<std::uint32_t>(id);
  const std::lock_guard lock(mutex_);
  if (held_.size() <= place) held_.resize(place + 1);
  if (held.cold != nullptr) ++cold_;
  held_[place] = std::move(held);
  return {id, std::move(opened.stream), {}};
}

AudioMemoryOptimizer::Held AudioMemoryOptimizer::Find(std::uint64_t id) const {
  const auto place = static_cast<std::uint32_t>(id);
  const std::lock_guard lock(mutex_);
  if (place >= held_.size() || !held_[place].stream || held_[place].stream->Id() != id) return {};
  return held_[place];
}

AudioMemoryOptimizer::Held AudioMemoryOptimizer::Known(std::uint64_t id) const {
  Held held = Find(id);
  if (!held.stream) throw Error("no audio stream has this id; it was closed, or never was");
  return held;
}

std::vector<AudioMemoryOptimizer::Held> AudioMemoryOptimizer::All() const {
  std::vector<Held> all;
  const std::lock_guard lock(mutex_);
  std::copy_if(held_.begin(), held_.end(), std::back_inserter(all),
               [](const Held& held) { return static_cast<bool>(held.stream); });
  return all;
}

std::size_t AudioMemoryOptimizer::ProcessAudioData(std::uint64_t id,
                                                   std::span<const std::byte> audio,
                                                   const Hook& hook) {
  const Held held = Known(id);
  const std::size_t frame = held.stream->Format().BytesPerFrame();
  if (audio.size() % frame != 0) throw Error("audio to be processed ends within a frame");
  const std::size_t chunk = std::max(frame, options_.buffers.chunk_size_bytes / frame * frame);
  std::size_t kept = 0;
  const auto write = [&](std::span<const std::byte> bytes) {
    kept += held.cold != nullptr ? held.cold->Append(bytes) : held.stream->Append(bytes);
  };
  while (!audio.empty()) {
    const std::span<const std::byte> part = audio.first(std::min(chunk, audio.size()));
    audio = audio.subspan(part.size());
    if (hook) {
      write(hook(part));
    } else {
      write(part);
    }
  }
  return kept;
}

void AudioMemoryOptimizer::FinishStream(std::uint64_t id) {
  const Held held = Known(id);
  if (held.cold != nullptr) {
    held.cold->Finish();
  } else {
    held.stream->Finish();
  }
}

StreamRef AudioMemoryOptimizer::GetAudioStream(std::uint64_t id) const { return Find(id).stream; }

bool AudioMemoryOptimizer::CloseStream(std::uint64_t id) {
  const Held held = Find(id);  // the last look at it is without the lock
  if (!held.stream) return false;
  held.stream->Close();
  const std::lock_guard lock(mutex_);
  Held& place = held_[static_cast<std::uint32_t>(id)];
  if (place.stream.Get() != held.stream.Get()) return false;
  if (place.cold != nullptr) --cold_;
  place = {};
  return true;
}

OptimizerUsage AudioMemoryOptimizer::Usage() const {
  OptimizerUsage usage;
  usage.streams = streams_.Usage();
  usage.trims = trims_.load();
  usage.trimmed_bytes = trimmed_bytes_.load();
  for (const Held& held : All()) {
    if (held.cold == nullptr) continue;
    usage.cold_bytes += held.cold->MemoryBytes();
    usage.cold_audio_bytes += held.cold->AudioBytes();
  }
  usage.cold_lost_bytes = cold_totals_->lost_bytes.load();
  usage.spilled_blocks = cold_totals_->spilled.load();
  usage.spill_failures = cold_totals_->spill_failures.load();
  return usage;
}

std::vector<StreamUsage> AudioMemoryOptimizer::UsageByStream() const {
  std::vector<StreamUsage> all;
  for (const Held& held : All()) {
    StreamUsage usage{held.stream->Id(), held.stream->ReservedBytes(), held.stream->UsedBytes()};
    if (held.cold != nullptr) {
      usage.cold_bytes = held.cold->MemoryBytes();
      usage.cold_audio_bytes = held.cold->AudioBytes();
    }
    all.push_back(usage);
  }
  return all;
}

std::uint64_t AudioMemoryOptimizer::Trim() {
  const std::uint64_t bytes = streams_.Trim();
  ++trims_;
  trimmed_bytes_ += bytes;
  return bytes;
}

void AudioMemoryOptimizer::TrimIfWorthIt() {
  const SlabUsage slab = streams_.SlotUsage();
  const std::uint64_t free = slab.resident_bytes - std::min(slab.resident_bytes, slab.used_bytes);
  const std::uint64_t keep = slab.used_bytes / 16;
  const auto patience =
      static_cast<std::uint32_t>((kPatience + options_.tick - Duration(1)) / options_.tick);
  least_free_ = std::min(least_free_, free);
  const bool much = free > options_.buffers.gc_threshold_mb * kMiB;
  if (++ticks_ >= patience || much) {
    const std::uint64_t unused = much ? free : least_free_;
    // What lives needs a while to move down.
    if (unused > keep + kMiB) trimming_ = 2 * patience;
    ticks_ = 0;
    least_free_ = ~std::uint64_t{0};
  }
  if (trimming_ == 0) return;
  --trimming_;
  const std::uint64_t bytes = streams_.Trim(trimming_ > 0 ? keep : ~std::uint64_t{0});
  if (bytes > 0) ++trims_;
  trimmed_bytes_ += bytes;
}

void AudioMemoryOptimizer::Tick(TimePoint now) {
  const std::lock_guard one(tick_mutex_);
  bool any_cold = false;
  {
    const std::lock_guard lock(mutex_);
    any_cold = cold_ > 0;
  }
  if (any_cold) {
    for (const Held& held : All()) {
      if (held.cold != nullptr) held.cold->Feed();
    }
  }
  streams_.ExpireWaits(now);
  if (options_.idle_timeout > Duration::zero()) {
    const auto calls = std::max<Duration::rep>(1, options_.idle_timeout / options_.tick);
    if (streams_.CloseIdle(static_cast<std::uint32_t>(calls)) > 0) {
      for (const Held& held : All()) {
        if (held.stream->Closed()) CloseStream(held.stream->Id());
      }
    }
  }
  TrimIfWorthIt();
}

}  // namespace perf::audio
