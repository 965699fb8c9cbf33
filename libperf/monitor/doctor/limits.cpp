// SPDX-License-Identifier: Apache-2.0
// What a process may have, and what the network lets it have.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/monitor/doctor/examine.hpp"

namespace perf::monitor {
namespace {

constexpr double kUnlimited = 1e18;

struct Limit {
  double soft, hard;
};

std::optional<double> LimitOf(std::string_view word) {
  return word == "unlimited" ? std::optional(kUnlimited) : ParseNumber(word);
}

/// A line of /proc/self/limits: "Max open files            1024                 524288     files".
std::optional<Limit> LimitOf(const Tree& tree, std::string_view name) {
  const std::optional<std::string> text = tree.Text("/proc/self/limits");
  if (!text) return std::nullopt;
  for (const std::string_view line : Split(*text, '\n')) {
    if (!line.starts_with(name)) continue;
    const std::vector<std::string_view> words = WordsOf(line.substr(name.size()));
    if (words.size() < 2) return std::nullopt;
    const auto soft = LimitOf(words[0]), hard = LimitOf(words[1]);
    if (soft && hard) return Limit{*soft, *hard};
  }
  return std::nullopt;
}

std::string Shown(double limit) { return limit >= kUnlimited ? "no limit" : GroupedNumber(limit); }

void OpenFiles(const Examination& look) {
  const std::optional<Limit> limit = LimitOf(look.tree, "Max open files");
  if (!limit) return;
  constexpr double kFew = 1'024, kPlenty = 16'384;
  std::string seen = Shown(limit->soft);
  if (limit->hard > limit->soft) seen += ", may be raised to " + Shown(limit->hard);
  if (limit->soft >= kPlenty) return look.Add("limits", "open files", Level::kOk, seen);
  const std::string spoils =
      fmt::format("each connection and each RTP stream takes one: no more than about {} at a time",
                  GroupedNumber(limit->soft > 100 ? limit->soft - 100 : 0));
  const std::string remedy =
      limit->hard >= kPlenty
          ? fmt::format("ulimit -n {:.0f}", limit->hard < 65'536 ? limit->hard : 65'536)
          : fmt::format("{}prlimit --pid $$ --nofile=65536", look.Sudo());
  look.Add("limits", "open files", limit->soft < kFew ? Level::kCritical : Level::kInfo, seen,
           spoils, remedy);
}

void Processes(const Examination& look) {
  const std::optional<Limit> limit = LimitOf(look.tree, "Max processes");
  if (!limit) return;
  if (limit->soft >= 512) {
    return look.Add("limits", "processes", Level::kOk, Shown(limit->soft));
  }
  look.Add("limits", "processes", Level::kWarning, Shown(limit->soft),
           "private servers and threads are refused when the user has so many",
           fmt::format("{}prlimit --pid $$ --nproc=4096", look.Sudo()));
}

void Ports(const Examination& look) {
  const auto text = look.tree.Text("/proc/sys/net/ipv4/ip_local_port_range");
  if (!text) return;
  const std::vector<std::string_view> words = WordsOf(*text);
  const auto low = words.size() == 2 ? ParseNumber(words[0]) : std::nullopt;
  const auto high = words.size() == 2 ? ParseNumber(words[1]) : std::nullopt;
  if (!low || !high || *high < *low) return;
  const double ports = *high - *low + 1;
  const double waiting = [&] {
    const auto sockets = look.tree.Text("/proc/net/sockstat");
    const std::size_t at = sockets ? sockets->find(" tw ") : std::string::npos;
    if (at == std::string::npos) return 0.0;
    const std::vector<std::string_view> rest = WordsOf(std::string_view(*sockets).substr(at + 4));
    return rest.empty() ? 0.0 : ParseNumber(rest.front()).value_or(0);
  }();
  std::string seen = fmt::format("{} ({} to {})", GroupedNumber(ports), *low, *high);
  if (waiting > 0) seen += fmt::format(", {} in TIME-WAIT", GroupedNumber(waiting));
  const std::string remedy = look.Sysctl("net.ipv4.ip_local_port_range", "\"10240 65535\"");
  if (waiting > ports / 2) {
    return look.Add("network", "ephemeral ports", Level::kWarning, seen,
                    "more than half of them wait for their end: new connections to one address may "
                    "fail; keep connections open, or wait a minute",
                    remedy);
  }
  if (ports >= 20'000) return look.Add("network", "ephemeral ports", Level::kOk, seen);
  look.Add("network", "ephemeral ports", ports < 5'000 ? Level::kWarning : Level::kInfo, seen,
           fmt::format("a run without kept connections can open about {} a second to one address",
                       GroupedNumber(ports / 60)),
           remedy);
}

void AtLeast(const Examination& look, const char* name, const char* path, const char* sysctl,
             double enough, const char* enough_text, Level level, const char* spoils) {
  const std::optional<double> value = look.tree.Number(path);
  if (!value) return;
  if (*value >= enough) return look.Add("network", name, Level::kOk, GroupedNumber(*value));
  look.Add("network", name, level, GroupedNumber(*value), spoils, look.Sysctl(sysctl, enough_text));
}

}  // namespace

void ExamineLimits(const Examination& look) {
  OpenFiles(look);
  Processes(look);
}

void ExamineNetwork(const Examination& look) {
  Ports(look);
  AtLeast(look, "accept queue", "/proc/sys/net/core/somaxconn", "net.core.somaxconn", 1'024, "4096",
          Level::kWarning,
          "a server on this machine refuses bursts of connections above it (net.core.somaxconn), "
          "and clients wait a second and more for their second try");
  AtLeast(look, "receive buffer", "/proc/sys/net/core/rmem_max", "net.core.rmem_max", 1'048'576,
          "4194304", Level::kInfo,
          "bursts of RTP above it (bytes a socket, net.core.rmem_max) are lost in the kernel "
          "before they are read");
}

}  // namespace perf::monitor
