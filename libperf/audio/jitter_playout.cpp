// SPDX-License-Identifier: Apache-2.0
// The half of the jitter buffer that gives.
#include <algorithm>

#include "libperf/audio/jitter/overlap.hpp"
#include "libperf/audio/jitter_buffer.hpp"

namespace perf::audio {
namespace {

/// NetEq's kInterruptionLenMs.
constexpr std::int64_t kInterruptionMs = 150;
/// Too deep is late, too shallow is a gap: of that less is borne.
constexpr Duration kShallow = std::chrono::milliseconds(1);
/// So many times the slack off its target, the depth is changed even if that is heard.
constexpr int kTooFar = 3;

}  // namespace

void JitterBuffer::Pull(TimePoint now, std::span<std::int16_t> out) noexcept {
  const auto frames = static_cast<std::int64_t>(out.size() / options_.channels);
  pull_time_ = TimeOf(frames);
  if (anchored_ && !started_ && now >= start_at_) started_ = played_ = true;
  if (!played_) {
    std::fill(out.begin(), out.end(), std::int16_t{0});
    return;
  }
  if (started_) {
    next_pull_ = now + pull_time_;
    if (!ChangeDepth(out, now)) Fill(out, now);
  } else {
    Conceal(out);  // between two sources or time bases
  }
  stats_.total_samples += static_cast<std::uint64_t>(frames);
  concealer_.Remember(out);
}

void JitterBuffer::Fill(std::span<std::int16_t> out, TimePoint now) noexcept {
  while (!out.empty()) {
    const auto room = static_cast<std::int64_t>(out.size() / options_.channels);
    if (entries_.empty()) {
      starved_ += room;
      Conceal(out);
      return;
    }
    const Entry& next = entries_.front();
    const std::int64_t ahead = next.start - cursor_;
    const std::int64_t frames = std::min(room, ahead > 0 ? ahead : next.frames);
    const std::span<std::int16_t> part =
        out.first(static_cast<std::size_t>(frames) * options_.channels);
    out = out.subspan(part.size());
    if (ahead <= 0) {
      CopyOut(part);
      if (concealer_.Running()) concealer_.Join(part);
      EndGap();
      Consume(frames, now);
    } else {
      if (Lossless(last_sequence_, next.sequence)) {
        EndGap();
        std::fill(part.begin(), part.end(), std::int16_t{0});
        stats_.dtx_samples += static_cast<std::uint64_t>(frames);
      } else {
        Conceal(part);
      }
      cursor_ += frames;
    }
  }
}

void JitterBuffer::Conceal(std::span<std::int16_t> out) noexcept {
  gap_.silent += static_cast<std::int64_t>(concealer_.Conceal(out));
  gap_.frames += static_cast<std::int64_t>(out.size() / options_.channels);
}

void JitterBuffer::EndGap() noexcept {
  concealer_.Stop();
  Count(gap_, stats_);
  gap_ = {};
}

void JitterBuffer::Count(const Gap& gap, JitterBufferStats& stats) const noexcept {
  if (gap.frames == 0) return;
  const auto frames = static_cast<std::uint64_t>(gap.frames);
  stats.concealed_samples += frames;
  stats.silent_concealed_samples += static_cast<std::uint64_t>(gap.silent);
  ++stats.concealment_events;
  if (gap.frames * 1000 < kInterruptionMs * options_.rate) return;
  ++stats.interruption_count;
  stats.interruption_samples += frames;
}

/// What is at the cursor. Requires: an entry holds all of it, or several without a gap do.
void JitterBuffer::CopyOut(std::span<std::int16_t> out) const noexcept {
  for (std::int64_t at = cursor_; !out.empty();) {
    const std::int64_t slot = at % capacity_;
    const std::int64_t count =
        std::min(static_cast<std::int64_t>(out.size() / options_.channels), capacity_ - slot);
    const std::size_t size = static_cast<std::size_t>(count) * options_.channels;
    std::copy_n(samples_.begin() + slot * static_cast<std::int64_t>(options_.channels), size,
                out.begin());
    out = out.subspan(size);
    at += count;
  }
}

bool JitterBuffer::HasUnbroken(std::int64_t frames) const noexcept {
  std::int64_t end = cursor_;
  for (const Entry& entry : entries_) {
    if (entry.start != end || end - cursor_ >= frames) break;
    end = entry.End();
  }
  return end - cursor_ >= frames;
}

/// Takes so many frames, all there, from the front.
void JitterBuffer::Consume(std::int64_t frames, TimePoint now) noexcept {
  std::size_t done = 0;
  for (; frames > 0; ++done) {
    Entry& entry = entries_[done];
    const std::int64_t part = std::min(frames, entry.frames);
    const auto waited =
        std::chrono::duration_cast<std::chrono::microseconds>(now - entry.arrival).count();
    stats_.jitter_buffer_delay_us += static_cast<std::uint64_t>(waited * part);
    stats_.jitter_buffer_emitted_count += static_cast<std::uint64_t>(part);
    last_sequence_ = entry.sequence;
    cursor_ += part;
    frames -= part;
    entry.start += part;
    entry.frames -= part;
    if (entry.frames > 0) break;
  }
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(done));
}

/// Plays faster or slower where the depth is off its target; false where it is not, or cannot.
bool JitterBuffer::ChangeDepth(std::span<std::int16_t> out, TimePoint now) noexcept {
  const Duration over = depth_ - target_.Target(pull_time_);
  const bool shrink = over > Slack();
  if ((!shrink && over >= -kShallow) || concealer_.Running()) return false;
  const auto frames = static_cast<std::int64_t>(out.size() / options_.channels);
  const std::int64_t needed = shrink ? frames + frames / 2 : frames;
  const std::size_t size = static_cast<std::size_t>(needed) * options_.channels;
  if (size > lookahead_.size() || !HasUnbroken(needed)) return false;
  const std::span<std::int16_t> ahead = std::span(lookahead_).first(size);
  CopyOut(ahead);
  const Frames signal{ahead, options_.channels};
  const bool anyway = over > kTooFar * Slack() || over < -kTooFar * Slack();
  const std::size_t used = shrink ? Shrink(signal, out, options_.rate, anyway)
                                  : Stretch(signal, out, options_.rate, anyway);
  if (used == 0) return false;
  const std::int64_t change = static_cast<std::int64_t>(used) - frames;
  (change > 0 ? stats_.removed_samples : stats_.inserted_samples) +=
      static_cast<std::uint64_t>(change > 0 ? change : -change);
  depth_ -= TimeOf(change);
  Consume(static_cast<std::int64_t>(used), now);
  return true;
}

JitterBufferStats JitterBuffer::Stats() const noexcept {
  JitterBufferStats stats = stats_;
  Count(gap_, stats);
  stats.target_delay = target_.Target(pull_time_);
  stats.depth = depth_;
  return stats;
}

}  // namespace perf::audio
