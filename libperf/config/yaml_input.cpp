// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/yaml_input.hpp"

#include <algorithm>

#include "libperf/config/text_guard.hpp"

namespace perf::config {

MeteredBuffer::MeteredBuffer(std::string_view text)
    : text_(text), tail_(text.ends_with('\n') ? "#" : "") {
  constexpr std::string_view kTokenCharacters = "[]{},:?&*!'\"|>%#";
  for (const char c : kTokenCharacters) counts_[static_cast<unsigned char>(c)] = true;
}

MeteredBuffer::int_type MeteredBuffer::underflow() {
  // Events can follow once the end is seen, so the state stays.
  if (!exceeded_) {
    too_long_ = held_bytes_ > kMaxValueBytes;
    exceeded_ = too_long_ || held_back_ > kMaxHeldBack;
  }
  if (at_ >= text_.size() && !tail_.empty() && !exceeded_) {
    char* const end = const_cast<char*>(tail_.data());
    setg(end, end, end + tail_.size());
    tail_ = {};
    return traits_type::to_int_type(*end);
  }
  if (at_ >= text_.size() || exceeded_) return traits_type::eof();
  const std::size_t size = std::min<std::size_t>(4096, text_.size() - at_);
  // The parser only reads; the interface of streambuf wants char* all the same.
  char* const begin = const_cast<char*>(text_.data()) + at_;
  at_ += size;
  held_bytes_ += size;
  held_back_ += static_cast<std::size_t>(std::count_if(
      begin, begin + size, [this](char c) { return counts_[static_cast<unsigned char>(c)]; }));
  setg(begin, begin, begin + size);
  return traits_type::to_int_type(*begin);
}

Place Locator::At(int line, int column) {
  if (line < 0) return {source_, 0, 0};
  // At the end of the file the parser's line may be one too many.
  const int number = std::min(line + 1, source_->Lines());
  const std::string_view text = source_->Line(number);
  const std::size_t byte = std::min(static_cast<std::size_t>(std::max(column, 0)), text.size());
  if (number != line_) {
    line_ = number;
    byte_ = 0;
    characters_ = 0;
  }
  if (byte >= byte_) {
    characters_ += CountCharacters(text.substr(byte_, byte - byte_));
  } else {
    characters_ -= CountCharacters(text.substr(byte, byte_ - byte));
  }
  byte_ = byte;
  return {source_, number, characters_ + 1};
}

}  // namespace perf::config
