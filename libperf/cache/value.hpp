// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace perf::cache {

/// Bytes that nobody changes any more, shared with the cache: what a get hands out without a copy.
/// Thread safety: a value; copies may go to other threads. Keeps the bytes alive, whatever
/// happens to the entry meanwhile.
class Value {
 public:
  Value() = default;
  explicit Value(std::string bytes)
      : Value(std::make_shared<const std::string>(std::move(bytes))) {}
  explicit Value(std::shared_ptr<const std::string> bytes)
      : owner_(bytes), view_(bytes ? std::string_view(*bytes) : std::string_view()) {}
  /// Bytes that live as long as `owner`.
  Value(std::shared_ptr<const void> owner, std::string_view view)
      : owner_(std::move(owner)), view_(view) {}

  std::string_view Bytes() const noexcept { return view_; }
  std::string String() const { return std::string(view_); }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace perf::cache
