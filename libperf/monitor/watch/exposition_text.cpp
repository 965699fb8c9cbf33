// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/watch/exposition_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/monitor/watch/exposition_families.hpp"
#include "libperf/monitor/watch/exposition_line.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostName = 512;

std::string_view Word(std::string_view& text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

/// A line that begins with '#'; gives what is wrong with it.
const char* ReadComment(std::string_view line, ExpositionFamilies& families) {
  line.remove_prefix(1);
  const std::string_view keyword = Word(line);
  if (keyword != "TYPE" && keyword != "HELP" && keyword != "UNIT") return nullptr;
  const std::string_view name = Word(line);
  if (!IsMetricName(name)) return "a metric's name is expected";
  if (name.size() > kMostName) return "a metric's name is too long";
  if (keyword == "TYPE") return families.SetType(name, Trim(line));
  if (!line.empty()) line.remove_prefix(1);
  if (keyword == "HELP") families.SetHelp(name, line.substr(0, 4 * kMostName));
  if (keyword == "UNIT") families.SetUnit(name, Trim(line));
  return nullptr;
}

/// Labels of a series that gets another one.
metrics::Labels WithLabel(const metrics::Labels& labels, const std::string& name,
                          const std::string& value) {
  const auto taken = [&](const std::string& wanted) {
    return std::any_of(labels.begin(), labels.end(),
                       [&](const auto& label) { return label.first == wanted; });
  };
  std::string moved = "exported_" + name;
  while (taken(moved)) moved.insert(0, "exported_");
  metrics::Labels all{{name, value}};
  for (const auto& label : labels) {
    all.emplace_back(label.first == name ? moved : label.first, label.second);
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

ParsedExposition ParseExposition(std::string_view text, bool open_metrics,
                                 const ExpositionLimits& limits) {
  ParsedExposition parsed;
  const auto fail = [&](std::string why) {
    parsed = {};
    parsed.error = std::move(why);
    return parsed;
  };
  if (text.size() > limits.bytes) {
    return fail(fmt::format("more than {} bytes of metrics", limits.bytes));
  }
  ExpositionFamilies families(open_metrics);
  ExpositionSample sample;
  bool ended = false;
  std::size_t number = 0;
  while (!text.empty() && !ended) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty()) continue;
    const char* wrong = nullptr;
    if (line.front() == '#') {
      ended = open_metrics && line == "# EOF";
      wrong = ReadComment(line, families);
    } else {
      if (++parsed.series > limits.series) {
        return fail(fmt::format("more than {} series", limits.series));
      }
      wrong = ReadSampleLine(line, open_metrics, limits, sample);
      if (wrong == nullptr && sample.name.size() > kMostName) wrong = "a metric's name is too long";
      if (wrong == nullptr) wrong = families.Add(sample);
    }
    if (wrong == nullptr && families.Families() > limits.series) wrong = "too many metrics";
    if (wrong != nullptr) {
      return fail(fmt::format("line {}: {}: {:?}", number, wrong, Excerpt(line, 80)));
    }
  }
  if (open_metrics && !ended) return fail("the text ends without \"# EOF\": it was cut");
  parsed.snapshot = families.Finish();
  parsed.left_out = families.LeftOut();
  return parsed;
}

void MergeSnapshot(metrics::MetricsSnapshot& into, const metrics::MetricsSnapshot& more,
                   const std::string& label, const std::string& value) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < into.families.size(); ++i) places[into.families[i].spec.name] = i;
  for (const metrics::FamilySnapshot& family : more.families) {
    const auto [found, added] = places.emplace(family.spec.name, into.families.size());
    if (added) into.families.push_back({family.spec, {}});
    metrics::FamilySnapshot& target = into.families[found->second];
    if (target.spec.type != family.spec.type) {
      into.errors.push_back(fmt::format("{} {:?}: metric {} is there with another type", label,
                                        value, family.spec.name));
      continue;
    }
    for (const metrics::Sample& sample : family.samples) {
      metrics::Sample& copy = target.samples.emplace_back(sample);
      copy.labels = WithLabel(sample.labels, label, value);
    }
  }
  std::sort(into.families.begin(), into.families.end(),
            [](const auto& a, const auto& b) { return a.spec.name < b.spec.name; });
}

}  // namespace perf::monitor
