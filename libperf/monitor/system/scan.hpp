// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace perf::monitor {

/// Takes a text of /proc apart, word by word and line by line, without a copy.
/// Thread safety: none.
class Scan {
 public:
  explicit Scan(std::string_view text) noexcept : text_(text) {}

  bool AtEnd() const noexcept { return text_.empty(); }
  /// The next line without its end.
  std::string_view Line() noexcept {
    const std::size_t end = text_.find('\n');
    const std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    return line;
  }
  /// The next word of the text, whatever the blanks before it; empty at the end.
  std::string_view Word() noexcept {
    const std::size_t start = text_.find_first_not_of(" \t\n");
    if (start == std::string_view::npos) {
      text_ = {};
      return {};
    }
    text_.remove_prefix(start);
    const std::size_t end = text_.find_first_of(" \t\n");
    const std::string_view word = text_.substr(0, end);
    text_.remove_prefix(word.size());
    return word;
  }
  /// The next word as a number; nothing where it is none.
  std::optional<std::uint64_t> Number() noexcept { return NumberOf<std::uint64_t>(Word()); }
  /// The same, 0 where it is none.
  std::uint64_t NumberOr0() noexcept { return Number().value_or(0); }
  std::optional<double> Real() noexcept { return NumberOf<double>(Word()); }
  void Skip(int words) noexcept {
    for (int i = 0; i < words; ++i) Word();
  }
  std::string_view Rest() const noexcept { return text_; }

  template <typename T>
  static std::optional<T> NumberOf(std::string_view word) noexcept {
    T value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return value;
  }

 private:
  std::string_view text_;
};

}  // namespace perf::monitor
