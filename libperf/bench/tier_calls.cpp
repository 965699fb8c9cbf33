// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/tier_calls.hpp"

#include <future>
#include <memory>
#include <utility>

namespace perf::bench {
namespace {

/// Starts a request and waits for what it comes to; each has a deadline of its own.
template <typename Answer, typename Start>
Answer Await(Start start) {
  const auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = promise->get_future();
  start([promise](Answer came) { promise->set_value(std::move(came)); });
  return answer.get();
}

}  // namespace

cache::TierValue TierGet(cache::SecondTier& tier, const std::string& key, Deadline deadline) {
  return Await<cache::TierValue>([&](auto done) { tier.Get(key, deadline, std::move(done)); });
}

cache::TierWritten TierSet(cache::SecondTier& tier, const std::string& key, std::string bytes,
                           Duration ttl, Deadline deadline) {
  return Await<cache::TierWritten>([&](auto done) {
    tier.Set(key, std::move(bytes), ttl, cache::SetCondition{}, deadline, std::move(done));
  });
}

cache::TierStatus TierClear(cache::SecondTier& tier, Deadline deadline) {
  return Await<cache::TierStatus>(
      [&](auto done) { tier.RemovePrefix("", deadline, std::move(done)); });
}

}  // namespace perf::bench
