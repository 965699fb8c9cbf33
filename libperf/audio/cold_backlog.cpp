// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/cold_backlog.hpp"

#include <algorithm>
#include <utility>

#include "libperf/audio/slab/mapping.hpp"

namespace perf::audio {
namespace {

/// So much is reserved at a time: the budget's counter is shared with all who open streams.
constexpr std::uint64_t kGrain = 16U << 10U;

}  // namespace

ColdBacklog::ColdBacklog(StreamRef stream, Options options)
    : stream_(std::move(stream)),
      options_(std::move(options)),
      codec_(options_.cold, stream_->Format()),
      block_bytes_(stream_->Format().BytesOf(codec_.BlockFrames())),
      totals_(options_.totals != nullptr ? options_.totals : std::make_shared<ColdTotals>()),
      file_(options_.spill_directory, options_.most_spilled),
      epoch_(stream_->Epoch()) {}

ColdBacklog::~ColdBacklog() { stream_->ReleaseBeside(reserved_); }

bool ColdBacklog::Afford(std::uint64_t bytes) noexcept {
  if (bytes <= reserved_) return true;
  const std::uint64_t more = RoundUp(bytes, kGrain) - reserved_;
  if (!stream_->ReserveBeside(more)) return false;
  reserved_ += more;
  return true;
}

void ColdBacklog::GiveBack() noexcept {
  const std::uint64_t needed = audio_bytes_ == 0 ? 0 : MemoryLocked() + block_bytes_;
  const std::uint64_t kept = RoundUp(needed, kGrain);
  // One grain more stays while something waits: else it would go and come at each border.
  if (kept + (needed > 0 ? kGrain : 0) >= reserved_) return;
  stream_->ReleaseBeside(reserved_ - kept);
  reserved_ = kept;
}

void ColdBacklog::DropIfFlushed() {
  if (std::exchange(epoch_, stream_->Epoch()) == stream_->Epoch()) return;
  front_ = {};
  front_at_ = 0;
  blocks_.clear();
  back_ = {};
  packed_bytes_ = audio_bytes_ = 0;
  finished_ = false;
  file_.Rewind();
  GiveBack();
}

std::size_t ColdBacklog::Append(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  DropIfFlushed();
  std::size_t kept = 0;
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), block_bytes_ - back_.size());
    const std::uint64_t grown = MemoryLocked() + count;
    if (grown > options_.most_bytes || !Afford(grown + block_bytes_)) break;
    back_.insert(back_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    audio_bytes_ += count;
    kept += count;
    bytes = bytes.subspan(count);
    FeedLocked();
    if (back_.size() == block_bytes_) Pack(block_bytes_);
  }
  totals_->lost_bytes += bytes.size();
  return kept;
}

void ColdBacklog::Pack(std::size_t bytes) {
  Block block;
  block.audio_bytes = bytes;
  block.packed = codec_.Encode(std::span(back_).first(bytes));
  block.packed_bytes = block.packed.size();
  back_.erase(back_.begin(), back_.begin() + static_cast<std::ptrdiff_t>(bytes));
  if (back_.empty()) back_.shrink_to_fit();
  if (options_.spill_above > 0 && packed_bytes_ + block.packed_bytes > options_.spill_above) {
    block.spilled = file_.Put(block.packed);
    if (block.spilled) {
      block.packed = {};
      ++totals_->spilled;
    } else {
      ++totals_->spill_failures;
    }
  }
  packed_bytes_ += block.packed.size();
  blocks_.push_back(std::move(block));
}

void ColdBacklog::Finish() {
  const std::lock_guard lock(mutex_);
  DropIfFlushed();
  finished_ = true;
  const std::size_t whole = back_.size() - back_.size() % stream_->Format().BytesPerFrame();
  if (whole > 0 && codec_.Kind() != ColdKind::kNone) Pack(whole);
  FeedLocked();
}

void ColdBacklog::Feed() {
  const std::lock_guard lock(mutex_);
  DropIfFlushed();
  FeedLocked();
}

bool ColdBacklog::Unpack() {
  Block block = std::move(blocks_.front());
  blocks_.pop_front();
  if (block.spilled) {
    block.packed.resize(block.packed_bytes);
    if (!file_.Get(*block.spilled, block.packed)) block.packed.clear();
    const bool more = std::any_of(blocks_.begin(), blocks_.end(),
                                  [](const Block& other) { return other.spilled.has_value(); });
    if (!more) file_.Rewind();
  } else {
    packed_bytes_ -= block.packed.size();
  }
  front_.resize(block.audio_bytes);
  front_at_ = 0;
  if (codec_.Decode(block.packed, front_)) return true;
  front_.clear();
  audio_bytes_ -= block.audio_bytes;
  totals_->lost_bytes += block.audio_bytes;
  return false;
}

void ColdBacklog::FeedLocked() {
  while (stream_->Look(WaitKind::kRoom) == Readiness::kReady) {
    if (front_at_ == front_.size() && !blocks_.empty() && !Unpack()) continue;
    if (front_at_ == front_.size() && blocks_.empty()) {
      front_ = std::exchange(back_, {});
      front_at_ = 0;
    }
    const std::size_t left = front_.size() - front_at_;
    if (left == 0) break;
    // Up to a packet's end, so that each round asks for room once.
    const std::size_t count = std::min(left, stream_->ToPacketEnd());
    stream_->Append(std::span(front_).subspan(front_at_, count));
    front_at_ += count;
    audio_bytes_ -= count;
    if (front_at_ == front_.size()) {
      front_ = {};
      front_at_ = 0;
    }
  }
  GiveBack();
  if (finished_ && audio_bytes_ == 0 && !stream_->Finished()) stream_->Finish();
}

std::uint64_t ColdBacklog::MemoryLocked() const {
  return packed_bytes_ + front_.capacity() + back_.capacity() + blocks_.size() * sizeof(Block);
}

std::uint64_t ColdBacklog::MemoryBytes() const {
  const std::lock_guard lock(mutex_);
  return MemoryLocked();
}

std::uint64_t ColdBacklog::AudioBytes() const {
  const std::lock_guard lock(mutex_);
  return audio_bytes_;
}

}  // namespace perf::audio
