// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/flow_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace perf::load {

FlowNames::FlowNames(const Symbols& base) : base_(base), here_(base) {}

std::size_t FlowNames::Add(const std::string& name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  const auto slot = static_cast<std::size_t>(found - names_.begin());
  if (found == names_.end()) {
    names_.push_back(name);
    known_.insert(slot);
    here_.AddSlot(name);
  } else if (known_.insert(slot).second) {
    Rebuild();
  }
  return slot;
}

void FlowNames::Restore(const Mark& mark) {
  if (known_ == mark) return;
  known_ = mark;
  Rebuild();
}

void FlowNames::Rebuild() {
  here_ = base_;
  for (std::size_t slot = 0; slot < names_.size(); ++slot) {
    // A hidden slot keeps its number under a name that no expression can spell.
    here_.AddSlot(known_.contains(slot) ? names_[slot]
                                        : fmt::format("(a name of another branch, slot {})", slot));
  }
}

}  // namespace perf::load
