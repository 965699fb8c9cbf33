// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::service {

struct Dependent {
  std::string name;
  std::vector<std::string> needs{};
};

/// Who needs whom, checked: items are numbered in the order in which they were given.
/// Thread safety: as a const object.
class PERF_EXPORT DependencyGraph {
 public:
  /// Throws: ConfigError that names a repeated name, the unknown one (with whom it is needed by,
  /// and what was probably meant), or all members of a cycle in their order.
  explicit DependencyGraph(const std::vector<Dependent>& items);

  std::size_t Size() const noexcept { return needs_.size(); }
  const std::vector<std::size_t>& Needs(std::size_t item) const { return needs_[item]; }
  const std::vector<std::size_t>& NeededBy(std::size_t item) const { return needed_by_[item]; }

 private:
  std::vector<std::vector<std::size_t>> needs_;
  std::vector<std::vector<std::size_t>> needed_by_;
};

/// One walk over a graph: gives each item once, as soon as all that stand before it are done.
/// Thread safety: none. Lifetime: borrows the graph.
class PERF_EXPORT DependencyWalk {
 public:
  enum class Direction : std::uint8_t { kNeedsFirst, kNeededByFirst };

  /// Only the items marked in `among` (as many as the graph has): the rest stand before nobody.
  DependencyWalk(const DependencyGraph& graph, Direction direction, std::vector<bool> among);

  /// What may begin now and was not given before.
  std::vector<std::size_t> TakeReady();
  /// Requires: the item was given and is not done yet.
  void Done(std::size_t item);
  /// Whether every item is done.
  bool Finished() const noexcept { return left_ == 0; }

 private:
  const std::vector<std::size_t>& Before(std::size_t item) const;
  const std::vector<std::size_t>& After(std::size_t item) const;

  const DependencyGraph& graph_;
  const Direction direction_;
  std::vector<std::size_t> waits_;  // for so many
  std::vector<std::size_t> ready_;
  std::vector<bool> among_;
  std::size_t left_ = 0;
};

}  // namespace perf::service
