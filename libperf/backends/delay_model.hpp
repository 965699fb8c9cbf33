// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::backends {

/// How long a simulated back end takes: a constant or a draw from a distribution.
/// Text forms: "80ms"; "normal(80ms, 20ms)" (mean, standard deviation; draws below zero count
/// as zero); "lognormal(80ms, 0.5)" (median, sigma of the logarithm); "pareto(50ms, 2.5)" (scale =
/// the least value, shape). Every draw is in [0, kLongest].
/// Thread safety: a value; Draw is const, the generator is the caller's.
class PERF_EXPORT DelayModel {
 public:
  enum class Kind : std::uint8_t { kConstant, kNormal, kLogNormal, kPareto };
  static constexpr Duration kLongest = std::chrono::minutes(5);

  constexpr DelayModel() noexcept = default;  // no delay
  constexpr explicit DelayModel(Duration constant) noexcept : scale_(constant) {}
  /// Throws: ConfigError that quotes the text and lists the forms.
  static DelayModel Parse(std::string_view text);

  Duration Draw(Random& random) const noexcept;
  Kind GetKind() const noexcept { return kind_; }

 private:
  Kind kind_ = Kind::kConstant;
  Duration scale_{0};
  double shape_ = 0;  // standard deviation in ns, sigma, or shape
};

}  // namespace perf::backends
