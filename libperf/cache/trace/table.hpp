// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perf::cache {

/// Splits lines of a table (RFC 4180 without line breaks in fields); fields stay valid until the
/// next Split.
class TableRow {
 public:
  /// Nothing for a quote that is not closed.
  bool Split(std::string_view line, char delimiter);
  std::size_t Size() const noexcept { return fields_.size(); }
  /// Requires: column < Size().
  std::string_view At(std::size_t column) const noexcept;
  std::vector<std::string_view> All() const;

 private:
  struct Field {
    std::string_view text;
    std::size_t unquoted = kPlain;  // where it stands in store_, when it held "" pairs
  };
  static constexpr std::size_t kPlain = static_cast<std::size_t>(-1);

  std::vector<Field> fields_;
  std::vector<std::string> store_;
};

/// The delimiter that a first line shows: the one of , ; tab that it has most of, else a blank.
char GuessDelimiter(std::string_view line) noexcept;
/// The column of the first of `names` that the header has; case does not matter.
std::optional<std::size_t> FindColumn(const std::vector<std::string_view>& header,
                                      const std::vector<std::string_view>& names);
/// No field of a header is a number; lines of data have at least one.
bool LooksLikeHeader(const std::vector<std::string_view>& fields) noexcept;

const std::vector<std::string_view>& UsualKeyColumns();
const std::vector<std::string_view>& UsualSizeColumns();
/// CacheLib's: (key, op) or (block_id, op_name).
bool IsCacheLibHeader(const std::vector<std::string_view>& header);

}  // namespace perf::cache
