// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/hazards.hpp"

#include <algorithm>

namespace perf::cache {

thread_local constinit HazardRecord* HazardRecord::mine_ = nullptr;
std::atomic<HazardRecord*> HazardRecord::all_{nullptr};

/// Gives the record back when its thread ends.
struct HazardRecord::Leave {
  HazardRecord* record = nullptr;
  ~Leave() {
    mine_ = nullptr;
    if (record != nullptr) {
      record->walked_.Hold(nullptr, std::memory_order_release);
      record->taken_.store(false, std::memory_order_release);
    }
  }
};

HazardRecord& HazardRecord::Register() noexcept {
  static thread_local Leave leave;
  HazardRecord* record = all_.load(std::memory_order_acquire);
  for (; record != nullptr; record = record->next_) {
    if (!record->taken_.load(std::memory_order_relaxed) &&
        !record->taken_.exchange(true, std::memory_order_acquire)) {
      break;
    }
  }
  if (record == nullptr) {
    record = new HazardRecord;
    record->next_ = all_.load(std::memory_order_acquire);
    do {
      record->ordinal_ = record->next_ != nullptr ? record->next_->ordinal_ + 1 : 0;
    } while (!all_.compare_exchange_weak(record->next_, record, std::memory_order_acq_rel));
  }
  leave.record = record;
  mine_ = record;
  return *record;
}

Hazard& HazardRecord::ClaimFar() noexcept {
  std::atomic<Page*>* link = &far_;
  for (Page* page = link->load(std::memory_order_acquire); page != nullptr;
       page = link->load(std::memory_order_acquire)) {
    for (Hazard& hazard : page->hazards) {
      if (hazard.Held(std::memory_order_acquire) == nullptr) return hazard;
    }
    link = &page->next;
  }
  Page* const page = new Page;
  link->store(page, std::memory_order_seq_cst);
  return page->hazards[0];
}

void HazardRecord::Gather(std::vector<const void*>& held) {
  held.clear();
  const auto add = [&held](const Hazard& hazard) {
    const void* const what = hazard.Held(std::memory_order_seq_cst);
    if (what != nullptr) held.push_back(what);
  };
  for (HazardRecord* record = all_.load(std::memory_order_seq_cst); record != nullptr;
       record = record->next_) {
    add(record->walked_);
    for (const Hazard& hazard : record->near_) add(hazard);
    for (Page* page = record->far_.load(std::memory_order_seq_cst); page != nullptr;
         page = page->next.load(std::memory_order_seq_cst)) {
      for (const Hazard& hazard : page->hazards) add(hazard);
    }
  }
  std::sort(held.begin(), held.end());
}

}  // namespace perf::cache
