// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/cache/frame.hpp"
#include "libperf/cache/gate.hpp"
#include "libperf/cache/second_tier.hpp"
#include "libperf/cache/tags.hpp"
#include "libperf/cache/time_source.hpp"

namespace perf::cache {

/// The tag that every entry of a cache has; Clear invalidates it.
inline constexpr std::string_view kWholeCache;

/// Finds out the tier's generations of tags: from memory where they are known, else from the tier.
/// Thread safety: all methods.
class TagReader {
 public:
  TagReader(Tags& tags, SecondTier& tier, const TimeSource& time, Gate& gate)
      : tags_(tags), tier_(tier), time_(time), gate_(gate) {}

  using Done = std::function<void(bool ok, std::vector<TagMark> marks)>;
  /// The marks of `tags` in their order, in this call when all are known, else later. What was
  /// learned longer than `age` ago is asked again.
  void Read(std::vector<std::string> tags, Duration age, Deadline deadline, Done done);
  /// Puts a generation that the tier has told into Tags; memory entries of an older one are voided.
  void Learn(const std::string& tag, std::uint64_t generation, std::uint64_t epoch);
  using Void = std::function<void(const std::string& tag)>;
  /// They may have changed: asks again, and calls `make_void` for those that did, or of which that
  /// cannot be found out.
  void Verify(std::span<const std::string> tags, Deadline deadline, const Void& make_void);

 private:
  bool Asking(const std::string& tag);
  void Answered(std::span<const std::string> tags);
  std::vector<TagQuery> Queries(std::span<const std::string> tags) const;

  Tags& tags_;
  SecondTier& tier_;
  const TimeSource& time_;
  Gate& gate_;
  Guarded<std::multiset<std::string, std::less<>>> asking_;  // by Read, and not answered yet
};

}  // namespace perf::cache
