// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perf::monitor {

/// Files of a machine, below the directory that stands for its root. Those of /proc and /sys are
/// small; of anything at most 256 KiB are read.
/// Thread safety: const. A file that cannot be read is as one that is not there.
class Tree {
 public:
  explicit Tree(std::string root) : root_(std::move(root)) {}

  /// The whole text without blanks at its end.
  std::optional<std::string> Text(const std::string& path) const;
  /// The first number of the text.
  std::optional<double> Number(const std::string& path) const;
  /// The number behind "KEY" or "KEY:" at the start of a line.
  std::optional<double> Keyed(const std::string& path, std::string_view key) const;
  bool Exists(const std::string& path) const;
  bool Executable(const std::string& path) const;
  /// Names in a directory, sorted; at most 4,096.
  std::vector<std::string> Names(const std::string& path) const;
  std::string At(const std::string& path) const { return root_ + path; }

 private:
  std::string root_;
};

/// The words of a line, between blanks.
std::vector<std::string_view> WordsOf(std::string_view line);

}  // namespace perf::monitor
