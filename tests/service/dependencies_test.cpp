// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/dependencies.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::service {
namespace {

std::string ErrorOf(const std::vector<Dependent>& items) {
  try {
    const DependencyGraph graph(items);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("dependencies: what cannot be is refused by name") {
  struct Row {
    std::vector<Dependent> items;
    std::string error;
  };
  const std::vector<Row> rows = {
      {{}, ""},
      {{{"a", {"b"}}, {"b"}}, ""},
      {{{"a", {"b", "b"}}, {"b"}}, ""},  // twice is once
      {{{"a"}, {"a"}}, "component 'a' stands twice"},
      {{{"a", {"a"}}}, "components need one another in a circle: 'a' needs 'a'"},
      {{{"x"}, {"a", {"b", "x"}}, {"b", {"c"}}, {"c", {"a"}}},
       "components need one another in a circle: 'a' needs 'b' needs 'c' needs 'a'"},
      {{{"d", {"a"}}, {"a", {"b"}}, {"b", {"a"}}},
       "components need one another in a circle: 'a' needs 'b' needs 'a'"},
      {{{"a", {"histroy"}}, {"history"}},
       "component 'a' needs 'histroy', which there is not; did you mean 'history'?"},
      {{{"a", {"zzzzzz"}}}, "component 'a' needs 'zzzzzz', which there is not"},
  };
  for (const Row& row : rows) CHECK(ErrorOf(row.items) == row.error);
}

/// A graph without circles: each item needs some of those that stand before it in a secret order.
std::vector<Dependent> RandomItems(Random& random, std::size_t size) {
  std::vector<Dependent> items(size);
  for (std::size_t i = 0; i < size; ++i) items[i].name = "c" + std::to_string(i);
  std::vector<std::size_t> order(size);
  for (std::size_t i = 0; i < size; ++i) order[i] = i;
  for (std::size_t i = size; i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(i) - 1))]);
  }
  for (std::size_t i = 1; i < size; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (random.Unit() < 0.25) items[order[i]].needs.push_back(items[order[j]].name);
    }
  }
  return items;
}

TEST_CASE("dependencies: a walk gives each item once, after all before it (random graphs)") {
  Random random(20261130);
  for (int round = 0; round < 300; ++round) {
    const auto size = static_cast<std::size_t>(random.Int(1, 24));
    const auto items = RandomItems(random, size);
    const DependencyGraph graph(items);
    for (const auto direction :
         {DependencyWalk::Direction::kNeedsFirst, DependencyWalk::Direction::kNeededByFirst}) {
      std::vector<bool> among(size);
      for (std::size_t i = 0; i < size; ++i) among[i] = round % 2 == 0 || random.Unit() < 0.6;
      DependencyWalk walk(graph, direction, among);
      std::vector<bool> done(size), given(size);
      std::vector<std::size_t> open;
      for (;;) {
        for (const std::size_t item : walk.TakeReady()) {
          REQUIRE(among[item]);
          REQUIRE_FALSE(given[item]);
          given[item] = true;
          const auto& before = direction == DependencyWalk::Direction::kNeedsFirst
                                   ? graph.Needs(item)
                                   : graph.NeededBy(item);
          for (const std::size_t other : before) REQUIRE((!among[other] || done[other]));
          open.push_back(item);
        }
        if (open.empty()) break;
        const auto pick =
            static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(open.size()) - 1));
        done[open[pick]] = true;
        walk.Done(open[pick]);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
      }
      CHECK(walk.Finished());
      CHECK(done == among);
    }
  }
}

}  // namespace
}  // namespace perf::service
