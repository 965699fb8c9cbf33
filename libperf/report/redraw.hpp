// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::report {

/// Draws screens over one another where they stand, without flicker: each is one write, in which
/// the cursor goes to the top, every line that changed is written over and its rest cleared, and
/// what is below the end is cleared. Nothing is cleared before it is written again, and what was on
/// the terminal before stays above. Where the output is no terminal, screens follow one another.
/// Thread safety: none. Between two screens the terminal is as it was found, with the cursor below:
/// a signal may end the program at any time.
class PERF_EXPORT Redraw {
 public:
  using Write = std::function<void(std::string_view)>;
  /// `terminal`: whether the output follows escape sequences; `write` takes all that is to be
  /// written, and may throw.
  Redraw(bool terminal, Write write);
  /// Draws `screen`, whose lines end with '\n'. `lines`: those of the terminal now, 0 for unknown;
  /// of a screen that is longer the first lines are drawn, for those that scrolled out at the top
  /// could not be drawn over. `columns`: a change of it makes every line be drawn anew.
  void Draw(std::string_view screen, std::size_t lines, std::size_t columns);

 private:
  bool terminal_;
  Write write_;
  std::vector<std::string> shown_;
  std::size_t columns_ = 0;
};

/// `draw` at once and then every `every`, until `stop` is set; a signal that sets it (such as
/// SIGINT) ends the wait, and so does a change of the terminal's size (SIGWINCH), after which it
/// is drawn at once. Where `draw` takes longer than `every`, a quarter of `every` is waited.
/// Thread safety: one at a time in a process, for it takes SIGWINCH as long as it runs.
PERF_EXPORT void Watch(Duration every, const std::atomic<bool>& stop,
                       const std::function<void()>& draw);

}  // namespace perf::report
