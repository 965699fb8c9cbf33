// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/answer.hpp"

#include <atomic>

#include "libperf/base/error.hpp"

namespace perf::cache {

std::string_view Name(AnswerStatus status) noexcept {
  switch (status) {
    case AnswerStatus::kFound: return "found";
    case AnswerStatus::kAbsent: return "absent";
    case AnswerStatus::kNegative: return "negative";
    case AnswerStatus::kError: return "error";
    case AnswerStatus::kTimeout: break;
  }
  return "timeout";
}

std::string_view Name(AnswerFrom from) noexcept {
  switch (from) {
    case AnswerFrom::kNowhere: return "nowhere";
    case AnswerFrom::kMemory: return "memory";
    case AnswerFrom::kTier: return "tier";
    case AnswerFrom::kLoader: break;
  }
  return "loader";
}

struct LoadDone::State {
  explicit State(std::function<void(Outcome)> function) : then(std::move(function)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    // A loader that forgot to answer must not leave its waiters to their deadlines.
    if (!ended.exchange(true)) {
      then({{}, std::make_exception_ptr(Error("the loader was dropped before it gave an answer"))});
    }
  }
  void End(Outcome outcome) {
    if (!ended.exchange(true)) then(std::move(outcome));
  }

  std::atomic<bool> ended{false};
  const std::function<void(Outcome)> then;
};

LoadDone::LoadDone(std::function<void(Outcome)> then)
    : state_(std::make_shared<State>(std::move(then))) {}

void LoadDone::Give(Loaded loaded) const { state_->End({std::move(loaded), nullptr}); }

void LoadDone::Fail(std::exception_ptr error) const {
  if (!error) error = std::make_exception_ptr(Error("the loader failed without a reason"));
  state_->End({{}, std::move(error)});
}

}  // namespace perf::cache
