// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/sim/crew.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace perf::cache {

void ForEachOf(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work) {
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t crew = std::min<std::size_t>(threads, count);
  if (crew <= 1) {
    for (std::size_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failed(crew);
  {
    std::vector<std::jthread> hands;
    for (std::size_t hand = 0; hand < crew; ++hand) {
      hands.emplace_back([&, hand] {
        try {
          for (std::size_t i = 0; (i = next.fetch_add(1)) < count;) work(i);
        } catch (...) {
          failed[hand] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& error : failed) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace perf::cache
