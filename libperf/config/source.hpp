// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::config {

/// The text of one configuration file with its name, kept for messages that show a line of it.
/// Thread safety: immutable after construction.
class PERF_EXPORT Source {
 public:
  /// `directory` is what relative paths in the text start from; "" is the working directory.
  Source(std::string name, std::string text, std::string directory = {});

  const std::string& Name() const noexcept { return name_; }
  const std::string& Text() const noexcept { return text_; }
  const std::string& Directory() const noexcept { return directory_; }
  int Lines() const noexcept { return static_cast<int>(starts_.size()); }
  /// Line `number` (from 1) without its line break; "" where there is no such line.
  std::string_view Line(int number) const noexcept;

 private:
  std::string name_;
  std::string text_;
  std::string directory_;
  std::vector<std::size_t> starts_;
};

/// A place in a source, as editors count: line and column start at 1, a column is a character
/// (code point), not a byte. Line 0 means the file as a whole.
/// Lifetime: shares its source, so it may be kept as long as one likes.
struct PERF_EXPORT Place {
  std::shared_ptr<const Source> source;
  int line = 0;
  int column = 0;

  /// "file:line:column", or "file" for the whole file.
  std::string Describe() const;
  /// `path` itself when absolute, otherwise relative to the directory of the file named here.
  std::string Resolve(std::string_view path) const;
};

}  // namespace perf::config
