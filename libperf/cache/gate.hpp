// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace perf::cache {

/// Counts what runs on behalf of a cache on other threads, so that the cache can wait for it to end
/// and what comes later finds the door shut. Thread safety: all methods. Lifetime: shared by all
/// who may still come.
class Gate {
 public:
  /// Inside while it lives. Empty: shut.
  class Pass {
   public:
    Pass() = default;
    explicit Pass(Gate* gate) noexcept : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave();
    }
    explicit operator bool() const noexcept { return gate_ != nullptr; }

   private:
    Gate* gate_ = nullptr;
  };

  Pass Enter() {
    const std::lock_guard lock(mutex_);
    if (shut_) return {};
    ++inside_;
    return Pass(this);
  }
  /// For a std::function, which wants copies: nullptr when shut.
  std::shared_ptr<Pass> EnterShared() {
    Pass pass = Enter();
    return pass ? std::make_shared<Pass>(std::move(pass)) : nullptr;
  }
  void Shut() {
    const std::lock_guard lock(mutex_);
    shut_ = true;
  }
  /// Requires: who is inside has a deadline.
  void AwaitEmpty() {
    std::unique_lock lock(mutex_);
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  void Leave() {
    const std::lock_guard lock(mutex_);
    // Told under the lock: once it is released the cache may be gone.
    if (--inside_ == 0) empty_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable empty_;
  bool shut_ = false;
  std::uint64_t inside_ = 0;
};

}  // namespace perf::cache
