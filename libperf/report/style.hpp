// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::report {

/// Whether `fd` is a terminal that follows escape sequences: TERM is set and not "dumb".
/// Thread safety: none changes the environment meanwhile.
PERF_EXPORT bool IsTerminal(int fd) noexcept;

enum class ColorChoice { kAuto, kAlways, kNever };

/// Colours for one stream. Values are never told by colour alone: a word or sign stands beside.
/// Thread safety: const after construction.
class PERF_EXPORT Style {
 public:
  /// kAuto: colours when IsTerminal(fd), and NO_COLOR is unset or empty.
  Style(ColorChoice choice, int fd);
  bool Colored() const noexcept { return colored_; }
  std::string Good(std::string_view text) const { return Wrap("32;1", text); }
  std::string Bad(std::string_view text) const { return Wrap("31;1", text); }
  std::string Warn(std::string_view text) const { return Wrap("33;1", text); }
  std::string Note(std::string_view text) const { return Wrap("36", text); }
  std::string Bold(std::string_view text) const { return Wrap("1", text); }
  std::string Dim(std::string_view text) const { return Wrap("2", text); }

 private:
  std::string Wrap(std::string_view code, std::string_view text) const;
  bool colored_;
};

}  // namespace perf::report
