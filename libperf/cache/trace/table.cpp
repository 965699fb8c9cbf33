// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/trace/table.hpp"

#include <algorithm>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/cache/trace/tokens.hpp"

namespace perf::cache {

bool TableRow::Split(std::string_view line, char delimiter) {
  fields_.clear();
  store_.clear();
  while (true) {
    if (delimiter == ' ') {
      while (!line.empty() && IsBlank(line.front())) line.remove_prefix(1);
    }
    if (!line.starts_with('"')) {
      const std::size_t end = std::min(line.find(delimiter), line.size());
      fields_.push_back({Trim(line.substr(0, end)), kPlain});
      if (end == line.size()) return true;
      line.remove_prefix(end + 1);
      continue;
    }
    std::string text;
    std::size_t at = 1;
    for (;; ++at) {
      if (at >= line.size()) return false;
      if (line[at] != '"') {
        text += line[at];
      } else if (at + 1 < line.size() && line[at + 1] == '"') {
        text += '"';
        ++at;
      } else {
        break;
      }
    }
    store_.push_back(std::move(text));
    fields_.push_back({{}, store_.size() - 1});
    line.remove_prefix(at + 1);
    if (line.empty()) return true;
    if (line.front() != delimiter) return false;
    line.remove_prefix(1);
  }
}

std::string_view TableRow::At(std::size_t column) const noexcept {
  const Field& field = fields_[column];
  return field.unquoted == kPlain ? field.text : std::string_view(store_[field.unquoted]);
}

std::vector<std::string_view> TableRow::All() const {
  std::vector<std::string_view> all;
  for (std::size_t i = 0; i < fields_.size(); ++i) all.push_back(At(i));
  return all;
}

char GuessDelimiter(std::string_view line) noexcept {
  char best = ' ';
  std::ptrdiff_t most = 0;
  for (const char c : {',', ';', '\t'}) {
    const auto count = std::count(line.begin(), line.end(), c);
    if (count > most) most = count, best = c;
  }
  return best;
}

std::optional<std::size_t> FindColumn(const std::vector<std::string_view>& header,
                                      const std::vector<std::string_view>& names) {
  for (const std::string_view name : names) {
    const auto at = std::find_if(header.begin(), header.end(), [&](std::string_view column) {
      return EqualsIgnoreCase(column, name);
    });
    if (at != header.end()) return static_cast<std::size_t>(at - header.begin());
  }
  return std::nullopt;
}

bool LooksLikeHeader(const std::vector<std::string_view>& fields) noexcept {
  return std::all_of(fields.begin(), fields.end(), [](std::string_view field) {
    return !field.empty() && !ParseNumber(field) && !ParseAddress(field, false);
  });
}

const std::vector<std::string_view>& UsualKeyColumns() {
  static const std::vector<std::string_view> names = {
      "key",    "id",       "obj_id", "object_id", "objid",         "object", "lbn",
      "lba",    "block_id", "block",  "blockid",   "block_address", "addr",   "address",
      "offset", "url",      "uri",    "path",      "cache_key",     "hash"};
  return names;
}

const std::vector<std::string_view>& UsualSizeColumns() {
  static const std::vector<std::string_view> names = {
      "size", "obj_size", "object_size", "objsize", "io_size", "bytes", "length", "value_size"};
  return names;
}

bool IsCacheLibHeader(const std::vector<std::string_view>& header) {
  return (FindColumn(header, {"key"}) && FindColumn(header, {"op"})) ||
         (FindColumn(header, {"block_id"}) && FindColumn(header, {"op_name"}));
}

}  // namespace perf::cache
