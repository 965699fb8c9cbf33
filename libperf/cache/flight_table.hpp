// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace perf::cache {

class Flight;

/// The flights under way, by key, in stripes. A stripe's lock also makes "nobody removed this key"
/// and "put it into memory" one step: who removes or writes holds it, too. Thread safety: the
/// stripe's mutex, held by the caller. Never call user code or the tier with one held (but for
/// what the tier tells of itself at once, such as CoherentUntil).
class FlightTable {
 public:
  struct alignas(64) Stripe {
    std::mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights;
  };

  Stripe& Of(std::uint64_t hash) noexcept { return stripes_[(hash >> 32) % kStripes]; }
  auto begin() noexcept { return stripes_.begin(); }
  auto end() noexcept { return stripes_.end(); }

 private:
  static constexpr std::size_t kStripes = 64;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace perf::cache
