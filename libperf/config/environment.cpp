// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/environment.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/config/interpolate.hpp"

namespace perf::config {

Environment::Environment(Lookup lookup) : lookup_(std::move(lookup)) {}

std::optional<std::string> Environment::Text(const std::string& name) const {
  auto value = LookUp({lookup_, false}, name);
  if (value && value->empty()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> Environment::Integer(const std::string& name,
                                                 Range<std::int64_t> range) const {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  const auto value = ParseInteger(*text);
  if (value && *value >= range.min && *value <= range.max) return value;
  throw ConfigError(
      fmt::format("environment variable {}: expected a whole number between {} and {}", name,
                  range.min, range.max));
}

std::optional<double> Environment::Number(const std::string& name, Range<double> range) const {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  const auto value = ParseNumber(*text);
  if (value && *value >= range.min && *value <= range.max) return value;
  throw ConfigError(fmt::format("environment variable {}: expected a number{}", name,
                                range.min == kAnyNumber.min && range.max == kAnyNumber.max
                                    ? ""
                                    : fmt::format(" between {} and {}", range.min, range.max)));
}

std::optional<bool> Environment::Bool(const std::string& name) const {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  if (EqualsIgnoreCase(*text, "true")) return true;
  if (EqualsIgnoreCase(*text, "false")) return false;
  throw ConfigError(fmt::format("environment variable {}: expected true or false", name));
}

}  // namespace perf::config
