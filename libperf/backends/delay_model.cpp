// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/delay_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

[[noreturn]] void Refuse(std::string_view text, std::string_view why) {
  throw ConfigError(
      fmt::format("bad delay \"{}\": {}; write 80ms, normal(80ms, 20ms), lognormal(80ms, 0.5) or "
                  "pareto(50ms, 2.5)",
                  Excerpt(text, 80), why));
}

Duration ParseLength(std::string_view text, std::string_view part) {
  const auto length = ParseDuration(part);
  if (!length) Refuse(text, "no duration where one belongs");
  if (*length > DelayModel::kLongest) Refuse(text, "longer than 5m");
  return *length;
}

double ParseShape(std::string_view text, std::string_view part, bool zero_allowed) {
  const auto shape = ParseNumber(part);
  if (!shape || *shape < 0 || (*shape == 0 && !zero_allowed) || *shape > 1000)
    Refuse(text, "the second value must be a positive number up to 1000");
  return *shape;
}

}  // namespace

DelayModel DelayModel::Parse(std::string_view text) {
  const std::string_view whole = Trim(text);
  const auto open = whole.find('(');
  if (open == std::string_view::npos) return DelayModel(ParseLength(text, whole));
  if (whole.back() != ')') Refuse(text, "no closing parenthesis at the end");
  const std::string_view name = Trim(whole.substr(0, open));
  const auto parts = Split(whole.substr(open + 1, whole.size() - open - 2), ',');
  if (parts.size() != 2) Refuse(text, "two values belong in the parentheses");

  DelayModel model(ParseLength(text, Trim(parts[0])));
  const std::string_view second = Trim(parts[1]);
  if (name == "normal") {
    model.kind_ = Kind::kNormal;
    model.shape_ = static_cast<double>(ParseLength(text, second).count());
  } else if (name == "lognormal") {
    model.kind_ = Kind::kLogNormal;
    model.shape_ = ParseShape(text, second, true);
  } else if (name == "pareto") {
    model.kind_ = Kind::kPareto;
    model.shape_ = ParseShape(text, second, false);
  } else {
    Refuse(text, "unknown distribution");
  }
  return model;
}

Duration DelayModel::Draw(Random& random) const noexcept {
  const auto scale = static_cast<double>(scale_.count());
  double ns = scale;
  switch (kind_) {
    case Kind::kConstant: break;
    case Kind::kNormal: ns = scale + shape_ * random.Normal(); break;
    case Kind::kLogNormal: ns = scale * std::exp(shape_ * random.Normal()); break;
    // By inversion; 1 - Unit() is never zero.
    case Kind::kPareto: ns = scale * std::pow(1.0 - random.Unit(), -1.0 / shape_); break;
  }
  // Clamped before the conversion, which is undefined out of range; also catches infinity.
  return Duration(
      static_cast<Duration::rep>(std::clamp(ns, 0.0, static_cast<double>(kLongest.count()))));
}

}  // namespace perf::backends
