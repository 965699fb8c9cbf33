// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/blocking_pool.hpp"

#include <algorithm>
#include <vector>

#include "libperf/base/quick_clock.hpp"
#include "libperf/pool/blocking_state.hpp"
#include "libperf/pool/core_inline.hpp"

namespace perf::pool {
namespace {

/// The memory of the pools that this thread uses: whoever returns the last loan still looks at the
/// core after it let go of the slot, so the core must not go with that slot. Connections and
/// threads of a pool go with the pool; only this shell waits for the thread to use other pools, or
/// to end.
struct Keeper {
  ~Keeper();
  std::vector<std::shared_ptr<BlockingState>> states;
};
constexpr std::size_t kKeptMost = 16;
thread_local Keeper keeper;
constinit thread_local bool keeper_gone = false;
// The last one, apart from the vector: looked at by each acquire and return.
__attribute__((tls_model("initial-exec"))) constinit thread_local const BlockingState* kept =
    nullptr;

Keeper::~Keeper() {
  keeper_gone = true;
  kept = nullptr;
}

__attribute__((noinline)) void KeepSlowly(BlockingState& state) {
  if (keeper_gone) {
    // A loan that another thread-local object returns at the very end of its thread.
    static_cast<void>(new std::shared_ptr<BlockingState>(state.shared_from_this()));
    return;
  }
  auto& states = keeper.states;
  const auto found = std::find_if(states.begin(), states.end(),
                                  [&](const auto& each) { return each.get() == &state; });
  if (found == states.end()) {
    std::erase_if(states, [](const auto& each) { return each->OnlyMemory(); });
    if (states.size() >= kKeptMost) states.erase(states.begin());
    states.push_back(state.shared_from_this());
  } else {
    std::rotate(found, found + 1, states.end());
  }
  kept = &state;
}

void Keep(BlockingState& state) {
  if (kept != &state) [[unlikely]] {
    KeepSlowly(state);
  }
}

}  // namespace

BlockingLoan& BlockingLoan::operator=(BlockingLoan&& other) noexcept {
  if (this != &other) {
    if (slot_ != nullptr) Return();
    state_ = other.state_;
    slot_ = std::exchange(other.slot_, nullptr);
  }
  return *this;
}

void BlockingLoan::Return() noexcept {
  Slot* slot = std::exchange(slot_, nullptr);
  if (slot == nullptr) return;
  BlockingState& state = *state_;
  Keep(state);
  if (state.options.reset) return state.GiveBack(*slot);
  const Core::Quickly quickly = state.core.ReturnShared(*slot);
  if (quickly != Core::Quickly::kDone) [[unlikely]] {
    state.GiveBackSlowly(*slot, quickly);
  }
}

BlockingPool::BlockingPool(Options options, Dial dial)
    : state_(std::make_shared<BlockingState>(std::move(options), std::move(dial))) {
  state_->Start();
}

BlockingPool::~BlockingPool() {
  state_->Stop();
  // In a forked child nothing may run its destructor: the threads that it speaks of are not here.
  if (state_->core.InForkedChild()) static_cast<void>(new std::shared_ptr<BlockingState>(state_));
}

BlockingPool::Lent BlockingPool::Acquire(Deadline deadline, Core::Where where) {
  BlockingState& state = *state_;
  Slot* slot = state.core.MayBarge() ? state.core.BargeShared(QuickNow(), where)
                                     : state.core.TakeShared(CoarseNow(), where);
  if (slot != nullptr) return Lent{BlockingLoan(state, *slot), {}};
  Lent lent;
  slot = state.AcquireSlowly(deadline, where, lent.refusal);
  if (slot != nullptr) lent.loan = BlockingLoan(state, *slot);
  return lent;
}

BlockingLoan BlockingPool::AcquireOrThrow(Deadline deadline, Core::Where where) {
  Lent lent = Acquire(deadline, where);
  if (lent.refusal) throw PoolError(std::move(*lent.refusal.details));
  return std::move(lent.loan);
}

bool BlockingPool::Prefill(Deadline deadline) { return state_->Prefill(deadline); }

void BlockingPool::Invalidate() {
  const TimePoint now = Clock::now();
  state_->core.Invalidate(now);
  state_->StartDials(now);
}

void BlockingPool::Resize(std::size_t min, std::size_t max) {
  const TimePoint now = Clock::now();
  state_->core.Resize(min, max, now);
  state_->StartDials(now);
}

bool BlockingPool::Pause(Deadline deadline, bool refuse) {
  state_->core.Pause(refuse, Clock::now());
  return state_->WaitQuiet(deadline);
}

void BlockingPool::Resume() {
  const TimePoint now = Clock::now();
  state_->core.Resume(now);
  state_->StartDials(now);
}

bool BlockingPool::Drain(Deadline deadline) {
  state_->core.Close(Clock::now());
  return state_->WaitQuiet(deadline);
}

const pool::Core& BlockingPool::Core() const noexcept { return state_->core; }

}  // namespace perf::pool
