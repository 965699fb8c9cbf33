// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/warm.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/cache/blocking_face.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/cache/cache_state.hpp"
#include "libperf/cache/memory/memory.hpp"

namespace perf::cache {
namespace {

/// Hands out the keys in order, no faster than the rate, and counts what became of them.
class WarmRun {
 public:
  WarmRun(Cache& cache, const CacheState& state, std::span<const std::string> keys,
          const WarmOptions& options)
      : cache_(cache), state_(state), keys_(keys), options_(options), began_(Clock::now()) {
    progress_.total = keys.size();
  }

  void Work() {
    while (const std::string* key = Next()) Tell(Load(*key));
  }
  WarmReport Report() const {
    WarmReport report;
    static_cast<WarmProgress&>(report) = progress_;
    report.complete = Done() == progress_.total;
    return report;
  }

 private:
  using Field = std::size_t WarmProgress::*;

  const std::string* Next() {
    std::unique_lock lock(mutex_);
    while (next_ < keys_.size() && !options_.deadline.Passed(Clock::now())) {
      if (options_.rate <= 0) return &keys_[next_++];
      // Absolute: a slow load does not slow the rest down.
      const TimePoint turn = Saturated(
          began_,
          Duration(static_cast<std::int64_t>(static_cast<double>(next_) / options_.rate * 1e9)));
      if (Clock::now() >= turn) return &keys_[next_++];
      turn_.wait_until(lock, Sooner(Deadline(turn), options_.deadline).At());
    }
    return nullptr;
  }

  Field Load(const std::string& key) {
    if (cache_.Peek(key).status != AnswerStatus::kAbsent) return &WarmProgress::fresh;
    const WarmFunction function = state_.FunctionFor(key);
    if (!function) return &WarmProgress::unmatched;
    const Answer answer = cache_.GetOrSet(
        key, [function, key] { return function(key); }, options_.deadline,
        options_.entry ? &*options_.entry : nullptr);
    if (answer.stale || (!answer.Found() && answer.status != AnswerStatus::kNegative)) {
      return &WarmProgress::failed;
    }
    return &WarmProgress::loaded;
  }

  void Tell(Field field) {
    WarmProgress now;
    const std::lock_guard order(telling_);
    {
      const std::lock_guard lock(mutex_);
      ++(progress_.*field);
      now = progress_;
    }
    if (options_.progress) options_.progress(now);
  }

  std::size_t Done() const {
    return progress_.loaded + progress_.fresh + progress_.unmatched + progress_.failed;
  }

  Cache& cache_;
  const CacheState& state_;
  const std::span<const std::string> keys_;
  const WarmOptions& options_;
  const TimePoint began_;
  std::mutex mutex_;
  std::mutex telling_;
  std::condition_variable turn_;
  std::size_t next_ = 0;
  WarmProgress progress_;
};

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      // The last star takes one more: enough, since what stands before it has matched.
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

WarmReport Cache::Warm(std::span<const std::string> keys, const WarmOptions& options) {
  if (options.concurrency < 1 || options.concurrency > 256) {
    throw ConfigError("warming needs a concurrency of 1 to 256");
  }
  if (!(options.rate >= 0)) throw ConfigError("the rate of warming is not negative");
  WarmRun run(*this, *state_, keys, options);
  const auto threads = std::min<std::size_t>(static_cast<std::size_t>(options.concurrency),
                                             std::max<std::size_t>(keys.size(), 1));
  std::vector<std::jthread> crew;
  for (std::size_t i = 1; i < threads; ++i) crew.emplace_back([&run] { run.Work(); });
  run.Work();
  crew.clear();
  return run.Report();
}

}  // namespace perf::cache
