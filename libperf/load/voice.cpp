// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/voice.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::load {
namespace {

/// The byte that all bytes of silence are (ITU-T G.711: the code of the smallest positive value).
std::byte SilenceOf(audio::SampleType type) noexcept {
  switch (type) {
    case audio::SampleType::kUlaw: return std::byte{0xFF};
    case audio::SampleType::kAlaw: return std::byte{0xD5};
    default: return std::byte{0};
  }
}

void AddGrowth(const audio::Xruns& now, audio::Xruns& told, AudioXruns& to) noexcept {
  to.frames += now.packets - told.packets;
  to.events += now.events - told.events;
  told = now;
}

}  // namespace

EndedVoices::EndedVoices() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw IoError(fmt::format("eventfd: {}", std::strerror(errno)));
}

EndedVoices::~EndedVoices() { ::close(descriptor_); }

void EndedVoices::Push(Voice& voice) noexcept {
  Voice* first = first_.load(std::memory_order_relaxed);
  do {
    voice.next_ = first;
  } while (!first_.compare_exchange_weak(first, &voice, std::memory_order_release,
                                         std::memory_order_relaxed));
  // Who finds others there can be sure that these have told the loop.
  if (first == nullptr) ::eventfd_write(descriptor_, 1);
}

Voice* EndedVoices::TakeAll() noexcept {
  eventfd_t ignored = 0;
  ::eventfd_read(descriptor_, &ignored);  // before the stack is taken: a later push tells anew
  return first_.exchange(nullptr, std::memory_order_acquire);
}

void Voice::Begin(audio::StreamRef stream, Matter matter, const Place& where) {
  stream_ = std::move(stream);
  matter_ = std::move(matter);
  where_ = where;
  period_ = stream_->Period();
  unfilled_ = (matter_.Bytes() + stream_->PacketBytes() - 1) / stream_->PacketBytes();
  left_ = unfilled_;
  stopped_ = false;
  underruns_ = overruns_ = {};
  mirror_ = matter_.mirror;
  dry_ = false;
  dry_beats_.store(0, std::memory_order_relaxed);
  dries_.store(0, std::memory_order_relaxed);
  if (mirror_) {
    const std::size_t packet = stream_->PacketBytes();
    ring_ = std::make_unique<audio::MirrorRing>(audio::MirrorRing::Options{
        .bytes = packet * stream_->Depth(), .frame_bytes = packet, .largest = packet});
  }
  std::string scratch;
  Fill(scratch);
  state_.store(State::kPlaying, std::memory_order_release);
}

void Voice::Fill(std::string& scratch) {
  if (stopped_) return;
  // Only what there is room for: to ask for more would be counted as an overrun.
  for (auto room = Room(); room > 0 && unfilled_ > 0; --room) {
    const std::span<std::byte> packet = BeginPacket();
    if (packet.empty()) return;
    FillPacket(packet, scratch);
    CommitPacket();
    --unfilled_;
  }
}

std::uint32_t Voice::Room() const noexcept {
  // A ring is rounded up to pages: what is more than the depth stays unused.
  const std::size_t fill = mirror_ ? ring_->Fill() / stream_->PacketBytes() : stream_->Fill();
  return stream_->Depth() - static_cast<std::uint32_t>(fill);
}

std::span<std::byte> Voice::BeginPacket() noexcept {
  if (mirror_) return ring_->BeginWrite(stream_->PacketBytes());
  std::byte* const to = stream_->BeginWrite();
  if (to == nullptr) return {};
  return {to, stream_->PacketBytes()};
}

void Voice::CommitPacket() noexcept {
  if (mirror_) {
    ring_->CommitWrite(stream_->PacketBytes());
  } else {
    stream_->CommitWrite();
  }
}

void Voice::FillPacket(std::span<std::byte> packet, std::string& scratch) {
  std::span<const std::byte> from = matter_.bytes;
  if (matter_.spoken) {
    scratch.clear();
    matter_.spoken->Speak(scratch, packet.size() / 2);
    from = std::as_bytes(std::span(scratch));
  }
  const std::size_t there = std::min(from.size(), packet.size());
  if (there > 0) std::memcpy(packet.data(), from.data(), there);
  const auto rest = packet.subspan(there);
  std::fill(rest.begin(), rest.end(), SilenceOf(stream_->Format().Type()));
  if (!matter_.spoken) matter_.bytes = from.subspan(there);
}

void Voice::Stop() noexcept {
  stopped_ = true;
  matter_ = {};
  State playing = State::kPlaying;
  state_.compare_exchange_strong(playing, State::kStopping);
}

void Voice::Collect(PlayRecord& record) {
  const std::uint64_t written = written_.load(std::memory_order_acquire);
  std::uint64_t at = read_.load(std::memory_order_relaxed);
  const auto add = [&](const Note& note) {
    record.frames += note.beats;
    record.late.Record(note.late_us, note.beats);
    if (std::chrono::microseconds(note.late_us) > period_) record.over_period += note.beats;
  };
  for (; at != written; ++at) add(notes_[at % kNotes]);
  read_.store(at, std::memory_order_release);
  if (state_.load(std::memory_order_acquire) == State::kEnded && unwritten_.beats > 0) {
    add(std::exchange(unwritten_, {}));
  }
  if (!stream_) return;
  const audio::StreamCounts counts = stream_->Counts();
  AddGrowth(mirror_ ? Underruns() : counts.underruns, underruns_, record.underruns);
  AddGrowth(counts.overruns, overruns_, record.overruns);
}

TimePoint Voice::Finish() noexcept {
  stream_ = {};
  ring_.reset();
  matter_ = {};
  state_.store(State::kIdle, std::memory_order_relaxed);
  return ended_at_;
}

void Voice::OnDue(TimePoint due) noexcept {
  const State state = state_.load(std::memory_order_acquire);
  if (state == State::kIdle || state == State::kEnded) return;
  const TimePoint now = Clock::now();
  // A packet sounds for a period: what was begun at the last beat has ended now.
  if (state == State::kStopping || left_ == 0) return End(now);
  if (PlayPacket()) --left_;
  TakeNote(now - due);
}

bool Voice::PlayPacket() noexcept {
  if (!mirror_) {
    if (stream_->Peek().empty()) return false;
    stream_->Pop();
    return true;
  }
  const std::size_t packet = stream_->PacketBytes();
  const bool there = !ring_->Peek(packet).empty();
  if (there) {
    ring_->Pop(packet);
  } else {
    dry_beats_.fetch_add(1, std::memory_order_relaxed);
    if (!dry_) dries_.fetch_add(1, std::memory_order_relaxed);
  }
  dry_ = !there;
  return there;
}

/// Of a ring, which does not count them.
audio::Xruns Voice::Underruns() const noexcept {
  audio::Xruns underruns;
  underruns.packets = dry_beats_.load(std::memory_order_relaxed);
  underruns.events = static_cast<std::uint32_t>(dries_.load(std::memory_order_relaxed));
  return underruns;
}

void Voice::TakeNote(Duration late) noexcept {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto us =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(late.count() / 1000, 0, kMost));
  unwritten_.late_us = std::max(unwritten_.late_us, us);
  ++unwritten_.beats;
  const std::uint64_t at = written_.load(std::memory_order_relaxed);
  if (at - read_.load(std::memory_order_acquire) == kNotes) return;
  notes_[at % kNotes] = std::exchange(unwritten_, {});
  written_.store(at + 1, std::memory_order_release);
}

void Voice::End(TimePoint now) noexcept {
  ended_at_ = now;
  state_.store(State::kEnded, std::memory_order_release);
  ended_.Push(*this);
}

}  // namespace perf::load
