// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "libperf/load/expression.hpp"

namespace perf::load {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kHex = "0123456789abcdef";

bool IsPlain(unsigned char c) noexcept { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }
bool IsTail(unsigned char c) noexcept { return (c & 0xC0) == 0x80; }

/// The length of the UTF-8 sequence (RFC 3629: no overlong forms, no surrogates) at the front of
/// `text`, 0 where there is none.
std::size_t SequenceAt(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const unsigned second = at(1);
  if (first < 0xC2 || first > 0xF4 || !IsTail(static_cast<unsigned char>(second))) return 0;
  if (first < 0xE0) return 2;
  if (!IsTail(static_cast<unsigned char>(at(2)))) return 0;
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if (first < 0xF0) return 3;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return IsTail(static_cast<unsigned char>(at(3))) ? 4 : 0;
}

/// One unit of text as it stands in a JSON string: how much of the input it takes, and its form.
struct Unit {
  std::size_t taken = 1;
  std::array<char, 6> form{};
  std::size_t size = 0;
  void Put(std::string_view bytes) noexcept {
    std::memcpy(form.data(), bytes.data(), bytes.size());
    size = bytes.size();
  }
};

Unit UnitAt(std::string_view text) noexcept {
  Unit unit;
  const auto c = static_cast<unsigned char>(text[0]);
  switch (c) {
    case '"': unit.Put("\\\""); return unit;
    case '\\': unit.Put("\\\\"); return unit;
    case '\b': unit.Put("\\b"); return unit;
    case '\f': unit.Put("\\f"); return unit;
    case '\n': unit.Put("\\n"); return unit;
    case '\r': unit.Put("\\r"); return unit;
    case '\t': unit.Put("\\t"); return unit;
    default: break;
  }
  if (c < 0x20) {
    unit.form = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
    unit.size = 6;
    return unit;
  }
  const std::size_t length = SequenceAt(text);
  if (length == 0) {
    unit.Put(kReplacement);
  } else {
    unit.taken = length;
    unit.Put(text.substr(0, length));
  }
  return unit;
}

/// Whether all eight bytes of `word` are plain; a byte is found by the borrow that its subtraction
/// leaves in its top bit.
bool AllPlain(std::uint64_t word) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const auto zero = [](std::uint64_t w) { return (w - kOnes) & ~w; };
  const std::uint64_t control = (word - kOnes * 0x20) & ~word;
  const std::uint64_t marks = zero(word ^ (kOnes * '"')) | zero(word ^ (kOnes * '\\'));
  return ((control | marks | word) & (kOnes * 0x80)) == 0;
}

std::size_t PlainPrefix(std::string_view text) noexcept {
  std::size_t n = 0;
  for (std::uint64_t word = 0; n + sizeof(word) <= text.size(); n += sizeof(word)) {
    std::memcpy(&word, text.data() + n, sizeof(word));
    if (!AllPlain(word)) break;
  }
  while (n < text.size() && IsPlain(static_cast<unsigned char>(text[n]))) ++n;
  return n;
}

}  // namespace

void AppendInteger(std::int64_t value, std::string& out) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void QuoteJsonTail(std::string& out, std::size_t from) {
  const std::string_view raw = std::string_view(out).substr(from);
  const std::size_t length = raw.size();
  std::size_t size = 0;
  for (std::size_t i = 0; i < length;) {
    const std::size_t plain = PlainPrefix(raw.substr(i));
    i += plain;
    size += plain;
    if (i == length) break;
    const Unit unit = UnitAt(raw.substr(i));
    i += unit.taken;
    size += unit.size;
  }
  out.resize(from + size + 2);
  // A unit never shrinks, so that with the raw text moved to the end the writer stays behind the
  // reader.
  char* write = out.data() + from;
  const char* end = out.data() + out.size() - 1;
  const char* read = end - length;
  std::memmove(out.data() + out.size() - 1 - length, write, length);
  *write++ = '"';
  while (read < end) {
    const std::string_view rest(read, static_cast<std::size_t>(end - read));
    const std::size_t plain = PlainPrefix(rest);
    std::memmove(write, read, plain);
    read += plain;
    write += plain;
    if (read == end) break;
    const Unit unit = UnitAt(rest.substr(plain));
    read += unit.taken;
    std::memcpy(write, unit.form.data(), unit.size);
    write += unit.size;
  }
  *write = '"';
}

void AppendJsonString(std::string_view text, std::string& out) {
  const std::size_t from = out.size();
  if (PlainPrefix(text) == text.size()) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  out += text;
  QuoteJsonTail(out, from);
}

void AppendJsonText(const Json& value, std::string& out) {
  if (value.IsString()) {
    AppendJsonString(value.AsString(), out);
  } else if (value.IsInt()) {
    AppendInteger(value.AsInt(), out);
  } else if (value.IsBool()) {
    out += value.AsBool() ? "true" : "false";
  } else if (value.IsNull()) {
    out += "null";
  } else if (value.IsDouble() && std::isfinite(value.AsDouble())) {
    const std::size_t from = out.size();
    fmt::format_to(std::back_inserter(out), "{}", value.AsDouble());
    // Stays a double when it is read back.
    if (out.find_first_of(".e", from) == std::string::npos) out += ".0";
  } else {
    out += value.Dump();
  }
}

void AppendText(const Json& value, std::string& out) {
  if (value.IsString()) {
    out += value.AsString();
  } else if (!value.IsNull()) {
    AppendJsonText(value, out);
  }
}

}  // namespace perf::load
