// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/alarm.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace perf::backends {

void AlarmLink::Unlink() noexcept {
  previous->next = next;
  next->previous = previous;
  next = previous = this;
}

void AlarmLink::LinkBefore(AlarmLink& position) noexcept {
  next = &position;
  previous = position.previous;
  previous->next = this;
  position.previous = this;
}

std::uint64_t AlarmWheel::TickOf(TimePoint at) const noexcept {
  // Rounded up: an alarm never fires early.
  const auto since = std::max(at - start_, Duration::zero());
  return static_cast<std::uint64_t>(since / kTick) + 1;
}

void AlarmWheel::Insert(Alarm& alarm, TimePoint now) {
  alarm.Unlink();
  if (alarm.deadline_.IsNever() && !expire_all_) {
    alarm.LinkBefore(never_);
    return;
  }
  // A wheel that was idle for long has an old `current_`; nothing lies between it and now.
  if (NextTick() == TimePoint::max()) current_ = std::max(current_, TickOf(now) - 1);
  const std::uint64_t wanted = expire_all_ ? current_ : TickOf(alarm.deadline_.At());
  const std::uint64_t tick = std::clamp(wanted, current_, current_ + kSlots - 1);
  const std::size_t slot = tick % kSlots;
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  alarm.LinkBefore(slots_[slot]);
}

void AlarmWheel::FireList(AlarmLink& list, TimePoint now) {
  AlarmLink due;
  if (list.Alone()) return;
  // Callbacks may destroy other alarms of this list: they unlink themselves from `due`.
  due.next = std::exchange(list.next, &list);
  due.previous = std::exchange(list.previous, &list);
  due.next->previous = &due;
  due.previous->next = &due;
  while (!due.Alone()) {
    auto& alarm = static_cast<Alarm&>(*due.next);
    if (expire_all_ || alarm.deadline_.Passed(now)) {
      alarm.Unlink();
      alarm.on_expire_();
    } else {
      Insert(alarm, now);
    }
  }
}

void AlarmWheel::Advance(TimePoint now) {
  const std::uint64_t end = expire_all_ ? current_ + kSlots : TickOf(now);
  while (current_ < end) {
    const TimePoint next = NextTick();
    if (next == TimePoint::max()) {
      current_ = std::max(current_, end);
      return;
    }
    const auto tick = static_cast<std::uint64_t>((next - start_) / kTick);
    if (tick >= end) break;
    const std::size_t slot = tick % kSlots;
    occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    current_ = tick + 1;
    FireList(slots_[slot], now);
    if (expire_all_) return;
  }
  current_ = std::max(current_, end);
}

void AlarmWheel::ExpireAll() {
  expire_all_ = true;
  FireList(never_, TimePoint::max());
  for (AlarmLink& slot : slots_) FireList(slot, TimePoint::max());
}

TimePoint AlarmWheel::NextTick() noexcept {
  for (std::uint64_t tick = current_; tick < current_ + kSlots;) {
    const std::size_t slot = tick % kSlots;
    const std::uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word == 0) {
      tick += 64 - slot % 64;
      continue;
    }
    tick += static_cast<std::uint64_t>(std::countr_zero(word));
    const std::size_t found = tick % kSlots;
    if (!slots_[found].Alone()) {
      return tick >= current_ + kSlots ? TimePoint::max()
                                       : start_ + kTick * static_cast<std::int64_t>(tick);
    }
    occupied_[found / 64] &= ~(std::uint64_t{1} << (found % 64));
  }
  return TimePoint::max();
}

}  // namespace perf::backends
