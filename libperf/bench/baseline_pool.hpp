// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "libperf/pool/resource.hpp"

namespace perf::bench {

/// What the baselines have in common: what is free, behind one mutex, and loans that give
/// themselves back to `Pool::Release`.
/// Thread safety: all methods. Lifetime: outlives its loans.
template <typename Pool>
class BaselinePool {
 public:
  using Resources = std::vector<std::unique_ptr<pool::Resource>>;

  class Loan {
   public:
    Loan() noexcept = default;
    Loan(Pool& pool, std::unique_ptr<pool::Resource> resource) noexcept
        : pool_(&pool), resource_(std::move(resource)) {}
    Loan(Loan&&) noexcept = default;
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
      if (resource_) pool_->Release(std::move(resource_));
    }
    explicit operator bool() const noexcept { return resource_ != nullptr; }
    pool::Resource* Get() const noexcept { return resource_.get(); }

   private:
    Pool* pool_ = nullptr;
    std::unique_ptr<pool::Resource> resource_;
  };

  std::size_t Free() const {
    const std::lock_guard lock(mutex_);
    return free_.size();
  }

 protected:
  explicit BaselinePool(Resources resources) {
    for (auto& resource : resources) free_.push_back(std::move(resource));
  }
  ~BaselinePool() = default;

  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<pool::Resource>> free_;
};

}  // namespace perf::bench
