// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/config/reader.hpp"

namespace perf::config {

/// Typed reading of environment variables. All: nothing where the variable is not set or empty.
/// Throws: ConfigError that names the variable and the rule, never the value (it may be a secret).
/// Thread safety: reads the environment, so no other thread may change it meanwhile.
class PERF_EXPORT Environment {
 public:
  using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

  /// `lookup` stands in for the environment of the process; empty: that environment.
  explicit Environment(Lookup lookup = {});

  std::optional<std::string> Text(const std::string& name) const;
  std::optional<std::int64_t> Integer(const std::string& name,
                                      Range<std::int64_t> range = kAnyInteger) const;
  std::optional<double> Number(const std::string& name, Range<double> range = kAnyNumber) const;
  /// "true" or "false", in any case of letters.
  std::optional<bool> Bool(const std::string& name) const;

 private:
  Lookup lookup_;
};

}  // namespace perf::config
