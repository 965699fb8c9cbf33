// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/mirror_ring.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "libperf/audio/slab/mapping.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {
namespace {

std::atomic<std::uint64_t> mirrored{0};

bool SwitchedOff() noexcept {
  const char* const text = std::getenv("PERFKIT_AUDIO_MIRROR");
  return text != nullptr && std::string_view(text) == "off";
}

/// What was written through one address may be read through the other from here on.
void ForgetAddresses() noexcept { asm volatile("" ::: "memory"); }

std::size_t Advanced(std::size_t at, std::size_t by, std::size_t size) noexcept {
  return at + by >= size ? at + by - size : at + by;
}

}  // namespace

MirrorRing::MirrorRing(const Options& options)
    : frame_bytes_(options.frame_bytes),
      capacity_(0),
      size_(0),
      largest_(options.largest),
      head_(options.start),
      tail_seen_(options.start),
      last_overrun_(options.start - 1),
      tail_(options.start),
      head_seen_(options.start) {
  constexpr std::size_t kMost = std::size_t{1} << 40U;
  if (options.bytes == 0 || options.bytes > kMost || frame_bytes_ == 0 ||
      frame_bytes_ > options.bytes || largest_ > options.bytes) {
    throw ConfigError(fmt::format("a ring of {} bytes of frames of {} and spans of {} is none",
                                  options.bytes, frame_bytes_, largest_));
  }
  capacity_ = RoundUp(options.bytes, frame_bytes_);
  if (largest_ == 0) largest_ = capacity_;
  largest_ = RoundUp(largest_, frame_bytes_);
  if (options.plain || SwitchedOff() || !MapTwice()) MapOnce();
}

bool MirrorRing::MapTwice() noexcept {
  if (mirrored.fetch_add(1) >= kMostMirrored) {
    mirrored.fetch_sub(1);
    return false;
  }
  size_ = RoundUp(capacity_, PageBytes());
  mapped_ = 2 * size_;
  const int file = memfd_create("perfkit-audio", MFD_CLOEXEC);
  // Both halves at once, and then only replaced: a hole between would be open to other threads.
  void* const room = file < 0 || ftruncate(file, static_cast<off_t>(size_)) != 0
                         ? MAP_FAILED
                         : mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool good = room != MAP_FAILED;
  if (good) {
    data_ = static_cast<std::byte*>(room);
    for (std::byte* half : {data_, data_ + size_}) {
      good = good && mmap(half, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) !=
                         MAP_FAILED;
    }
    if (!good) munmap(data_, mapped_);
  }
  if (file >= 0) close(file);
  if (good) {
    kind_ = Kind::kMirrored;
  } else {
    mirrored.fetch_sub(1);
  }
  return good;
}

void MirrorRing::MapOnce() {
  kind_ = Kind::kPlain;
  size_ = capacity_;
  // What straddles the end lies in the margin, on the writer's or on the reader's side.
  mapped_ = RoundUp(size_ + 2 * largest_, alignof(std::max_align_t));
  data_ = static_cast<std::byte*>(std::malloc(mapped_));
  if (data_ == nullptr) {
    throw IoError(fmt::format("no memory for a ring of {}", FormatBytes(mapped_)));
  }
}

MirrorRing::~MirrorRing() {
  if (kind_ == Kind::kMirrored) {
    munmap(data_, mapped_);
    mirrored.fetch_sub(1);
  } else {
    std::free(data_);
  }
}

std::span<std::byte> MirrorRing::BeginWrite(std::size_t bytes) noexcept {
  const std::size_t want = Whole(std::min(bytes, largest_));
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  if (head - tail_seen_ + want > capacity_) tail_seen_ = tail_.load(std::memory_order_acquire);
  const std::size_t free = capacity_ - static_cast<std::size_t>(head - tail_seen_);
  const std::size_t room = std::min(want, Whole(free));
  if (room < want) {
    overrun_frames_.fetch_add((want - room) / frame_bytes_, std::memory_order_relaxed);
    if (last_overrun_ != head) overrun_events_.fetch_add(1, std::memory_order_relaxed);
    last_overrun_ = head + room;
  }
  // A plain ring's straddling span is written into the writer's margin, and moved when committed.
  in_margin_ = kind_ == Kind::kPlain && write_at_ + room > size_;
  return {in_margin_ ? data_ + size_ : data_ + write_at_, room};
}

void MirrorRing::CommitWrite(std::size_t bytes) noexcept {
  if (in_margin_) {
    const std::size_t first = std::min(bytes, size_ - write_at_);
    std::memcpy(data_ + write_at_, data_ + size_, first);
    std::memcpy(data_, data_ + size_ + first, bytes - first);
    in_margin_ = false;
  }
  write_at_ = Advanced(write_at_, bytes, size_);
  ForgetAddresses();
  head_.store(head_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

std::size_t MirrorRing::Write(std::span<const std::byte> frames) noexcept {
  const std::span<std::byte> room = BeginWrite(frames.size());
  if (room.empty()) return 0;
  std::memcpy(room.data(), frames.data(), room.size());
  CommitWrite(room.size());
  return room.size();
}

std::span<const std::byte> MirrorRing::Peek(std::size_t bytes) noexcept {
  const std::size_t want = Whole(std::min(bytes, largest_));
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (head_seen_ - tail < want) head_seen_ = head_.load(std::memory_order_acquire);
  const std::size_t ready = std::min<std::uint64_t>(want, head_seen_ - tail);
  ForgetAddresses();
  if (kind_ == Kind::kPlain && read_at_ + ready > size_) {
    std::byte* const margin = data_ + size_ + largest_;
    const std::size_t first = size_ - read_at_;
    std::memcpy(margin, data_ + read_at_, first);
    std::memcpy(margin + first, data_, ready - first);
    return {margin, ready};
  }
  return {data_ + read_at_, ready};
}

void MirrorRing::Pop(std::size_t bytes) noexcept {
  read_at_ = Advanced(read_at_, bytes, size_);
  tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

std::size_t MirrorRing::Fill() const noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_acquire);
  return static_cast<std::size_t>(head_.load(std::memory_order_acquire) - tail);
}

Xruns MirrorRing::Overruns() const noexcept {
  return {overrun_frames_.load(std::memory_order_relaxed),
          overrun_events_.load(std::memory_order_relaxed)};
}

}  // namespace perf::audio
