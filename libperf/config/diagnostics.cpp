// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/config/text_guard.hpp"

namespace perf::config {
namespace {

constexpr std::size_t kMaxKept = 1000;
constexpr std::size_t kMaxShown = 50;
constexpr std::size_t kMaxMessage = 1000;
constexpr std::size_t kMaxLine = 160;  // code points of a line that are shown
constexpr std::size_t kMaxMasked = std::size_t{1} << 20;

bool Continues(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The byte at which character `index` (from 0) of `text` begins.
std::size_t ByteOf(std::string_view text, std::size_t index) noexcept {
  std::size_t at = 0;
  while (at < text.size() && index > 0) {
    ++at;
    while (at < text.size() && Continues(text[at])) ++at;
    --index;
  }
  return at;
}

// Masking changes lengths, so the caret moves: with what stands before the masked part it stays,
// with what stands behind it shifts, and within it points to its beginning.
std::string MaskLine(std::string_view line, std::size_t& caret) {
  std::string masked = MaskSecrets(line);
  if (masked == line) return masked;
  const std::size_t shorter = std::min(line.size(), masked.size());
  std::size_t prefix = 0;
  while (prefix < shorter && line[prefix] == masked[prefix]) ++prefix;
  std::size_t suffix = 0;
  while (suffix < shorter - prefix &&
         line[line.size() - 1 - suffix] == masked[masked.size() - 1 - suffix]) {
    ++suffix;
  }
  if (caret >= line.size() - suffix) {
    caret = caret + masked.size() - line.size();
  } else if (caret > prefix) {
    caret = prefix;
  }
  return masked;
}

// The line and, below it, a caret; a long line is cut to a window around the column. Tabs
// before the caret are repeated, so that both lines are indented alike.
std::string ShowLine(const Place& place) {
  // To mask it as a whole takes time for each byte, and no one has written it by hand.
  if (place.source->Line(place.line).size() > kMaxMasked) return {};
  const std::string line = Printable(place.source->Line(place.line));
  std::size_t caret = ByteOf(line, static_cast<std::size_t>(std::max(place.column, 1)) - 1);
  // Masked as a whole before it is cut: a cut could separate a password from what marks it.
  const std::string masked = MaskLine(line, caret);
  std::size_t begin = caret;
  for (std::size_t back = 0; begin > 0 && back < kMaxLine / 2; ++back) {
    --begin;
    while (begin > 0 && Continues(masked[begin])) --begin;
  }
  const std::string_view rest = std::string_view(masked).substr(begin);
  const std::string_view window = rest.substr(0, ByteOf(rest, kMaxLine));
  std::string below(begin > 0 ? 1 : 0, ' ');
  for (const char c : window.substr(0, caret - begin)) {
    if (c == '\t') {
      below += '\t';
    } else if (!Continues(c)) {
      below += ' ';
    }
  }
  return fmt::format("  {}{}{}\n  {}^\n", begin > 0 ? "…" : "", window,
                     window.size() < rest.size() ? "…" : "", below);
}

std::string Sentence(const Diagnostic& diagnostic) {
  if (diagnostic.suggestion.empty()) return diagnostic.message;
  return fmt::format("{}; did you mean '{}'?", diagnostic.message, diagnostic.suggestion);
}

// https://docs.github.com/actions: commands are parsed by these separators.
std::string EscapeGitHub(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','))) {
      out += fmt::format("%{:02X}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string RenderText(const Diagnostic& diagnostic) {
  std::string out =
      fmt::format("{}: error: {}\n", diagnostic.place.Describe(), Sentence(diagnostic));
  if (diagnostic.place.source && diagnostic.place.line > 0) out += ShowLine(diagnostic.place);
  return out;
}

std::string RenderGitHub(const Diagnostic& diagnostic) {
  const Place& place = diagnostic.place;
  std::string where;
  if (place.source) where = " file=" + EscapeGitHub(place.source->Name(), true);
  if (place.source && place.line > 0) {
    where += fmt::format(",line={},col={}", place.line, place.column);
  }
  return fmt::format("::error{}::{}\n", where, EscapeGitHub(Sentence(diagnostic), false));
}

}  // namespace

PlacedError::~PlacedError() = default;

void Diagnostics::Error(Place place, std::string message, std::string suggestion) {
  if (kept_.size() >= kMaxKept) {
    ++count_;
    return;
  }
  message = Excerpt(MaskSecrets(message), kMaxMessage);
  if (!seen_.insert(place.Describe() + '\n' + message).second) return;
  kept_.push_back({std::move(place), std::move(message), Excerpt(suggestion, 100)});
  ++count_;
}

void Diagnostics::ErrorWithSuggestion(Place place, std::string message, std::string_view word,
                                      std::span<const std::string_view> candidates) {
  // Nothing as long as this is a slip of the pen, and the distance costs length times length.
  const bool plausible = word.size() <= 100;
  Error(std::move(place), std::move(message),
        std::string(plausible ? Suggest(word, candidates) : std::string_view()));
}

std::vector<Diagnostic> Diagnostics::Sorted() const {
  std::vector<const Source*> order;
  const auto rank = [&order](const Diagnostic& diagnostic) {
    return std::find(order.begin(), order.end(), diagnostic.place.source.get()) - order.begin();
  };
  for (const Diagnostic& diagnostic : kept_) {
    if (rank(diagnostic) == static_cast<std::ptrdiff_t>(order.size())) {
      order.push_back(diagnostic.place.source.get());
    }
  }
  std::vector<Diagnostic> sorted = kept_;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Diagnostic& a, const Diagnostic& b) {
    return std::tuple(rank(a), a.place.line, a.place.column) <
           std::tuple(rank(b), b.place.line, b.place.column);
  });
  return sorted;
}

std::string Diagnostics::Render(DiagnosticFormat format) const {
  std::string out;
  const std::vector<Diagnostic> sorted = Sorted();
  const std::size_t shown = std::min(sorted.size(), kMaxShown);
  for (std::size_t at = 0; at < shown; ++at) {
    out += format == DiagnosticFormat::kText ? RenderText(sorted[at]) : RenderGitHub(sorted[at]);
  }
  if (count_ > shown) {
    out += format == DiagnosticFormat::kText
               ? fmt::format("and {} more errors\n", count_ - shown)
               : fmt::format("::error::and {} more errors\n", count_ - shown);
  }
  return out;
}

void Diagnostics::ThrowIfAny() const {
  if (!HasErrors()) return;
  std::string text = Render();
  text.pop_back();
  throw PlacedError(text);
}

}  // namespace perf::config
