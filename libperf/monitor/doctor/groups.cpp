// SPDX-License-Identifier: Apache-2.0
// What the control groups of this process allow: version 2, and version 1 where that is in use.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/monitor/doctor/examine.hpp"

namespace perf::monitor {
namespace {

constexpr const char* kTop = "/sys/fs/cgroup";
/// More than any machine has: version 1 writes its "no limit" as a number.
constexpr double kNoLimitBytes = 0x1p60;

/// The path of this process in a hierarchy of version 1 ("" asks for version 2).
std::optional<std::string> PathIn(const Tree& tree, std::string_view controller) {
  const std::optional<std::string> text = tree.Text("/proc/self/cgroup");
  if (!text) return std::nullopt;
  for (const std::string_view line : Split(*text, '\n')) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::vector<std::string_view> controllers =
        Split(line.substr(first + 1, second - first - 1), ',');
    if (std::find(controllers.begin(), controllers.end(), controller) != controllers.end()) {
      return std::string(line.substr(second + 1));
    }
  }
  return std::nullopt;
}

/// A group and those above it, the own first. In a container the path that the kernel tells may
/// lie outside of what is mounted: then the top of the mount is the own group.
std::vector<std::string> Groups(const Tree& tree, const std::string& top, std::string path) {
  std::vector<std::string> groups;
  while (path.size() > 1) {
    if (tree.Exists(top + path)) groups.push_back(top + path);
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  groups.push_back(top);
  return groups;
}

struct Found {
  std::optional<double> cpus, memory, used, pids;
  std::string cpu_group, memory_group;
  double periods = 0, throttled = 0;
};

void KeepLeast(std::optional<double>& least, std::optional<double> value) {
  if (value && (!least || *value < *least)) least = value;
}

void ReadVersion2(const Tree& tree, Found& found) {
  const auto path = PathIn(tree, "");
  if (!path || !tree.Exists(fmt::format("{}/cgroup.controllers", kTop))) return;
  for (const std::string& group : Groups(tree, kTop, *path)) {
    if (const auto text = tree.Text(group + "/cpu.max")) {
      const std::vector<std::string_view> words = WordsOf(*text);
      const auto quota = words.empty() ? std::nullopt : ParseNumber(words[0]);
      const auto period = words.size() < 2 ? std::nullopt : ParseNumber(words[1]);
      if (quota && period && *period > 0 && (!found.cpus || *quota / *period < *found.cpus)) {
        found.cpus = *quota / *period;
        found.cpu_group = group;
        found.periods = tree.Keyed(group + "/cpu.stat", "nr_periods").value_or(0);
        found.throttled = tree.Keyed(group + "/cpu.stat", "nr_throttled").value_or(0);
      }
    }
    const auto memory = tree.Number(group + "/memory.max");
    if (memory && (!found.memory || *memory < *found.memory)) {
      found.memory = memory;
      found.memory_group = group;
      found.used = tree.Number(group + "/memory.current");
    }
    KeepLeast(found.pids, tree.Number(group + "/pids.max"));
  }
}

void ReadVersion1(const Tree& tree, Found& found) {
  if (const auto path = PathIn(tree, "cpu"); path && tree.Exists(fmt::format("{}/cpu", kTop))) {
    for (const std::string& group : Groups(tree, fmt::format("{}/cpu", kTop), *path)) {
      const auto quota = tree.Number(group + "/cpu.cfs_quota_us");
      const auto period = tree.Number(group + "/cpu.cfs_period_us");
      if (!quota || !period || *quota <= 0 || *period <= 0) continue;
      if (found.cpus && *found.cpus <= *quota / *period) continue;
      found.cpus = *quota / *period;
      found.cpu_group = group;
      found.periods = tree.Keyed(group + "/cpu.stat", "nr_periods").value_or(0);
      found.throttled = tree.Keyed(group + "/cpu.stat", "nr_throttled").value_or(0);
    }
  }
  const auto path = PathIn(tree, "memory");
  if (!path || !tree.Exists(fmt::format("{}/memory", kTop))) return;
  for (const std::string& group : Groups(tree, fmt::format("{}/memory", kTop), *path)) {
    const auto limit = tree.Number(group + "/memory.limit_in_bytes");
    if (!limit || *limit >= kNoLimitBytes || (found.memory && *found.memory <= *limit)) continue;
    found.memory = limit;
    found.memory_group = group;
    found.used = tree.Number(group + "/memory.usage_in_bytes");
  }
}

void Processors(const Examination& look, const Found& found) {
  if (!found.cpus) return look.Add("processor", "cgroup cpu", Level::kOk, "no limit");
  const double throttled = found.periods > 0 ? found.throttled / found.periods : 0;
  const std::string seen = fmt::format("{:.3g} CPUs, throttled in {:.3g} % of {} periods",
                                       *found.cpus, throttled * 100, GroupedNumber(found.periods));
  const std::string remedy = look.tree.Exists(found.cpu_group + "/cpu.max")
                                 ? look.Echo("max", found.cpu_group + "/cpu.max")
                                 : look.Echo("-1", found.cpu_group + "/cpu.cfs_quota_us");
  look.Add("processor", "cgroup cpu", throttled > 0.01 ? Level::kWarning : Level::kInfo, seen,
           "who has used up the quota stands still for the rest of the period (often 100 ms): "
           "stalls that no target causes",
           remedy);
}

void Memory(const Examination& look, const Found& found) {
  if (!found.memory) return look.Add("memory", "cgroup memory", Level::kOk, "no limit");
  std::string seen = FormatBytes(static_cast<std::uint64_t>(*found.memory));
  if (found.used) {
    seen = fmt::format("{} of {}", FormatBytes(static_cast<std::uint64_t>(*found.used)), seen);
  }
  const double share = found.used && *found.memory > 0 ? *found.used / *found.memory : 0;
  if (share < 0.8 && *found.memory >= 512.0 * 1024 * 1024) {
    return look.Add("memory", "cgroup memory", Level::kOk, seen);
  }
  const std::string limit = look.tree.Exists(found.memory_group + "/memory.max")
                                ? "/memory.max"
                                : "/memory.limit_in_bytes";
  look.Add("memory", "cgroup memory", share >= 0.95 ? Level::kCritical : Level::kWarning, seen,
           "at the limit the kernel takes pages back, then kills: page cache counts, too",
           look.Echo("max", found.memory_group + limit));
}

}  // namespace

void ExamineGroups(const Examination& look) {
  Found found;
  ReadVersion2(look.tree, found);
  ReadVersion1(look.tree, found);
  Processors(look, found);
  Memory(look, found);
  if (found.pids && *found.pids < 512) {
    look.Add("limits", "cgroup processes", Level::kWarning, GroupedNumber(*found.pids),
             "private servers and threads are refused beyond it",
             "systemctl set-property --runtime UNIT TasksMax=4096");
  }
}

}  // namespace perf::monitor
