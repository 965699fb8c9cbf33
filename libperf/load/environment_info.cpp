// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/environment_info.hpp"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

#include "libperf/base/text.hpp"

namespace perf::load {
namespace {

/// The value of the first line "key : value" of a file of /proc; "" where there is none.
std::string ProcValue(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    if (Trim(std::string_view(line).substr(0, colon)) != key) continue;
    return std::string(Trim(std::string_view(line).substr(colon + 1)));
  }
  return {};
}

}  // namespace

Json EnvironmentInfo() {
  Json info = Json::MakeObject();
  utsname names{};
  if (::uname(&names) == 0) {
    info["host"] = std::string(names.nodename);
    info["kernel"] = fmt::format("{} {} {}", names.sysname, names.release, names.machine);
  }
  if (const std::string model = ProcValue("/proc/cpuinfo", "model name"); !model.empty()) {
    info["cpu"] = model;
  }
  info["cores"] = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  struct sysinfo memory{};
  if (::sysinfo(&memory) == 0) {
    info["memory_bytes"] = static_cast<std::int64_t>(memory.totalram) * memory.mem_unit;
    info["load_average"] = static_cast<double>(memory.loads[0]) / (1 << SI_LOAD_SHIFT);
  }
  info["compiler"] = __VERSION__;
  return info;
}

}  // namespace perf::load
