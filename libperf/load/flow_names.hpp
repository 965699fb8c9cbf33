// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/load/template.hpp"

namespace perf::load {

/// Which captured and set names are known at a point of one flow. Each name has one slot in the
/// whole flow; a name of a branch that is not taken is not known in the other branches.
/// Thread safety: none.
class FlowNames {
 public:
  using Mark = std::set<std::size_t>;

  /// `base` has the constants and data sets.
  explicit FlowNames(const Symbols& base);

  /// Makes a name known from here on.
  std::size_t Add(const std::string& name);
  /// The names known now, to return to with Restore at the next branch.
  const Mark& Known() const noexcept { return known_; }
  void Restore(const Mark& mark);
  /// What a template here may use.
  const Symbols& Here() const noexcept { return here_; }
  const std::vector<std::string>& All() const noexcept { return names_; }

 private:
  void Rebuild();

  Symbols base_;
  Symbols here_;
  std::vector<std::string> names_;  // by slot
  Mark known_;
};

}  // namespace perf::load
