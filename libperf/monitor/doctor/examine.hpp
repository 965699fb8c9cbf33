// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/monitor/doctor/doctor.hpp"
#include "libperf/monitor/doctor/tree.hpp"

namespace perf::monitor {

/// What the areas share while they are looked at.
struct Examination {
  const Tree& tree;
  const DoctorOptions& options;
  std::vector<DoctorCheck>& checks;

  void Add(const char* area, const char* name, Level level, std::string seen,
           std::string spoils = {}, std::string remedy = {}) const;
  /// "sudo sysctl -w NAME=VALUE".
  std::string Sysctl(std::string_view name, std::string_view value) const;
  /// "echo VALUE | sudo tee PATH"; PATH may have stars.
  std::string Echo(std::string_view value, std::string_view path) const;
  /// "sudo apt install PACKAGE".
  std::string Install(std::string_view package) const;
  std::string Sudo() const { return options.superuser ? "" : "sudo "; }
};

/// With separators: "12,345".
std::string GroupedNumber(double value);

/// Each adds the checks of its areas.
void ExamineLimits(const Examination& look);
void ExamineNetwork(const Examination& look);
void ExamineProcessor(const Examination& look);
void ExamineGroups(const Examination& look);
void ExamineMemory(const Examination& look);
void ExamineTime(const Examination& look);
void ExamineServers(const Examination& look);
void ExaminePlaces(const Examination& look);

}  // namespace perf::monitor
