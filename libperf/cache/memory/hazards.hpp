// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "libperf/base/heavy_barrier.hpp"
#include "libperf/cache/memory/handle.hpp"

namespace perf::cache {

/// The hazard pointers of one thread (Michael, "Hazard Pointers", IEEE TPDS 2004). A record is
/// never freed, and is given to another thread when its own has ended; hazards that a moved Handle
/// still holds stay in it.
class alignas(64) HazardRecord {
 public:
  /// The calling thread's.
  static HazardRecord& Mine() noexcept {
    HazardRecord* const mine = mine_;
    return mine != nullptr ? *mine : Register();
  }
  /// A hazard that holds nothing; the caller stores into it before it claims another.
  Hazard& Claim() noexcept {
    for (Hazard& hazard : near_) {
      if (hazard.Held(std::memory_order_acquire) == nullptr) return hazard;
    }
    return ClaimFar();
  }
  /// What the thread walks through while it looks for an entry; stays until it walks elsewhere.
  Hazard& Walked() noexcept { return walked_; }
  /// Numbers from 0 on; those of threads that live at the same time differ.
  std::uint32_t Ordinal() const noexcept { return ordinal_; }

  /// All that anybody holds, sorted.
  static void Gather(std::vector<const void*>& held);

 private:
  struct alignas(64) Page {
    std::array<Hazard, 63> hazards;
    std::atomic<Page*> next{nullptr};
  };
  struct Leave;

  static HazardRecord& Register() noexcept;
  Hazard& ClaimFar() noexcept;

  static thread_local constinit HazardRecord* mine_ __attribute__((tls_model("initial-exec")));
  static std::atomic<HazardRecord*> all_;

  Hazard walked_;
  std::array<Hazard, 7> near_;
  std::atomic<Page*> far_{nullptr};
  HazardRecord* next_ = nullptr;  // of all_
  std::uint32_t ordinal_ = 0;
  std::atomic<bool> taken_{true};
};

/// Publishes a hazard so that whoever frees things either sees it, or had hidden the thing before
/// the reads that follow here.
inline void PublishHazard(Hazard& hazard, const void* what, bool light) noexcept {
  if (light) {
    hazard.Hold(what, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the other side has the real barrier
  } else {
    hazard.Hold(what, std::memory_order_seq_cst);
  }
}

}  // namespace perf::cache
