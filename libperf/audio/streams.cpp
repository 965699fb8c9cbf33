// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/streams.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "libperf/audio/streams_state.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {
namespace {

/// What a stream itself takes, with its queue's ring.
std::uint32_t CellBytes(std::uint32_t depth) noexcept {
  return static_cast<std::uint32_t>(
      RoundUp(sizeof(Stream) - sizeof(SlotQueue) + SlotQueue::BytesFor(depth), alignof(Stream)));
}

SlotQueue::Shape ShapeOf(const StreamOptions& options) {
  const AudioFormat& format = options.format;
  const auto frames = format.WholeFrames(options.period);
  if (!frames) {
    throw ConfigError(fmt::format("a period of {} is not a whole number of frames of {}",
                                  FormatExact(options.period), format.ToString()));
  }
  const std::uint64_t packet = format.BytesOf(*frames);
  const auto depth =
      static_cast<std::uint64_t>((options.buffer + options.period - Duration(1)) / options.period);
  if (options.buffer <= Duration::zero() || depth > SlotQueue::kMostDepth) {
    throw ConfigError(fmt::format("a buffer of {}: it must hold 1 to {} periods of {}",
                                  FormatExact(options.buffer), SlotQueue::kMostDepth,
                                  FormatExact(options.period)));
  }
  constexpr std::uint64_t kMostPacket = 16U << 20U;
  if (packet > kMostPacket) {
    throw ConfigError(fmt::format("a period of {} of {} takes {}; at most {} are supported",
                                  FormatExact(options.period), format.ToString(),
                                  FormatBytes(packet), FormatBytes(kMostPacket)));
  }
  return {static_cast<std::uint32_t>(packet), static_cast<std::uint32_t>(depth), options.overflow};
}

std::uint64_t AudioBytes(const SlotPool& pool, std::uint32_t depth) noexcept {
  // One more than waits: what is being read while the buffer fills up again.
  return (std::uint64_t{depth} + 1) * pool.Stride();
}

}  // namespace

Stream::Stream(StreamsState& home, SlotPool& slots, const StreamOptions& options,
               const SlotQueue::Shape& shape) noexcept
    : home_(&home), format_(options.format), period_(options.period), queue_(slots, shape) {}

void Stream::Release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) home_->Gone(*this);
}

StreamCounts Stream::Counts() const noexcept {
  StreamCounts counts;
  counts.flushed = queue_.Flushed();
  counts.overruns = queue_.Overruns();
  counts.underruns = queue_.Underruns();
  // The tail first: what went out had gone in.
  const std::uint64_t left = queue_.Left();
  const std::uint64_t dropped = queue_.DropsOldest() ? counts.overruns.packets : 0;
  counts.read = left - std::min(left, counts.flushed + dropped);
  counts.written = queue_.Written();
  return counts;
}

std::uint64_t Stream::ReservedBytes() const noexcept {
  return AudioBytes(queue_.Pool(), Depth()) + CellBytes(Depth());
}

Opened StreamsState::Open(const StreamOptions& options) {
  const SlotQueue::Shape shape = ShapeOf(options);
  SlotPool& pool = slab_.PoolFor(shape.packet_bytes);
  const std::uint64_t audio = AudioBytes(pool, shape.depth);
  if (audio > options_.max_stream_bytes) {
    return {{},
            fmt::format("a buffer of {} of {} takes {}; a stream may have {}",
                        FormatExact(options.buffer), options.format.ToString(), FormatBytes(audio),
                        FormatBytes(options_.max_stream_bytes))};
  }
  SlotPool& cells = slab_.PoolFor(CellBytes(shape.depth));
  const std::uint64_t bytes = audio + cells.Stride();
  if (!slab_.Reserve(bytes)) {
    const std::uint64_t reserved = slab_.ReservedBytes();
    return {
        {},
        fmt::format("a stream of {} needs {}; of the budget of {} {} are reserved by {} streams",
                    options.format.ToString(), FormatBytes(bytes), FormatBytes(slab_.BudgetBytes()),
                    FormatBytes(reserved), Usage().streams)};
  }
  const std::uint32_t cell = cells.Take();
  if (cell == SlotPool::kNone) {
    slab_.Release(bytes);
    return {{}, "no room is left for streams"};
  }
  auto* const stream = new (cells.At(cell)) Stream(*this, pool, options, shape);
  references_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  stream->place_ = static_cast<std::uint32_t>(all_.size());
  all_.push_back(stream);
  return {StreamRef(stream), {}};
}

void StreamsState::Gone(Stream& stream) noexcept {
  {
    const std::lock_guard lock(mutex_);
    all_[stream.place_] = all_.back();
    all_[stream.place_]->place_ = stream.place_;
    all_.pop_back();
  }
  const std::uint64_t bytes = stream.ReservedBytes();
  SlotPool& cells = slab_.PoolFor(CellBytes(stream.Depth()));
  stream.~Stream();
  cells.Give(cells.NumberOf(reinterpret_cast<const std::byte*>(&stream)));
  slab_.Release(bytes);
  Leave();
}

void StreamsState::CloseAll() noexcept {
  const std::lock_guard lock(mutex_);
  for (Stream* stream : all_) stream->Close();
}

StreamsUsage StreamsState::Usage() const {
  StreamsUsage usage;
  {
    const std::lock_guard lock(mutex_);
    usage.streams = all_.size();
  }
  usage.budget_bytes = slab_.BudgetBytes();
  usage.reserved_bytes = slab_.ReservedBytes();
  usage.used_bytes = slab_.TakenBytes();
  usage.resident_bytes = slab_.ResidentBytes();
  return usage;
}

Streams::Streams(Options options) : state_(nullptr) {
  if (options.budget_bytes == 0) throw ConfigError("audio.budget must be above 0");
  state_ = new StreamsState(options);
}

Streams::~Streams() {
  state_->CloseAll();
  state_->Leave();
}

Opened Streams::Open(const StreamOptions& options) { return state_->Open(options); }

StreamsUsage Streams::Usage() const { return state_->Usage(); }

std::uint64_t Streams::Trim(std::uint64_t keep) { return state_->Slots().Trim(keep); }

}  // namespace perf::audio
