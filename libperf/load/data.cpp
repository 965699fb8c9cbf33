// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/text.hpp"

namespace perf::load {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr std::size_t kMostRows = 10'000'000;
constexpr std::size_t kMostColumns = 4096;
// A file of nothing but commas would else take 32 times its size.
constexpr std::size_t kMostCells = 40'000'000;
constexpr std::size_t kShown = 60;  // bytes of a text quoted in a message
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

using Row = std::vector<std::string>;

[[noreturn]] void Fail(const std::string& name, std::size_t line, std::string_view what) {
  throw ConfigError(fmt::format("{}:{}: {}", name, line, what));
}

/// Collects rows and holds them to the rules that both formats share.
class Table {
 public:
  explicit Table(const std::string& name) : name_(name) {}

  void SetColumns(Row columns, std::size_t line) {
    if (columns.size() > kMostColumns) {
      Fail(name_, line, fmt::format("{} columns, at most {}", columns.size(), kMostColumns));
    }
    std::vector<std::string_view> sorted(columns.begin(), columns.end());
    std::sort(sorted.begin(), sorted.end());
    if (!sorted.empty() && sorted.front().empty()) Fail(name_, line, "a column without a name");
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) {
      Fail(name_, line, fmt::format("two columns are named '{}'", Excerpt(*twice, kShown)));
    }
    columns_ = std::move(columns);
  }

  void AddRow(Row row, std::size_t line) {
    if (rows_.size() == kMostRows) Fail(name_, line, fmt::format("more than {} rows", kMostRows));
    if ((rows_.size() + 1) * columns_.size() > kMostCells) {
      Fail(name_, line, fmt::format("more than {} cells", kMostCells));
    }
    rows_.push_back(std::move(row));
  }

  void CheckNotEmpty() const {
    if (columns_.empty()) throw ConfigError(fmt::format("{}:1: the file is empty", name_));
    if (rows_.empty()) {
      throw ConfigError(fmt::format("{}:1: there are column names, but no rows", name_));
    }
  }

  const Row& Columns() const noexcept { return columns_; }
  Row TakeColumns() { return std::move(columns_); }
  std::vector<Row> TakeRows() {
    rows_.shrink_to_fit();
    return std::move(rows_);
  }

 private:
  std::string name_;
  Row columns_;
  std::vector<Row> rows_;
};

/// RFC 4180; a line may also end in a lone LF.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  /// The line at which the last record began, from 1.
  std::size_t Line() const noexcept { return record_line_; }

  /// The next record that is not an empty line; one of too many cells is refused before it has
  /// filled the memory. `expected` is how many cells to make room for.
  std::optional<Row> Next(std::size_t expected) {
    while (SkipLineEnd()) {
    }
    if (at_ == text_.size()) return std::nullopt;
    record_line_ = line_;
    Row row;
    row.reserve(expected);
    for (;;) {
      row.push_back(Cell());
      if (row.size() > kMostColumns) {
        Fail(name_, record_line_, fmt::format("more than {} columns", kMostColumns));
      }
      if (at_ == text_.size() || SkipLineEnd()) return row;
      ++at_;  // the comma
    }
  }

 private:
  bool SkipLineEnd() {
    const std::string_view rest = text_.substr(at_);
    const std::size_t length = rest.starts_with("\r\n") ? 2 : rest.starts_with('\n') ? 1 : 0;
    at_ += length;
    if (length != 0) ++line_;
    return length != 0;
  }

  std::string Cell() {
    if (at_ < text_.size() && text_[at_] == '"') return Quoted();
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_of(",\n\"", at_), text_.size());
    if (at_ < text_.size() && text_[at_] == '"') {
      Fail(name_, line_, "a quote inside a cell that does not begin with one");
    }
    // The CR of a line end belongs to it.
    if (at_ < text_.size() && text_[at_] == '\n' && at_ > begin && text_[at_ - 1] == '\r') --at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string Quoted() {
    const std::size_t first_line = line_;
    std::string cell;
    for (;;) {
      const std::size_t begin = ++at_;
      const std::size_t end = text_.find('"', begin);
      if (end == std::string_view::npos) {
        Fail(name_, first_line, "a quoted cell without its closing quote");
      }
      const std::string_view part = text_.substr(begin, end - begin);
      line_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
      cell += part;
      at_ = end + 1;
      if (at_ == text_.size() || text_[at_] != '"') break;
      cell += '"';
    }
    const std::string_view rest = text_.substr(at_);
    if (!rest.empty() && rest[0] != ',' && rest[0] != '\n' && !rest.starts_with("\r\n")) {
      Fail(name_, line_, "expected a comma or the end of the line behind a closing quote");
    }
    return cell;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t record_line_ = 1;
};

std::string_view WithoutMark(std::string_view text, const std::string& name) {
  if (text.size() > kMostBytes) {
    throw ConfigError(fmt::format("{}: larger than {} MiB", name, kMostBytes >> 20));
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

Json ParseLine(std::string_view line, const std::string& name, std::size_t number) {
  Json value;
  try {
    value = Json::Parse(line);
  } catch (const ConfigError& error) {
    Fail(name, number, error.what());
  }
  if (!value.IsObject()) {
    Fail(name, number, "expected one JSON object on each line, as in {\"id\": 1}");
  }
  return value;
}

Row ColumnsOf(const Json& object) {
  Row columns;
  for (const Json::Member& member : object.AsObject()) columns.push_back(member.first);
  return columns;
}

Row CellsOf(const Json& object, const Row& columns, const std::string& name, std::size_t line) {
  const Json::Object& members = object.AsObject();
  Row row;
  row.reserve(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    // Mostly each line has the order of the first.
    const bool in_order = i < members.size() && members[i].first == columns[i];
    const Json* value = in_order ? &members[i].second : object.Find(columns[i]);
    if (value == nullptr) {
      Fail(name, line,
           fmt::format("no '{}', which the first line has", Excerpt(columns[i], kShown)));
    }
    row.push_back(value->ToText());
  }
  if (members.size() == columns.size()) return row;
  for (const Json::Member& member : members) {
    if (std::find(columns.begin(), columns.end(), member.first) == columns.end()) {
      Fail(name, line,
           fmt::format("'{}', which the first line has not", Excerpt(member.first, kShown)));
    }
  }
  return row;
}

}  // namespace

DataSet DataSet::Load(const std::string& path, DataOrder order) {
  const std::string lower = ToLower(path);
  const bool csv = lower.ends_with(".csv");
  if (!csv && !lower.ends_with(".jsonl") && !lower.ends_with(".ndjson")) {
    throw ConfigError(
        fmt::format("{}: expected a name that ends in .csv, .jsonl or .ndjson", path));
  }
  const std::string text = ReadFile(path, kMostBytes);
  return csv ? FromCsv(text, path, order) : FromJsonLines(text, path, order);
}

DataSet DataSet::FromCsv(std::string_view text, const std::string& name, DataOrder order) {
  Table table(name);
  CsvReader reader(WithoutMark(text, name), name);
  if (std::optional<Row> names = reader.Next(0)) table.SetColumns(std::move(*names), reader.Line());
  const std::size_t width = table.Columns().size();
  while (std::optional<Row> row = reader.Next(width)) {
    if (row->size() != width) {
      Fail(name, reader.Line(),
           fmt::format("{} cells, but the first line names {} columns", row->size(), width));
    }
    table.AddRow(std::move(*row), reader.Line());
  }
  table.CheckNotEmpty();
  DataSet result;
  result.columns_ = table.TakeColumns();
  result.rows_ = table.TakeRows();
  result.order_ = order;
  return result;
}

DataSet DataSet::FromJsonLines(std::string_view text, const std::string& name, DataOrder order) {
  Table table(name);
  text = WithoutMark(text, name);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const Json object = ParseLine(line, name, number);
    if (table.Columns().empty()) {
      if (object.AsObject().empty()) Fail(name, number, "an object without members");
      table.SetColumns(ColumnsOf(object), number);
    }
    table.AddRow(CellsOf(object, table.Columns(), name, number), number);
  }
  table.CheckNotEmpty();
  DataSet result;
  result.columns_ = table.TakeColumns();
  result.rows_ = table.TakeRows();
  result.order_ = order;
  return result;
}

const std::vector<std::string>* DataSet::Draw(Random& random, std::int64_t seq,
                                              std::int64_t user_id) const noexcept {
  if (rows_.empty()) return nullptr;
  const auto size = static_cast<std::int64_t>(rows_.size());
  switch (order_) {
    case DataOrder::kSequential:
      return &rows_[static_cast<std::size_t>((seq % size + size) % size)];
    case DataOrder::kRandom: return &rows_[static_cast<std::size_t>(random.Int(0, size - 1))];
    case DataOrder::kUnique:
      if (user_id < 0 || user_id >= size) return nullptr;
      return &rows_[static_cast<std::size_t>(user_id)];
  }
  return nullptr;
}

}  // namespace perf::load
