// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/stream.hpp"

#include <algorithm>
#include <utility>

#include "libperf/audio/stream_wait.hpp"
#include "libperf/audio/streams_state.hpp"

namespace perf::audio {
namespace {

using Side = SlotQueue::Side;

/// What no sound is: the laws of G.711 have a code for it.
int Silence(SampleType type) noexcept {
  return type == SampleType::kUlaw ? 0xff : type == SampleType::kAlaw ? 0xd5 : 0;
}

}  // namespace

Stream::Stream(StreamsState& home, SlotPool& slots, const StreamOptions& options,
               const SlotQueue::Shape& shape) noexcept
    : home_(&home), format_(options.format), period_(options.period), queue_(slots, shape) {}

void Stream::Release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) home_->Gone(*this);
}

void Stream::Wake(Side side) noexcept { home_->Waits().Wake(*this, side); }

void Stream::WakeAll() noexcept {
  Wake(Side::kWriter);
  Wake(Side::kReader);
}

std::size_t Stream::Append(std::span<const std::byte> bytes) noexcept {
  const std::uint32_t epoch = Epoch();
  if (partial_ > 0 && partial_epoch_ != epoch) {
    queue_.AbandonWrite();  // begun before a Flush
    partial_ = 0;
  }
  const std::size_t packet = PacketBytes();
  std::size_t kept = 0;
  while (!bytes.empty()) {
    if (partial_ == 0) {
      lost_ = BeginWrite() == nullptr;
      partial_epoch_ = epoch;
    }
    const std::size_t count = std::min(bytes.size(), packet - partial_);
    if (!lost_) {
      std::memcpy(BeginWrite() + partial_, bytes.data(), count);
      kept += count;
    }
    partial_ += static_cast<std::uint32_t>(count);
    bytes = bytes.subspan(count);
    if (partial_ < packet) break;
    partial_ = 0;
    if (!lost_) CommitWrite();
  }
  return kept;
}

void Stream::Finish() noexcept {
  if (partial_ > 0 && !lost_ && partial_epoch_ == Epoch()) {
    std::memset(BeginWrite() + partial_, Silence(format_.Type()), PacketBytes() - partial_);
    CommitWrite();
  } else {
    queue_.AbandonWrite();
  }
  partial_ = 0;
  queue_.SetDraining(true);
  WakeAll();
}

Readiness Stream::Look(WaitKind kind) const noexcept {
  const Readiness seen = LookAtFill(kind);
  // Afterwards: a close empties the queue, and what it leaves is no room to write and no end.
  return Closed() ? Readiness::kClosed : seen;
}

Readiness Stream::LookAtFill(WaitKind kind) const noexcept {
  const bool empty = Fill() == 0;
  const bool dry = empty && !queue_.Held();
  switch (kind) {
    case WaitKind::kPacket:
      if (!dry && (!Paused() || queue_.Held())) return Readiness::kReady;
      return empty && Finished() ? Readiness::kEnded : Readiness::kNotYet;
    case WaitKind::kRoom:
      if (Finished()) return Readiness::kEnded;
      return Fill() < Depth() || queue_.DropsOldest() ? Readiness::kReady : Readiness::kNotYet;
    case WaitKind::kDrained: break;
  }
  return dry ? Readiness::kReady : Readiness::kNotYet;
}

Readiness Stream::Wait(WaitKind kind, Deadline deadline) {
  return home_->Waits().Wait(*this, kind, deadline);
}

void Stream::WaitAsync(WaitKind kind, Deadline deadline, Executor& executor,
                       std::function<void(Readiness)> done) {
  references_.fetch_add(1, std::memory_order_relaxed);
  home_->Waits().WaitAsync(StreamRef(this), kind, deadline, executor, std::move(done));
}

StreamWait Stream::WaitOn(Executor& executor, WaitKind kind, Deadline deadline) {
  return {*this, executor, kind, deadline};
}

Readiness Stream::Drain(Deadline deadline) {
  Finish();
  return Wait(WaitKind::kDrained, deadline);
}

void Stream::Flush() noexcept {
  queue_.Flush();
  Wake(Side::kReader);
}

void Stream::Resume() noexcept {
  queue_.SetPaused(false);
  Wake(Side::kWriter);
}

void Stream::Reset() noexcept {
  queue_.SetPaused(false);
  queue_.Flush();
  queue_.SetDraining(false);
  WakeAll();
}

void Stream::Close() noexcept {
  queue_.Close();
  WakeAll();
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

std::uint64_t Stream::UsedBytes() const noexcept {
  return StreamsState::CellBytes(Depth()) +
         (std::uint64_t{Fill()} + (queue_.Held() ? 1 : 0)) * queue_.Pool().Stride();
}

std::uint64_t Stream::ReservedBytes() const noexcept {
  return StreamsState::CellBytes(Depth()) + StreamsState::AudioBytes(queue_.Pool(), Depth());
}

bool Stream::ReserveBeside(std::uint64_t bytes) noexcept { return home_->Slots().Reserve(bytes); }

void Stream::ReleaseBeside(std::uint64_t bytes) noexcept { home_->Slots().Release(bytes); }

}  // namespace perf::audio
