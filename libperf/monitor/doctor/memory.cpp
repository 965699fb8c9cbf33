// SPDX-License-Identifier: Apache-2.0
// Memory: what is left, huge pages, swap.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/units.hpp"
#include "libperf/monitor/doctor/examine.hpp"

namespace perf::monitor {
namespace {

constexpr const char* kHugePages = "/sys/kernel/mm/transparent_hugepage/enabled";

std::string Bytes(double bytes) { return FormatBytes(static_cast<std::uint64_t>(bytes)); }

/// Of /proc/meminfo, in bytes.
std::optional<double> Meminfo(const Tree& tree, std::string_view key) {
  const auto kib = tree.Keyed("/proc/meminfo", key);
  return kib ? std::optional(*kib * 1024) : std::nullopt;
}

void Available(const Examination& look) {
  const auto total = Meminfo(look.tree, "MemTotal");
  const auto available = Meminfo(look.tree, "MemAvailable");
  if (!total || !available || *total <= 0) return;
  const std::string seen = fmt::format("{} of {}", Bytes(*available), Bytes(*total));
  const double share = *available / *total;
  if (share >= 0.1) return look.Add("memory", "available", Level::kOk, seen);
  look.Add("memory", "available", share < 0.03 ? Level::kCritical : Level::kWarning, seen,
           "caches shrink and pages move while the run goes on",
           "ps -eo pid,rss,comm --sort=-rss | head");
}

void HugePages(const Examination& look) {
  const auto text = look.tree.Text(kHugePages);
  if (!text) return;
  const std::size_t open = text->find('['), close = text->find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return;
  const std::string chosen = text->substr(open + 1, close - open - 1);
  if (chosen != "always") return look.Add("memory", "huge pages", Level::kOk, chosen);
  look.Add("memory", "huge pages", Level::kWarning, chosen,
           "Redis stalls after it forks, and the memory of a process is told too high",
           look.Echo("madvise", kHugePages));
}

void Swap(const Examination& look) {
  const auto total = Meminfo(look.tree, "SwapTotal");
  const auto free = Meminfo(look.tree, "SwapFree");
  if (!total || !free) return;
  if (*total == 0) return look.Add("memory", "swap", Level::kOk, "none");
  const double used = *total - *free;
  const std::string seen = fmt::format("{} of {} used", Bytes(used), Bytes(*total));
  if (used < 0.01 * *total) return look.Add("memory", "swap", Level::kOk, seen);
  look.Add("memory", "swap", used > 0.5 * *total ? Level::kWarning : Level::kInfo, seen,
           "what was swapped out comes back with a wait for the disk",
           fmt::format("{0}swapoff -a && {0}swapon -a", look.Sudo()));
}

void Overcommit(const Examination& look) {
  const auto mode = look.tree.Number("/proc/sys/vm/overcommit_memory");
  if (!mode) return;
  const std::string seen = fmt::format("mode {:.0f}", *mode);
  if (*mode == 1) return look.Add("memory", "overcommit", Level::kOk, seen);
  look.Add("memory", "overcommit", *mode == 2 ? Level::kWarning : Level::kInfo, seen,
           "a Redis that fills more than half of the memory cannot save in the background",
           look.Sysctl("vm.overcommit_memory", "1"));
}

}  // namespace

void ExamineMemory(const Examination& look) {
  Available(look);
  HugePages(look);
  Swap(look);
  Overcommit(look);
}

}  // namespace perf::monitor
