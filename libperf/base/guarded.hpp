// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <utility>

namespace perf {

/// A value that can be reached only with its mutex held: `*guarded.Lock()`.
/// Thread safety: all methods. Never call user code while the lock object lives.
template <typename T>
class Guarded {
 public:
  class Access {
   public:
    T& operator*() & noexcept { return *value_; }
    T* operator->() & noexcept { return value_; }
    // A temporary would unlock at the end of the expression, before the caller is done with it.
    T* operator->() && = delete;

   private:
    friend class Guarded;
    Access(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  [[nodiscard]] Access Lock() { return Access(mutex_, value_); }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace perf
