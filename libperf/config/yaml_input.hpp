// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <streambuf>
#include <string_view>

#include "libperf/config/source.hpp"

namespace perf::config {

/// yaml-cpp holds back all tokens of a top-level flow collection (230 bytes for each '[') until
/// its end is seen, so 16 MiB of brackets would take 4 GB. Every token of a flow needs one of
/// the characters that are counted here, so their number since the last event bounds it.
inline constexpr std::size_t kMaxHeldBack = 250'000;
/// The parser takes 30 to 60 ns for a byte, wherever it ends up, and says nothing of a value
/// before its end: so one value, comment or gap is bounded, and so is a line (whose end is cheaper
/// to look for than that of a value) and all text without quotes, the most expensive kind.
inline constexpr std::size_t kMaxValueBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxPlainBytes = std::size_t{2} << 20;

/// Hands the text over in small pieces and ends it when the parser has swallowed too much
/// without an event. Lifetime: borrows the text.
class MeteredBuffer : public std::streambuf {
 public:
  explicit MeteredBuffer(std::string_view text);
  /// The parser has reported something.
  void Event() noexcept { held_back_ = held_bytes_ = 0; }
  bool Exceeded() const noexcept { return exceeded_; }
  /// Whether it was the length and not the signs.
  bool TooLong() const noexcept { return too_long_; }

 protected:
  int_type underflow() override;

 private:
  std::string_view text_;
  // yaml-cpp does not notice a quoted text that is still open when the file ends with a line
  // break, and would take all that follows the quote for it; of anything else this is a remark.
  std::string_view tail_;
  std::size_t at_ = 0;
  std::size_t held_back_ = 0;
  std::size_t held_bytes_ = 0;
  bool exceeded_ = false;
  bool too_long_ = false;
  bool counts_[256] = {};
};

/// Turns the parser's byte columns into characters. It counts on from the last place, for a
/// file can be one line of 16 MiB. Lifetime: borrows the pointer to the source.
class Locator {
 public:
  explicit Locator(const std::shared_ptr<const Source>& source) : source_(source) {}
  /// From the parser's line and column, which begin at 0; a negative line is the whole file.
  Place At(int line, int column);

 private:
  const std::shared_ptr<const Source>& source_;
  int line_ = 0;
  std::size_t byte_ = 0;
  int characters_ = 0;
};

}  // namespace perf::config
