// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/family.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::metrics {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kTotal = "_total";
// Of the formats: a family `x` with samples x_sum and a family `x_sum` would be one.
constexpr std::array kReserved{"_total"sv, "_count"sv, "_sum"sv, "_bucket"sv, "_created"sv};
// What promtool's linter rejects as a word of a name: types, abbreviated units, scaled units.
constexpr std::array kNoWord{
    "counter"sv,      "gauge"sv,        "histogram"sv, "summary"sv, "s"sv,        "ms"sv,
    "us"sv,           "ns"sv,           "m"sv,         "h"sv,       "d"sv,        "b"sv,
    "kb"sv,           "mb"sv,           "gb"sv,        "tb"sv,      "pb"sv,       "bits"sv,
    "milliseconds"sv, "microseconds"sv, "minutes"sv,   "hours"sv,   "days"sv,     "weeks"sv,
    "kilobytes"sv,    "megabytes"sv,    "gigabytes"sv, "percent"sv, "percents"sv, "nanoseconds"sv};

bool Lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool Digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool Letter(char c) noexcept { return Lower(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

template <typename Good>
bool AllOf(std::string_view text, Good good) {
  return !text.empty() && !Digit(text.front()) && std::all_of(text.begin(), text.end(), good);
}

[[noreturn]] void Reject(const FamilySpec& spec, std::string_view why) {
  throw Error(fmt::format("metric {:?}: {}", Excerpt(spec.name, 100), why));
}

void CheckOurs(const FamilySpec& spec) {
  if (!AllOf(spec.name, [](char c) { return Lower(c) || Digit(c) || c == '_'; })) {
    Reject(spec, "a name is made of a-z, 0-9 and _");
  }
  if (!spec.name.starts_with("perfkit_") && !spec.name.starts_with("process_")) {
    Reject(spec, "the name must begin with perfkit_");
  }
  if ((spec.type == Type::kCounter) != spec.name.ends_with(kTotal)) {
    Reject(spec, "a counter's name ends in _total, and no other's does");
  }
  for (const std::string_view word : Split(BaseName(spec), '_')) {
    if (std::find(kNoWord.begin(), kNoWord.end(), word) != kNoWord.end()) {
      Reject(spec, fmt::format("the word {:?} names a type or an unusual unit", word));
    }
  }
}

}  // namespace

std::string_view Name(Type type) noexcept {
  switch (type) {
    case Type::kCounter: return "counter";
    case Type::kGauge: return "gauge";
    case Type::kHistogram: return "histogram";
    case Type::kSummary: return "summary";
  }
  return "unknown";
}

std::string_view BaseName(const FamilySpec& spec) noexcept {
  std::string_view name = spec.name;
  if (spec.type == Type::kCounter && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  return name;
}

void CheckSpec(const FamilySpec& spec) {
  if (!AllOf(spec.name, [](char c) { return Letter(c) || Digit(c) || c == ':'; })) {
    Reject(spec, "a name is made of letters, digits and _");
  }
  if (!spec.foreign) CheckOurs(spec);
  for (const std::string_view suffix : kReserved) {
    if (BaseName(spec).ends_with(suffix)) {
      Reject(spec, fmt::format("the suffix {} is reserved", suffix));
    }
  }
  if (spec.help.empty()) Reject(spec, "it needs a help text");
  if (!spec.unit.empty() && !BaseName(spec).ends_with("_" + spec.unit)) {
    Reject(spec, fmt::format("its unit is {:?}, so the name must end in it", spec.unit));
  }
}

void CheckLabelNames(const FamilySpec& spec, const std::vector<std::string>& names) {
  for (auto name = names.begin(); name != names.end(); ++name) {
    const bool syntax = AllOf(*name, [](char c) { return Letter(c) || Digit(c); });
    const bool reserved = name->starts_with("__") ||
                          (spec.type == Type::kHistogram && *name == "le") ||
                          (spec.type == Type::kSummary && *name == "quantile");
    if (!syntax || reserved) {
      Reject(spec, fmt::format("{:?} is no name for a label of it", Excerpt(*name, 100)));
    }
    if (std::find(names.begin(), name, *name) != name) {
      Reject(spec, fmt::format("label {:?} stands twice", *name));
    }
  }
}

}  // namespace perf::metrics
