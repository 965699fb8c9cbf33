// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::tool {

/// Takes the flags that a verb has. What it is given to fill in outlives the parsing.
class Flags {
 public:
  virtual ~Flags() = default;
  /// A word that must be given, of the kind `type`.
  virtual void Positional(const char* name, std::string& word, const char* type,
                          const char* what) = 0;
  virtual void Word(const char* flag, std::string& word, const char* type, const char* what) = 0;
  /// Between commas.
  virtual void Words(const char* flag, std::vector<std::string>& words, const char* what) = 0;
  /// Given as often as one likes.
  virtual void Repeated(const char* flag, std::vector<std::string>& words, const char* type,
                        const char* what) = 0;
  virtual void Count(const char* flag, std::size_t& count, const char* what) = 0;
  virtual void Counts(const char* flag, std::vector<std::size_t>& counts, const char* what) = 0;
  virtual void Switch(const char* flag, bool& on, const char* what) = 0;
};

using Run = std::function<load::Result(const bench::Context&)>;

/// One verb of a benchmark, from its flags to what it runs.
class Verb {
 public:
  Verb(const char* name, const char* what) noexcept : name_(name), what_(what) {}
  virtual ~Verb() = default;
  const char* Name() const noexcept { return name_; }
  const char* What() const noexcept { return what_; }

  virtual void Declare(Flags& flags) = 0;
  /// After parsing. Throws: UsageError, ConfigError.
  virtual Run Bind(std::optional<std::uint64_t> seed) = 0;
  /// After parsing: what it makes goes to standard output itself, so that nothing else may.
  virtual bool TakesStdout() const { return false; }
  /// What else is printed behind the result.
  virtual std::string Advice(const load::Result&) const { return {}; }

 private:
  const char* name_;
  const char* what_;
};

using Verbs = std::vector<std::unique_ptr<Verb>>;

}  // namespace perf::tool
