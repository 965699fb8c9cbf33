// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "libperf/cache/sim.hpp"

namespace perf::cache {

/// A whole trace in memory, with what comes next for each request; shared by all cells of opt and
/// optb.
struct Future {
  static constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

  std::vector<std::uint32_t> keys;  ///< Dense numbers instead of ids.
  std::vector<std::uint32_t>
      next;  ///< Index of the next get of the same key; kNever where there is none.
  std::vector<std::uint32_t> sizes;  ///< Empty where the format tells none; they saturate.
  std::vector<TraceOp> ops;          ///< Empty where all are gets.
  std::uint64_t distinct = 0;

  std::uint64_t Bytes() const noexcept;
  /// What building and replaying will take.
  static std::uint64_t Needs(const TraceSurvey& survey, bool sizes) noexcept;
  /// Throws: ConfigError of the reader; for 2^32 - 1 requests and more.
  static Future Read(TraceReader& reader, const std::function<bool(std::uint64_t)>& go_on);

 private:
  void LinkNext();
};

/// Belady's MIN (1966): what is used again last goes. A newcomer always enters (opt), or stays out
/// where it would be the one (optb). With sizes: the same rule until there is room, which is no
/// longer the optimum, but what is known as Belady there.
SimRow ReplayFuture(const SimCell& cell, const Future& future);

}  // namespace perf::cache
