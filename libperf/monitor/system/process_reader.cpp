// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/system/process_reader.hpp"

#include <unistd.h>

#include <string_view>

#include "libperf/monitor/system/scan.hpp"

namespace perf::monitor {
namespace {

std::string Directory(const std::string& root, int pid) {
  return root + "/proc/" + (pid == 0 ? std::string("self") : std::to_string(pid));
}

double TickSeconds() noexcept {
  static const double seconds = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return seconds;
}

}  // namespace

ProcessReader::ProcessReader(const std::string& root, int pid)
    : pid_(pid),
      stat_(Directory(root, pid) + "/stat"),
      limits_(Directory(root, pid) + "/limits"),
      fds_(Directory(root, pid) + "/fd") {}

std::optional<ProcessReading> ProcessReader::Read(std::optional<std::uint64_t> boot_time) {
  if (reused_) return std::nullopt;
  const std::string_view text = stat_.Read(buffer_);
  // The name in parentheses may hold blanks and parentheses.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  ProcessReading reading;
  reading.pid = static_cast<int>(Scan(text).NumberOr0());
  Scan words(text.substr(name_end + 1));
  const std::string_view state = words.Word();
  if (state == "Z" || state == "X") return std::nullopt;  // only its parent's answer is missing
  words.Skip(10);
  const std::uint64_t user = words.NumberOr0();
  const std::uint64_t system = words.NumberOr0();
  reading.cpu_seconds = static_cast<double>(user + system) * TickSeconds();
  words.Skip(4);
  reading.threads = words.NumberOr0();
  words.Skip(1);
  const std::optional<std::uint64_t> started = words.Number();
  if (!started) return std::nullopt;
  reading.start_ticks = *started;
  reading.virtual_bytes = words.NumberOr0();
  reading.resident_bytes = words.NumberOr0() * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (!start_ticks_) start_ticks_ = *started;
  if (*start_ticks_ != *started) {
    reused_ = true;
    return std::nullopt;
  }
  if (boot_time) {
    reading.start_time =
        static_cast<double>(*boot_time) + static_cast<double>(*started) * TickSeconds();
  }
  const long open = fds_.Count();
  if (open >= 0) reading.open_fds = static_cast<std::uint64_t>(open);
  // The limit changes hardly ever, and its file is the longest.
  constexpr unsigned kLimitEvery = 10;
  if (reads_++ % kLimitEvery == 0) max_fds_ = ReadLimit();
  reading.max_fds = max_fds_;
  return reading;
}

std::optional<std::uint64_t> ProcessReader::ReadLimit() {
  constexpr std::string_view kKey = "Max open files";
  for (Scan lines(limits_.Read(buffer_)); !lines.AtEnd();) {
    const std::string_view line = lines.Line();
    if (line.starts_with(kKey)) return Scan(line.substr(kKey.size())).Number();
  }
  return std::nullopt;
}

}  // namespace perf::monitor
