// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/dependencies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::service {
namespace {

using Numbers = std::map<std::string, std::size_t, std::less<>>;

Numbers Numbered(const std::vector<Dependent>& items) {
  Numbers numbers;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!numbers.emplace(items[i].name, i).second) {
      throw ConfigError(fmt::format("component '{}' stands twice", items[i].name));
    }
  }
  return numbers;
}

[[noreturn]] void FailUnknown(const Numbers& numbers, const Dependent& item,
                              const std::string& need) {
  std::vector<std::string_view> names;
  for (const auto& [name, number] : numbers) names.push_back(name);
  const std::string_view meant = Suggest(need, names);
  throw ConfigError(fmt::format("component '{}' needs '{}', which there is not{}", item.name, need,
                                meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
}

}  // namespace

DependencyGraph::DependencyGraph(const std::vector<Dependent>& items)
    : needs_(items.size()), needed_by_(items.size()) {
  const Numbers numbers = Numbered(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (const std::string& need : items[i].needs) {
      const auto found = numbers.find(need);
      if (found == numbers.end()) FailUnknown(numbers, items[i], need);
      if (std::find(needs_[i].begin(), needs_[i].end(), found->second) != needs_[i].end()) continue;
      needs_[i].push_back(found->second);
      needed_by_[found->second].push_back(i);
    }
  }
  DependencyWalk walk(*this, DependencyWalk::Direction::kNeedsFirst,
                      std::vector<bool>(items.size(), true));
  std::vector<bool> done(items.size());
  for (auto ready = walk.TakeReady(); !ready.empty(); ready = walk.TakeReady()) {
    for (const std::size_t item : ready) {
      walk.Done(item);
      done[item] = true;
    }
  }
  if (walk.Finished()) return;
  // Whoever is not done needs somebody who is not done either: following that leads into a cycle.
  std::size_t at =
      static_cast<std::size_t>(std::find(done.begin(), done.end(), false) - done.begin());
  std::vector<std::size_t> path;
  while (std::find(path.begin(), path.end(), at) == path.end()) {
    path.push_back(at);
    at =
        *std::find_if(needs_[at].begin(), needs_[at].end(), [&](auto need) { return !done[need]; });
  }
  std::string text;
  for (auto it = std::find(path.begin(), path.end(), at); it != path.end(); ++it) {
    text += fmt::format("'{}' needs ", items[*it].name);
  }
  throw ConfigError(
      fmt::format("components need one another in a circle: {}'{}'", text, items[at].name));
}

DependencyWalk::DependencyWalk(const DependencyGraph& graph, Direction direction,
                               std::vector<bool> among)
    : graph_(graph), direction_(direction), waits_(graph.Size()), among_(std::move(among)) {
  for (std::size_t i = 0; i < graph_.Size(); ++i) {
    if (!among_[i]) continue;
    ++left_;
    for (const std::size_t before : Before(i)) waits_[i] += among_[before] ? 1 : 0;
    if (waits_[i] == 0) ready_.push_back(i);
  }
}

std::vector<std::size_t> DependencyWalk::TakeReady() { return std::exchange(ready_, {}); }

void DependencyWalk::Done(std::size_t item) {
  --left_;
  for (const std::size_t after : After(item)) {
    if (among_[after] && --waits_[after] == 0) ready_.push_back(after);
  }
}

const std::vector<std::size_t>& DependencyWalk::Before(std::size_t item) const {
  return direction_ == Direction::kNeedsFirst ? graph_.Needs(item) : graph_.NeededBy(item);
}

const std::vector<std::size_t>& DependencyWalk::After(std::size_t item) const {
  return direction_ == Direction::kNeedsFirst ? graph_.NeededBy(item) : graph_.Needs(item);
}

}  // namespace perf::service
