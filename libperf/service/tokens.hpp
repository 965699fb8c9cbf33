// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::service {

/// The bearer tokens of a file: one a line, a name (letters, digits, '_', '-' and '.', at most 64)
/// and the token (16 to 512 printable characters without spaces); '#' begins a comment. Only their
/// SHA-256 stays in memory.
/// Thread safety: as a const object.
class PERF_EXPORT Tokens {
 public:
  static constexpr std::size_t kMost = 1000;

  Tokens() = default;  // none
  /// Throws: ConfigError for a file that anybody but its owner (this user, or root) may read or
  /// write, and for a bad line, by number and without its token.
  explicit Tokens(const std::string& path);

  /// The name of that token, or "" for a wrong one. Looks at every token, all bytes of each,
  /// whatever was given.
  std::string_view NameOf(std::string_view token) const;
  bool Empty() const noexcept { return tokens_.empty(); }
  std::size_t Size() const noexcept { return tokens_.size(); }

 private:
  struct Entry {
    std::string name;
    std::string digest;
  };
  std::vector<Entry> tokens_;
};

}  // namespace perf::service
