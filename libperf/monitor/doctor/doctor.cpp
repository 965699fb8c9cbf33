// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/doctor/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/monitor/doctor/examine.hpp"

namespace perf::monitor {

void Examination::Add(const char* area, const char* name, Level level, std::string seen,
                      std::string spoils, std::string remedy) const {
  checks.push_back({area, name, level, std::move(seen), std::move(spoils), std::move(remedy)});
}

std::string Examination::Sysctl(std::string_view name, std::string_view value) const {
  return fmt::format("{}sysctl -w {}={}", Sudo(), name, value);
}

std::string Examination::Echo(std::string_view value, std::string_view path) const {
  return fmt::format("echo {} | {}tee {}", value, Sudo(), path);
}

std::string Examination::Install(std::string_view package) const {
  return fmt::format("{}apt install {}", Sudo(), package);
}

std::string GroupedNumber(double value) {
  std::string text = fmt::format("{:.0f}", std::clamp(value, -1e15, 1e15));
  for (int at = static_cast<int>(text.size()) - 3; at > (text[0] == '-' ? 1 : 0); at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::vector<DoctorCheck> Examine(const DoctorOptions& options) {
  const Tree tree(options.root);
  if (!tree.Exists("/proc/stat") && !tree.Exists("/proc/meminfo")) {
    throw IoError(fmt::format("{}/proc: cannot be read; is it mounted?", options.root));
  }
  std::vector<DoctorCheck> checks;
  const Examination look{tree, options, checks};
  ExamineLimits(look);
  ExamineNetwork(look);
  ExamineProcessor(look);
  ExamineGroups(look);
  ExamineMemory(look);
  ExamineTime(look);
  ExamineServers(look);
  ExaminePlaces(look);
  return checks;
}

}  // namespace perf::monitor
