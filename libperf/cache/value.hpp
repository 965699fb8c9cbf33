// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/cache/memory/handle.hpp"

namespace perf::cache {

/// Bytes that nobody changes any more, shared with the cache: what a get hands out without a copy
/// and, for what is in memory, without writing a shared count.
/// Thread safety: a value; copies may go to other threads. Keeps the bytes alive, whatever
/// happens to the entry or the cache meanwhile.
class Value {
 public:
  Value() = default;
  explicit Value(std::string bytes)
      : owner_(std::make_shared<const std::string>(std::move(bytes))), view_(*owner_) {}
  explicit Value(Handle handle)
      : handle_(std::move(handle)), view_(handle_ ? handle_.Value() : std::string_view()) {}
  Value(const Value& other)
      : handle_(other.handle_ ? other.handle_.Share() : Handle()),
        owner_(other.owner_),
        view_(other.view_) {}
  Value(Value&&) noexcept = default;
  Value& operator=(Value other) noexcept {
    handle_ = std::move(other.handle_);
    owner_ = std::move(other.owner_);
    view_ = other.view_;
    return *this;
  }
  ~Value() = default;

  std::string_view Bytes() const noexcept { return view_; }
  std::string String() const { return std::string(view_); }

 private:
  Handle handle_;
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

}  // namespace perf::cache
