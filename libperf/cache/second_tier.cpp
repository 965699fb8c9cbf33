// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/second_tier.hpp"

namespace perf::cache {

TierListener::~TierListener() = default;
SecondTier::~SecondTier() = default;

TimePoint SecondTier::CoherentUntil() const noexcept {
  return Coherent() ? TimePoint::max() : TimePoint::min();
}
void SecondTier::AddMetrics(const std::string&, metrics::Collection&) const {}

std::string_view Name(TierStatus status) noexcept {
  switch (status) {
    case TierStatus::kOk: return "ok";
    case TierStatus::kAbsent: return "absent";
    case TierStatus::kRefused: return "refused";
    case TierStatus::kTimeout: return "timeout";
    case TierStatus::kFailed: return "failed";
    case TierStatus::kDown: break;
  }
  return "down";
}

}  // namespace perf::cache
