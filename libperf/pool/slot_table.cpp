// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/slot_table.hpp"

#include <algorithm>

namespace perf::pool {

SlotTable::SlotTable(std::size_t first) : first_(std::max<std::size_t>(first, 1)) {}

void SlotTable::Grow(std::size_t size) {
  std::size_t covered = 0;
  for (std::size_t chunk = 0; covered < size && chunk < chunks_.size(); ++chunk) {
    const std::size_t count = first_ << chunk;
    if (!chunks_[chunk]) chunks_[chunk] = std::make_unique<Slot[]>(count);
    covered += count;
  }
  if (size > Size()) size_.store(size, std::memory_order_release);
}

Slot* SlotTable::ClaimIdle(SlotState to) noexcept {
  return Find([&](Slot& slot) { return Claim(slot, SlotState::kIdle, to); });
}

Slot* SlotTable::ClaimEmpty() noexcept {
  return Find([](Slot& slot) { return Claim(slot, SlotState::kEmpty, SlotState::kDialling); });
}

}  // namespace perf::pool
