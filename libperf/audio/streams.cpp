// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/streams.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "libperf/audio/streams_state.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {
namespace {

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

}  // namespace

std::uint32_t StreamsState::CellBytes(std::uint32_t depth) noexcept {
  return static_cast<std::uint32_t>(
      RoundUp(sizeof(Stream) - sizeof(SlotQueue) + SlotQueue::BytesFor(depth), alignof(Stream)));
}

std::uint64_t StreamsState::AudioBytes(const SlotPool& pool, std::uint32_t depth) noexcept {
  // One more than waits: what is being read while the buffer fills up again.
  return (std::uint64_t{depth} + 1) * pool.Stride();
}

Opened StreamsState::Open(const StreamOptions& options) {
  const SlotQueue::Shape shape = ShapeOf(options);
  SlotPool& pool = slab_.PoolFor(shape.packet_bytes);
  const std::uint64_t audio = AudioBytes(pool, shape.depth);
  const auto refuse = [this](std::string why) -> Opened {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return {{}, std::move(why)};
  };
  if (audio > options_.max_stream_bytes) {
    return refuse(fmt::format("a buffer of {} of {} takes {}; a stream may have {}",
                              FormatExact(options.buffer), options.format.ToString(),
                              FormatBytes(audio), FormatBytes(options_.max_stream_bytes)));
  }
  SlotPool& cells = slab_.PoolFor(CellBytes(shape.depth));
  const std::uint64_t bytes = audio + cells.Stride();
  const std::uint64_t reserved = slab_.ReservedBytes();
  if (!slab_.Reserve(bytes)) {
    return refuse(
        fmt::format("a stream of {} needs {}; of the budget of {} {} are reserved by {} streams",
                    options.format.ToString(), FormatBytes(bytes), FormatBytes(slab_.BudgetBytes()),
                    FormatBytes(reserved), Usage().streams));
  }
  const std::uint32_t cell = cells.Take();
  if (cell == SlotPool::kNone) {
    slab_.Release(bytes);
    return refuse(fmt::format("{} streams of this size are open; there is no room for more",
                              cells.TakenBytes() / cells.Stride()));
  }
  auto* const stream = new (cells.At(cell)) Stream(*this, pool, options, shape);
  references_.fetch_add(1, std::memory_order_relaxed);
  Settle(*stream);
  return {StreamRef(stream), {}};
}

void StreamsState::Settle(Stream& stream) {
  const std::lock_guard lock(mutex_);
  if (first_free_ == kNowhere) {
    first_free_ = static_cast<std::uint32_t>(places_.size());
    places_.push_back({nullptr, 0, kNowhere});
  }
  const std::uint32_t at = first_free_;
  Place& place = places_[at];
  first_free_ = place.next_free;
  place.stream = &stream;
  stream.id_ = std::uint64_t{++place.used} << 32 | at;
  ++open_;
  ++opened_;
}

void StreamsState::Gone(Stream& stream) noexcept {
  const StreamCounts counts = stream.Counts();
  {
    const std::lock_guard lock(mutex_);
    const auto at = static_cast<std::uint32_t>(stream.id_);
    places_[at].stream = nullptr;
    places_[at].next_free = std::exchange(first_free_, at);
    --open_;
    gone_written_ += counts.written;
    gone_read_ += counts.read;
    gone_overruns_ += counts.overruns;
    gone_underruns_ += counts.underruns;
  }
  const std::uint64_t bytes = stream.ReservedBytes();
  SlotPool& cells = slab_.PoolFor(CellBytes(stream.Depth()));
  stream.~Stream();
  cells.Give(cells.NumberOf(reinterpret_cast<const std::byte*>(&stream)));
  slab_.Release(bytes);
  Leave();
}

StreamRef StreamsState::Keep(Stream* stream) noexcept {
  if (stream == nullptr) return {};
  std::uint32_t now = stream->references_.load(std::memory_order_relaxed);
  while (now > 0 && !stream->references_.compare_exchange_weak(now, now + 1)) {
  }
  return now > 0 ? StreamRef(stream) : StreamRef();  // none: it is on its way to Gone
}

StreamRef StreamsState::Find(std::uint64_t id) const {
  const auto at = static_cast<std::uint32_t>(id);
  const std::lock_guard lock(mutex_);
  if (at >= places_.size() || places_[at].used != id >> 32U) return {};
  return Keep(places_[at].stream);
}

std::vector<StreamRef> StreamsState::All() const {
  std::vector<StreamRef> all;
  const std::lock_guard lock(mutex_);
  all.reserve(open_);
  for (const Place& place : places_) {
    if (StreamRef stream = Keep(place.stream)) all.push_back(std::move(stream));
  }
  return all;
}

void StreamsState::CloseAll() noexcept {
  for (const StreamRef& stream : All()) stream->Close();
}

std::size_t StreamsState::CloseIdle(std::uint32_t ticks) {
  std::size_t closed = 0;
  for (const StreamRef& stream : All()) {
    const auto moves = static_cast<std::uint32_t>(stream->queue_.Written() + stream->queue_.Left());
    if (std::exchange(stream->seen_moves_, moves) != moves) stream->idle_ticks_ = 0;
    if (stream->Closed() || stream->idle_ticks_++ < ticks) continue;
    stream->Close();
    ++closed;
  }
  const std::lock_guard lock(mutex_);
  idle_closed_ += closed;
  return closed;
}

StreamsUsage StreamsState::Usage() const {
  StreamsUsage usage;
  {
    const std::lock_guard lock(mutex_);
    usage.streams = open_;
    usage.opened = opened_;
    usage.idle_closed = idle_closed_;
    usage.counts = {gone_written_, gone_read_, 0, gone_overruns_, gone_underruns_};
  }
  for (const StreamRef& stream : All()) {
    const StreamCounts counts = stream->Counts();
    usage.counts.written += counts.written;
    usage.counts.read += counts.read;
    usage.counts.overruns += counts.overruns;
    usage.counts.underruns += counts.underruns;
  }
  usage.refused = refused_.load(std::memory_order_relaxed);
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

StreamRef Streams::Find(std::uint64_t id) const { return state_->Find(id); }

SlabUsage Streams::SlotUsage() const {
  return {state_->Slots().TakenBytes(), state_->Slots().ResidentBytes()};
}

std::vector<StreamRef> Streams::All() const { return state_->All(); }

TimePoint Streams::ExpireWaits(TimePoint now) { return state_->Waits().Expire(now); }

std::size_t Streams::CloseIdle(std::uint32_t calls) { return state_->CloseIdle(calls); }

Opened Streams::Open(const StreamOptions& options) { return state_->Open(options); }

StreamsUsage Streams::Usage() const { return state_->Usage(); }

std::uint64_t Streams::Trim(std::uint64_t keep) { return state_->Slots().Trim(keep); }

}  // namespace perf::audio
