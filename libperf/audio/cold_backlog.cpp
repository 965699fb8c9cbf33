// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/cold_backlog.hpp"

#include <algorithm>
#include <utility>

namespace perf::audio {

ColdBacklog::ColdBacklog(StreamRef stream, Options options)
    : stream_(std::move(stream)),
      options_(std::move(options)),
      codec_(options_.cold, stream_->Format()),
      block_bytes_(stream_->Format().BytesOf(codec_.BlockFrames())),
      file_(options_.spill_directory, options_.most_spilled),
      epoch_(stream_->Epoch()) {}

void ColdBacklog::DropIfFlushed() {
  if (std::exchange(epoch_, stream_->Epoch()) == stream_->Epoch()) return;
  front_.clear();
  front_at_ = 0;
  blocks_.clear();
  back_.clear();
  packed_bytes_ = audio_bytes_ = 0;
  finished_ = false;
  file_.Rewind();
}

std::size_t ColdBacklog::Append(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  DropIfFlushed();
  std::size_t kept = 0;
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), block_bytes_ - back_.size());
    if (MemoryLocked() + count > options_.most_bytes) break;
    back_.insert(back_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    audio_bytes_ += count;
    kept += count;
    bytes = bytes.subspan(count);
    FeedLocked();
    if (back_.size() == block_bytes_) Pack(block_bytes_);
  }
  lost_ += bytes.size();
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
      ++spilled_;
    } else {
      ++spill_failures_;
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
  lost_ += block.audio_bytes;
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

std::uint64_t ColdBacklog::LostBytes() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

std::uint64_t ColdBacklog::Spilled() const {
  const std::lock_guard lock(mutex_);
  return spilled_;
}

std::uint64_t ColdBacklog::SpillFailures() const {
  const std::lock_guard lock(mutex_);
  return spill_failures_;
}

}  // namespace perf::audio
