// SPDX-License-Identifier: Apache-2.0
// Clocks, servers that are installed, and places that are written to.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/monitor/doctor/examine.hpp"

namespace perf::monitor {
namespace {

constexpr const char* kClockSource = "/sys/devices/system/clocksource/clocksource0";

void ClockSource(const Examination& look) {
  const auto source = look.tree.Text(fmt::format("{}/current_clocksource", kClockSource));
  if (!source) return;
  static constexpr std::array<std::string_view, 5> kQuick{
      "tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource"};
  for (const std::string_view quick : kQuick) {
    if (*source == quick) return look.Add("time", "clock source", Level::kOk, *source);
  }
  const auto available = look.tree.Text(fmt::format("{}/available_clocksource", kClockSource));
  std::string better;
  if (available) {
    for (const std::string_view name : WordsOf(*available)) {
      for (const std::string_view quick : kQuick) {
        if (better.empty() && name == quick) better = name;
      }
    }
  }
  const std::string path = fmt::format("{}/current_clocksource", kClockSource);
  look.Add("time", "clock source", Level::kWarning, *source,
           "each look at the clock is a system call or worse: the generator's own cost grows, and "
           "short times are told too long",
           better.empty() ? "" : look.Echo(better, path));
}

void Synchronized(const Examination& look) {
  if (!look.options.clock_synchronized) return;
  if (*look.options.clock_synchronized) {
    return look.Add("time", "synchronized", Level::kOk, "yes");
  }
  look.Add("time", "synchronized", Level::kInfo, "no",
           "times of day (of results, alerts and history) may not agree with those of other "
           "machines; what a run measures does not depend on them",
           look.tree.Exists("/usr/lib/systemd/systemd-timesyncd")
               ? fmt::format("{}timedatectl set-ntp true", look.Sudo())
               : look.Install("systemd-timesyncd"));
}

std::optional<std::string> Find(const Examination& look, const std::string& name) {
  for (const std::string_view directory : Split(look.options.search_path, ':')) {
    const std::string path = fmt::format("{}/{}", directory, name);
    if (!directory.empty() && look.tree.Executable(path)) return path;
  }
  return std::nullopt;
}

/// Debian keeps the server of each version in a directory of its own: the newest.
std::optional<std::string> FindPostgres(const Examination& look) {
  std::optional<std::string> found = Find(look, "postgres");
  double newest = -1;
  for (const std::string& version : look.tree.Names("/usr/lib/postgresql")) {
    const std::string path = fmt::format("/usr/lib/postgresql/{}/bin/postgres", version);
    const double number = ParseNumber(version).value_or(0);
    if (number <= newest || !look.tree.Executable(path)) continue;
    newest = number;
    found = path;
  }
  return found;
}

/// The first word with digits and a point: "redis_version"-like lines of all servers have one.
std::string VersionIn(std::string_view printed) {
  for (const std::string_view word : WordsOf(printed)) {
    const std::size_t digit = word.find_first_of("0123456789");
    if (digit == std::string_view::npos || word.find('.', digit) == std::string_view::npos)
      continue;
    std::string_view version = word.substr(digit);
    version = version.substr(0, version.find_first_not_of("0123456789."));
    while (version.ends_with('.')) version.remove_suffix(1);
    if (version.find('.') != std::string_view::npos) return std::string(version);
  }
  return {};
}

void Server(const Examination& look, const char* name, const std::optional<std::string>& path,
            std::string_view missing, std::string_view package) {
  if (!path) {
    if (missing.empty()) return;
    return look.Add("servers", name, Level::kInfo, "not installed", std::string(missing),
                    look.Install(package));
  }
  std::string seen = *path;
  if (look.options.version_of) {
    if (const auto printed = look.options.version_of(look.tree.At(*path))) {
      if (const std::string version = VersionIn(*printed); !version.empty()) {
        seen = fmt::format("{} ({})", version, *path);
      }
    }
  }
  look.Add("servers", name, Level::kOk, seen);
}

/// The directory itself, or the nearest above it that is there.
std::string NearestThere(const Tree& tree, std::string path) {
  while (path.size() > 1 && !tree.Exists(path)) {
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  return path.empty() ? "/" : path;
}

void Place(const Examination& look, const char* name, const std::string& path, double enough,
           double critical, const char* spoils) {
  if (path.empty()) return;
  const std::string there = NearestThere(look.tree, path);
  struct stat status{};
  const std::string real = look.tree.At(there);
  if (::stat(real.c_str(), &status) != 0 || ::access(real.c_str(), W_OK | X_OK) != 0) {
    const std::string why = std::strerror(errno);
    return look.Add("places", name, Level::kCritical, fmt::format("{}: {}", path, why), spoils,
                    fmt::format("{0}mkdir -p {1} && {0}chown $USER {1}", look.Sudo(), path));
  }
  struct statvfs space{};
  if (::statvfs(real.c_str(), &space) != 0) return;
  const double free = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
  const std::string seen =
      fmt::format("{}, {} free{}", path, FormatBytes(static_cast<std::uint64_t>(free)),
                  there == path ? "" : " (made when needed)");
  if (free < enough) {
    return look.Add("places", name, free < critical ? Level::kCritical : Level::kWarning, seen,
                    "a disk that fills up ends what is written there",
                    fmt::format("df -h {}", there));
  }
  if (there == path && (status.st_mode & 0002) != 0) {
    return look.Add("places", name, Level::kWarning, seen, "everybody may write there",
                    fmt::format("chmod o-w {}", path));
  }
  look.Add("places", name, Level::kOk, seen);
}

}  // namespace

void ExamineTime(const Examination& look) {
  ClockSource(look);
  Synchronized(look);
}

void ExamineServers(const Examination& look) {
  Server(look, "postgres", FindPostgres(look),
         "url: private cannot start a PostgreSQL of the run's own", "postgresql");
  std::optional<std::string> redis = Find(look, "redis-server");
  if (!redis) redis = Find(look, "valkey-server");
  Server(look, "redis", redis, "url: private cannot start a Redis of the run's own",
         "redis-server");
  for (const char* const name : {"pgbouncer", "nginx", "haproxy", "envoy"}) {
    Server(look, name, Find(look, name), "", "");
  }
}

void ExaminePlaces(const Examination& look) {
  constexpr double kMiB = 1024.0 * 1024;
  Place(look, "run directory", look.options.run_directory, 1 * kMiB, 64 * 1024,
        "no agent can open its socket, and perfctl status finds none");
  Place(look, "state directory", look.options.state_directory, 1024 * kMiB, 64 * kMiB,
        "results and history cannot be written");
}

}  // namespace perf::monitor
