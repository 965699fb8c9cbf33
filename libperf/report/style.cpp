// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/style.hpp"

#include <unistd.h>

#include <cstdlib>

namespace perf::report {
namespace {

bool Wanted(ColorChoice choice, int fd) {
  if (choice != ColorChoice::kAuto) return choice == ColorChoice::kAlways;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  return IsTerminal(fd);
}

}  // namespace

bool IsTerminal(int fd) noexcept {
  const char* const term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) != "dumb" && ::isatty(fd) == 1;
}

Style::Style(ColorChoice choice, int fd) : colored_(Wanted(choice, fd)) {}

std::string Style::Wrap(std::string_view code, std::string_view text) const {
  if (!colored_) return std::string(text);
  std::string wrapped = "\x1b[";
  wrapped.append(code).append("m").append(text).append("\x1b[0m");
  return wrapped;
}

}  // namespace perf::report
