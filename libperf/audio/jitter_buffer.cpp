// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/jitter_buffer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "libperf/audio/format.hpp"
#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

constexpr Duration kSecond = std::chrono::seconds(1);
/// Nothing but late packets for so long, and so many, are another time base.
constexpr Duration kLateFor = std::chrono::milliseconds(300);
constexpr std::uint64_t kLatePackets = 3;
/// Pulls of up to two thirds of it can change the depth.
constexpr Duration kLongestChange = std::chrono::milliseconds(150);
constexpr Duration kLeastSlack = std::chrono::milliseconds(10);
constexpr Duration kMostDelay = std::chrono::seconds(60);
constexpr std::size_t kMostPackets = 100'000;

JitterBufferOptions Checked(const JitterBufferOptions& options) {
  AudioFormat(SampleType::kS16, options.rate, static_cast<unsigned>(options.channels));
  if (options.min_delay < Duration::zero() || options.min_delay > options.max_delay ||
      options.start_delay < options.min_delay || options.start_delay > options.max_delay ||
      options.max_delay > kMostDelay) {
    throw ConfigError("a jitter buffer's delays must be 0 <= min <= start <= max <= 60s");
  }
  if (options.max_packets < 2 || options.max_packets > kMostPackets) {
    throw ConfigError(fmt::format("a jitter buffer holds 2 to {} packets", kMostPackets));
  }
  return options;
}

}  // namespace

JitterBuffer::JitterBuffer(const JitterBufferOptions& options)
    : options_(Checked(options)),
      capacity_(FramesOf(options.max_delay + kSecond)),
      samples_(static_cast<std::size_t>(capacity_) * options.channels),
      concealer_(options.rate, options.channels),
      target_(options.min_delay, options.max_delay, options.start_delay) {
  entries_.reserve(options.max_packets);
  lookahead_.resize(static_cast<std::size_t>(FramesOf(kLongestChange)) * options.channels);
}

std::int64_t JitterBuffer::FramesOf(Duration time) const noexcept {
  const std::int64_t rate = options_.rate;
  const std::int64_t whole = time / kSecond, rest = (time % kSecond).count();
  return whole * rate + rest * rate / kSecond.count();
}

Duration JitterBuffer::TimeOf(std::int64_t frames) const noexcept {
  const std::int64_t rate = options_.rate;
  return kSecond * (frames / rate) + Duration(frames % rate * kSecond.count() / rate);
}

/// How long until a frame is put out, if nothing changes the pace.
Duration JitterBuffer::WaitOf(std::int64_t start, TimePoint now) const noexcept {
  return TimeOf(start - cursor_) + (next_pull_ - now);
}

/// How far the depth may be from its target: less cannot be told from the grain of pulls.
Duration JitterBuffer::Slack() const noexcept { return std::max(pull_time_, kLeastSlack); }

/// Whether all that was sent between the two has come: a gap of time is the sender's own.
bool JitterBuffer::Lossless(std::int64_t after, std::int64_t before) const noexcept {
  if (before <= after || before - after > SequenceWindow::kReach) return false;
  for (std::int64_t sequence = after + 1; sequence < before; ++sequence) {
    if (!window_.Has(sequence)) return false;
  }
  return true;
}

void JitterBuffer::Push(const JitterPacket& packet, TimePoint now) noexcept {
  ++stats_.packets;
  std::int64_t sequence = 0;
  if (!IsOfThisSource(packet)) {
    ++stats_.packets_discarded;
    return;
  }
  const bool duplicate = !NoteSequence(packet, sequence);
  if (duplicate) ++stats_.duplicates;
  const auto frames = static_cast<std::int64_t>(packet.samples.size() / options_.channels);
  if (frames == 0) return;
  if (!anchored_) Anchor(packet.timestamp, now);
  // By signed difference: the nearest of all times that end in these 32 bits.
  const auto after =
      static_cast<std::int32_t>(packet.timestamp - static_cast<std::uint32_t>(newest_));
  Entry entry{newest_ + after, frames, sequence, now};
  Timing timing = Judge(entry, now);
  if (duplicate) {
    if (timing != Timing::kNewBase) return;
    // Too many, one behind the other: the source has gone back by a few numbers.
    window_.Start(packet.sequence);
    entry.sequence = window_.Highest();
  }
  if (timing == Timing::kNewBase) {
    ++stats_.resyncs;
    Flush();
    Anchor(packet.timestamp, now);
    entry.start = newest_;
    timing = Timing::kFits;
  }
  if (timing != Timing::kLeap) {
    const Duration relative = target_.Add(now, (now - TimePoint()) - TimeOf(entry.start));
    if (timing == Timing::kFits) {
      if (starved_ > 0) Resume(entry, relative, now);
      depth_ = WaitOf(entry.start, now) + relative;
      stats_.depth_max = std::max(stats_.depth_max, depth_);
      newest_ = std::max(newest_, entry.start);
      Insert(entry, packet.samples);
      return;
    }
  }
  ++stats_.packets_discarded;
}

bool JitterBuffer::IsOfThisSource(const JitterPacket& packet) noexcept {
  if (!numbered_ || packet.ssrc == ssrc_) {
    ssrc_ = packet.ssrc;
    has_stranger_ = false;
    return true;
  }
  if (!has_stranger_ || stranger_ != packet.ssrc) {
    has_stranger_ = true;
    stranger_ = packet.ssrc;
    return false;
  }
  ++stats_.ssrc_changes;
  Flush();
  anchored_ = numbered_ = has_stranger_ = false;
  ssrc_ = packet.ssrc;
  return true;
}

/// False for a duplicate.
bool JitterBuffer::NoteSequence(const JitterPacket& packet, std::int64_t& extended) noexcept {
  const std::int64_t distance = window_.Distance(packet.sequence);
  extended = window_.Highest() + distance;
  const bool newer = anchored_ && static_cast<std::int32_t>(
                                      packet.timestamp - static_cast<std::uint32_t>(newest_)) > 0;
  if (!numbered_ || distance <= -SequenceWindow::kReach || (newer && window_.Has(extended))) {
    numbered_ = true;
    window_.Start(packet.sequence);
    extended = window_.Highest();
    return true;
  }
  if (window_.Has(extended)) return false;
  window_.Insert(extended);
  return true;
}

/// What comes now is played when the buffer has its depth.
void JitterBuffer::Anchor(std::uint32_t timestamp, TimePoint now) noexcept {
  anchored_ = true;
  started_ = false;
  starved_ = 0;
  late_ = 0;
  has_leap_ = false;
  newest_ = cursor_ = (std::int64_t{1} << 32) + timestamp;
  target_.Rebase();
  next_pull_ = start_at_ = now + target_.Target(pull_time_);
}

void JitterBuffer::Flush() noexcept {
  ++stats_.flushes;
  entries_.clear();
}

JitterBuffer::Timing JitterBuffer::Judge(const Entry& entry, TimePoint now) noexcept {
  if (entry.End() - cursor_ - starved_ > capacity_) {
    const bool confirmed =
        has_leap_ && std::abs(entry.start - leap_) <= options_.rate && entry.frames <= capacity_;
    has_leap_ = true;
    leap_ = entry.start;
    return confirmed ? Timing::kNewBase : Timing::kLeap;
  }
  has_leap_ = false;
  if (!started_ && entry.start < cursor_ && newest_ - entry.start < capacity_ / 2) {
    cursor_ = entry.start;  // the first to come was not the first to be sent
  }
  if (entry.End() > cursor_) {
    late_ = 0;
    return Timing::kFits;
  }
  if (late_++ == 0) late_since_ = now;
  return late_ >= kLatePackets && now - late_since_ >= kLateFor ? Timing::kNewBase : Timing::kLate;
}

/// Time stood still, and now a packet tells where it has got to.
void JitterBuffer::Resume(const Entry& entry, Duration relative, TimePoint now) noexcept {
  const std::int64_t earliest = cursor_, gap = entry.start - cursor_;
  const bool pause = gap > 0 && Lossless(last_sequence_, entry.sequence);
  if (pause) {
    const std::int64_t silence = std::min(gap, starved_);
    stats_.dtx_samples += static_cast<std::uint64_t>(silence);
    gap_.frames -= silence;
    gap_.silent = std::max<std::int64_t>(0, gap_.silent - silence);
  }
  if (gap >= starved_) {
    cursor_ += starved_;  // as much media as time
    if (pause) AdaptInPause(entry, relative, earliest, now);
  } else {
    cursor_ += std::max<std::int64_t>(gap, 0);  // it is late: the depth grows, up to its bound
    const Duration over = WaitOf(entry.start, now) + relative - options_.max_delay;
    if (over > Duration::zero()) cursor_ += FramesOf(over);
  }
  starved_ = 0;
}

/// In a pause the depth can be set at no cost.
void JitterBuffer::AdaptInPause(const Entry& entry, Duration relative, std::int64_t earliest,
                                TimePoint now) noexcept {
  const Duration wanted = std::max(Duration::zero(), target_.Target(pull_time_) - relative);
  const Duration over = WaitOf(entry.start, now) - wanted;
  if (over > -Slack() && over < Slack()) return;
  const std::int64_t change = std::clamp(cursor_ + FramesOf(over), earliest, entry.start) - cursor_;
  cursor_ += change;
  stats_.dtx_samples += static_cast<std::uint64_t>(change);  // it counts media time
  (change > 0 ? stats_.removed_samples : stats_.inserted_samples) +=
      static_cast<std::uint64_t>(std::abs(change));
}

void JitterBuffer::Insert(Entry entry, std::span<const std::int16_t> samples) noexcept {
  if (entries_.size() == options_.max_packets) {
    Flush();
    Anchor(static_cast<std::uint32_t>(entry.start), entry.arrival);
    entry.start = newest_;
  }
  const auto next =
      std::upper_bound(entries_.begin(), entries_.end(), entry.start,
                       [](std::int64_t start, const Entry& other) { return start < other.start; });
  std::int64_t from = std::max(entry.start, cursor_), to = entry.End();
  if (next != entries_.begin()) from = std::max(from, std::prev(next)->End());
  if (next != entries_.end()) to = std::min(to, next->start);
  if (from >= to || to - cursor_ > capacity_) {
    ++stats_.packets_discarded;
    return;
  }
  const std::int16_t* sample =
      samples.data() + static_cast<std::size_t>(from - entry.start) * options_.channels;
  for (std::int64_t at = from; at < to;) {
    const std::int64_t slot = at % capacity_, count = std::min(to - at, capacity_ - slot);
    const std::size_t size = static_cast<std::size_t>(count) * options_.channels;
    std::copy_n(sample, size,
                samples_.begin() + slot * static_cast<std::int64_t>(options_.channels));
    sample += size;
    at += count;
  }
  entry.start = from;
  entry.frames = to - from;
  entries_.insert(next, entry);
}

}  // namespace perf::audio
