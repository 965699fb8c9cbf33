// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::bench {

/// Which keys are asked for, what is done with them, and how large their values are.
struct CacheWorkloadOptions {
  /// zipf (by `zipf`), uniform, scan (all keys in turn), hotspot (80 % of the requests go to 20 %
  /// of the keys), mixed (zipf, with a tenth of the requests in scans of a thousand).
  std::string distribution = "zipf";
  double zipf = 0.99;
  std::uint64_t keys = 1'000'000;
  std::size_t key_bytes = 16;  // 8 to 250
  /// Percent of the requests; what is missing to 100 are reads. A read that misses puts the value.
  unsigned writes = 0;
  unsigned removes = 0;
  bool put_on_miss = true;
  /// fixed (min), uniform (min to max) or pareto (min to max, exponent 1: many small, few large).
  std::string value_sizes = "fixed";
  std::size_t value_min = 100;  // at least 4
  std::size_t value_max = 100;
};

/// Keys, sizes of values and requests, made beforehand so that making them is not measured.
/// Thread safety: const methods all.
class PERF_EXPORT CacheWorkload {
 public:
  enum class Action : std::uint8_t { kRead, kWrite, kRemove };
  /// A key, above two bits of what is done with it.
  using Request = std::uint32_t;

  /// Throws: UsageError for numbers out of range.
  CacheWorkload(const CacheWorkloadOptions& options, std::uint64_t seed);

  const CacheWorkloadOptions& Options() const noexcept { return options_; }
  /// What one thread does again and again; a power of two of them.
  std::vector<Request> Requests(std::size_t thread) const;

  static Action ActionOf(Request request) noexcept { return static_cast<Action>(request & 3); }
  static std::uint32_t KeyOf(Request request) noexcept { return request >> 2; }
  std::string_view Key(std::uint32_t number) const noexcept {
    return {keys_.data() + std::size_t{number} * options_.key_bytes, options_.key_bytes};
  }
  std::size_t ValueBytes(std::uint32_t number) const noexcept {
    return sizes_.empty() ? options_.value_min : sizes_[number];
  }

 private:
  CacheWorkloadOptions options_;
  std::uint64_t seed_;
  std::string keys_;                  // one after the other
  std::vector<std::uint32_t> ranks_;  // popularity to number, so that neighbours are not alike
  std::vector<std::uint32_t> sizes_;  // empty: all alike
};

}  // namespace perf::bench
