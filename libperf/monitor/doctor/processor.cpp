// SPDX-License-Identifier: Apache-2.0
// The processors: their clock, who else uses them, and what the host takes away.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/monitor/doctor/examine.hpp"

namespace perf::monitor {
namespace {

constexpr const char* kCpus = "/sys/devices/system/cpu";

bool IsCpu(std::string_view name) {
  return name.size() > 3 && name.starts_with("cpu") && name[3] >= '0' && name[3] <= '9';
}

std::size_t CountCpus(const Tree& tree) {
  std::size_t count = 0;
  const std::optional<std::string> text = tree.Text("/proc/stat");
  if (!text) return 0;
  for (const std::string_view line : Split(*text, '\n')) count += IsCpu(line) ? 1 : 0;
  return count;
}

void Governor(const Examination& look) {
  std::map<std::string, std::size_t> governors;
  std::size_t cpus = 0;
  for (const std::string& name : look.tree.Names(kCpus)) {
    if (!IsCpu(name)) continue;
    ++cpus;
    const auto governor =
        look.tree.Text(fmt::format("{}/{}/cpufreq/scaling_governor", kCpus, name));
    if (governor) ++governors[*governor];
  }
  if (governors.empty()) {
    return look.Add("processor", "governor", Level::kOk,
                    cpus == 0 ? "cannot be seen" : "none: the clock is not this system's to set");
  }
  std::string seen;
  bool slow = false;
  for (const auto& [governor, count] : governors) {
    seen += fmt::format("{}{} on {} of {} CPUs", seen.empty() ? "" : ", ", governor, count, cpus);
    slow = slow || governor != "performance";
  }
  if (!slow) return look.Add("processor", "governor", Level::kOk, seen);
  look.Add("processor", "governor", Level::kWarning, seen,
           "the clock sinks between requests: low rates look slower than they are, and two runs "
           "differ",
           look.Echo("performance", fmt::format("{}/cpu*/cpufreq/scaling_governor", kCpus)));
}

void Turbo(const Examination& look) {
  const std::string intel = fmt::format("{}/intel_pstate/no_turbo", kCpus);
  const std::string other = fmt::format("{}/cpufreq/boost", kCpus);
  std::optional<bool> on;
  std::string remedy;
  if (const auto off = look.tree.Number(intel)) {
    on = *off == 0;
    remedy = look.Echo("1", intel);
  } else if (const auto boost = look.tree.Number(other)) {
    on = *boost != 0;
    remedy = look.Echo("0", other);
  }
  if (!on) return;
  if (!*on) return look.Add("processor", "turbo", Level::kOk, "off");
  look.Add("processor", "turbo", Level::kInfo, "on",
           "the clock depends on heat and on the neighbours: compare runs only side by side",
           remedy);
}

/// Of all time of the processors, since `before` or since the start: what another guest had.
std::optional<double> StealOf(std::string_view now, std::string_view before) {
  const auto read = [](std::string_view text) {
    std::array<double, 8> ticks{};
    const std::vector<std::string_view> words = WordsOf(text.substr(0, text.find('\n')));
    for (std::size_t i = 0; i < ticks.size() && i + 1 < words.size(); ++i) {
      ticks[i] = ParseNumber(words[i + 1]).value_or(0);
    }
    return ticks;
  };
  std::array<double, 8> ticks = read(now);
  const std::array<double, 8> from = before.empty() ? std::array<double, 8>{} : read(before);
  double total = 0;
  for (std::size_t i = 0; i < ticks.size(); ++i) total += ticks[i] -= from[i];
  if (total <= 0) return std::nullopt;
  return ticks[7] / total;
}

void Steal(const Examination& look) {
  const std::optional<std::string> stat = look.tree.Text("/proc/stat");
  if (!stat) return;
  const auto since_start = StealOf(*stat, {});
  if (!since_start) return;
  const auto now = look.options.stat_before ? StealOf(*stat, *look.options.stat_before)
                                            : std::optional<double>();
  std::string seen = fmt::format("{:.2g} % since the start", *since_start * 100);
  if (now) seen = fmt::format("{:.2g} % now, {}", *now * 100, seen);
  const double worst = std::max(*since_start, now.value_or(0));
  if (worst < 0.01) return look.Add("processor", "steal", Level::kOk, seen);
  look.Add("processor", "steal", worst >= 0.05 ? Level::kWarning : Level::kInfo, seen,
           "other guests of this host take processor time: latency tails are theirs as well; use "
           "a host with processors of its own, and compare CPU per operation");
}

/// "some avg10=1.23 …" of /proc/pressure/RESOURCE.
std::optional<double> PressureOf(const Tree& tree, const char* resource) {
  const auto text = tree.Text(fmt::format("/proc/pressure/{}", resource));
  const std::size_t at = text ? text->find("some avg10=") : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  const std::vector<std::string_view> words = WordsOf(std::string_view(*text).substr(at + 11));
  return words.empty() ? std::nullopt : ParseNumber(words.front());
}

void Pressure(const Examination& look) {
  struct Row {
    const char *resource, *name;
    double warning, critical;
    const char *spoils, *remedy;
  };
  static constexpr Row kRows[] = {
      {"cpu", "waiting for cpu", 10, 50,
       "programs wait for a processor in the last 10 s: what else runs here is in every latency",
       "ps -eo pid,pcpu,comm --sort=-pcpu | head"},
      {"memory", "waiting for memory", 1, 10,
       "programs wait for memory in the last 10 s: pages go out and come back during the run",
       "ps -eo pid,rss,comm --sort=-rss | head"},
      {"io", "waiting for disk", 10, 50,
       "programs wait for the disk in the last 10 s: a database here shares it",
       "ps -eo pid,stat,wchan:24,comm | awk '$2 ~ /D/'"}};
  for (const Row& row : kRows) {
    const auto share = PressureOf(look.tree, row.resource);
    if (!share) continue;
    const std::string seen = fmt::format("{:.3g} % of the last 10 s", *share);
    const Level level = *share >= row.critical  ? Level::kCritical
                        : *share >= row.warning ? Level::kWarning
                                                : Level::kOk;
    if (level == Level::kOk) {
      look.Add("processor", row.name, level, seen);
    } else {
      look.Add("processor", row.name, level, seen, row.spoils, row.remedy);
    }
  }
}

void LoadAverage(const Examination& look) {
  const auto load = look.tree.Number("/proc/loadavg");
  const std::size_t cpus = CountCpus(look.tree);
  if (!load || cpus == 0) return;
  const std::string seen = fmt::format("{:.3g} on {} CPU{}", *load, cpus, cpus == 1 ? "" : "s");
  if (*load <= 0.5 * static_cast<double>(cpus)) {
    return look.Add("processor", "load average", Level::kOk, seen);
  }
  look.Add("processor", "load average",
           *load > static_cast<double>(cpus) ? Level::kWarning : Level::kInfo, seen,
           "the machine is not idle: a run shares it with what else runs",
           "ps -eo pid,pcpu,comm --sort=-pcpu | head");
}

}  // namespace

void ExamineProcessor(const Examination& look) {
  Governor(look);
  Turbo(look);
  Steal(look);
  LoadAverage(look);
  Pressure(look);
}

}  // namespace perf::monitor
