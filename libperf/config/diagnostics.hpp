// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/config/source.hpp"

namespace perf::config {

struct PERF_EXPORT Diagnostic {
  Place place;
  std::string message;     // names the rule: "expected a duration such as 250ms"
  std::string suggestion;  // a word for "did you mean", or empty
};

enum class DiagnosticFormat {
  kText,    // "file:line:column: error: message", the line, a caret below the column
  kGitHub,  // "::error file=F,line=L,col=C::message", which GitHub shows at the line
};

/// What ThrowIfAny throws: each error in its text begins with its place, as compilers have it, so
/// that a program prints it as it is.
class PERF_EXPORT PlacedError : public ConfigError {
 public:
  using ConfigError::ConfigError;
  ~PlacedError() override;
};

/// Collects what is wrong with a configuration, so that all of it is told at once.
/// Thread safety: none. Memory: keeps 1,000 errors and counts the rest.
class PERF_EXPORT Diagnostics {
 public:
  /// The same message at the same place is kept once.
  void Error(Place place, std::string message, std::string suggestion = {});
  /// As Error, with the closest of `candidates` to `word` as the suggestion.
  void ErrorWithSuggestion(Place place, std::string message, std::string_view word,
                           std::span<const std::string_view> candidates);

  bool HasErrors() const noexcept { return count_ > 0; }
  std::size_t Count() const noexcept { return count_; }
  /// By file (in the order in which files were first named), line and column.
  std::vector<Diagnostic> Sorted() const;
  /// At most 50 errors, then how many more there are; each line ends in '\n'. Secrets in a
  /// shown line are masked.
  std::string Render(DiagnosticFormat format = DiagnosticFormat::kText) const;
  /// Throws: PlacedError with Render() (without the last line break) when there are errors.
  void ThrowIfAny() const;

 private:
  std::vector<Diagnostic> kept_;
  std::set<std::string> seen_;
  std::size_t count_ = 0;
};

}  // namespace perf::config
