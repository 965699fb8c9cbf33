// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "libperf/base/text.hpp"
#include "libperf/cache/trace/input.hpp"
#include "libperf/cache/trace/table.hpp"
#include "libperf/cache/trace/tokens.hpp"

namespace perf::cache {

namespace {

constexpr std::uint64_t kMostRepeats = 1 << 20;

std::string Quoted(std::string_view text) { return "\"" + Excerpt(text, 60) + "\""; }

/// Lines of a table as rows of fields.
class TableReader : public FormatReader {
 public:
  using FormatReader::FormatReader;

 protected:
  /// The next line that is not empty; false at the end.
  bool NextRow() {
    std::string_view line;
    do {
      if (!input_.Line(line)) return false;
    } while (Trim(line).empty());
    if (delimiter_ == 0)
      delimiter_ = options_.delimiter != 0 ? options_.delimiter : GuessDelimiter(line);
    if (!row_.Split(line, delimiter_)) input_.FailLine("a quote is not closed: " + Quoted(line));
    return true;
  }
  std::string_view Field(std::size_t column) const {
    if (column < row_.Size()) return row_.At(column);
    input_.FailLine(fmt::format("{} columns; number {} is needed", row_.Size(), column + 1));
  }
  std::uint64_t Number(std::size_t column, std::string_view what) const {
    const auto number = ParseUnsigned(Field(column));
    if (!number)
      input_.FailLine(fmt::format("{} is no whole number: {}", what, Quoted(Field(column))));
    return *number;
  }

  TableRow row_;

 private:
  char delimiter_ = 0;
};

class CsvReader final : public TableReader {
 public:
  CsvReader(TraceFormat format, Input input, const TraceOptions& options)
      : TableReader(format, std::move(input), options) {
    // Now, so that HasSizes is known.
    ready_ = NextRow() && TakeColumns();
  }
  bool HasSizes() const noexcept override { return size_.has_value(); }

 private:
  bool Next(Request& request) override {
    if (!ready_ && !NextRow()) return false;
    ready_ = false;
    const std::string_view key = Field(key_);
    if (key.empty()) input_.FailLine("an empty key");
    request = {KeyId(key), size_ ? Number(*size_, "the size") : 1, TraceOp::kGet};
    return true;
  }

  /// Finds the columns by the first row; true where that is data already.
  bool TakeColumns() {
    const auto fields = row_.All();
    const bool named = !options_.key_column.empty() && !ParseUnsigned(options_.key_column);
    const bool size_named = !options_.size_column.empty() && !ParseUnsigned(options_.size_column);
    const bool header = named || size_named || LooksLikeHeader(fields);
    if (!options_.key_column.empty()) {
      key_ = Column(options_.key_column, fields);
    } else if (const auto found = header ? FindColumn(fields, UsualKeyColumns()) : std::nullopt) {
      key_ = *found;
    } else if (fields.size() > 1) {
      input_.FailLine(fmt::format("which column is the key? Say it by {} (columns: {})",
                                  header ? "name" : "number from 1", Excerpt(Names(fields), 200)));
    }
    if (!options_.size_column.empty()) {
      size_ = Column(options_.size_column, fields);
    } else if (header) {
      size_ = FindColumn(fields, UsualSizeColumns());
    }
    return !header;
  }

  std::size_t Column(const std::string& wanted, const std::vector<std::string_view>& fields) const {
    if (const auto number = ParseUnsigned(wanted)) {
      if (*number >= 1 && *number <= fields.size()) return *number - 1;
      input_.FailLine(fmt::format("no column {}: there are {}", wanted, fields.size()));
    }
    if (const auto found = FindColumn(fields, {wanted})) return *found;
    const std::string_view near = Suggest(wanted, fields);
    input_.FailLine(fmt::format("no column {}{} (columns: {})", Quoted(wanted),
                                near.empty() ? "" : fmt::format("; did you mean {}?", near),
                                Excerpt(Names(fields), 200)));
  }

  static std::string Names(const std::vector<std::string_view>& fields) {
    return fmt::format("{}", fmt::join(fields, ", "));
  }

  std::size_t key_ = 0;
  std::optional<std::size_t> size_;
  bool ready_ = false;
};

/// CacheLib's key-value traces (key, op, key_size, size, op_count) and block traces (block_id,
/// op_name, io_size, op_count); reads count as gets, writes as sets, deletes as such.
class CacheLibReader final : public TableReader {
 public:
  CacheLibReader(TraceFormat format, Input input, const TraceOptions& options)
      : TableReader(format, std::move(input), options) {
    if (!NextRow()) return;
    const auto header = row_.All();
    if (!IsCacheLibHeader(header)) {
      input_.FailLine("no CacheLib header: neither columns key and op nor block_id and op_name");
    }
    const bool blocks = !FindColumn(header, {"key"}) || !FindColumn(header, {"op"});
    key_ = *FindColumn(header, {blocks ? "block_id" : "key"});
    op_ = *FindColumn(header, {blocks ? "op_name" : "op"});
    size_ = FindColumn(header, {blocks ? "io_size" : "size"});
    key_size_ = blocks ? std::nullopt : FindColumn(header, {"key_size"});
    count_ = FindColumn(header, {"op_count"});
  }
  bool HasSizes() const noexcept override { return size_.has_value(); }

 private:
  bool Next(Request& request) override {
    while (left_ == 0) {
      if (!NextRow()) return false;
      ReadRow();
    }
    --left_;
    request = now_;
    return true;
  }

  void ReadRow() {
    const std::string_view key = Field(key_);
    if (key.empty()) input_.FailLine("an empty key");
    now_ = {KeyId(key), 1, OpOf(Field(op_))};
    if (size_) {
      const std::uint64_t size = Number(*size_, "the size");
      const std::uint64_t key_size = key_size_ ? Number(*key_size_, "the size of the key") : 0;
      now_.size = size + key_size < size ? size : size + key_size;
    }
    left_ = count_ ? Number(*count_, "the count") : 1;
    if (left_ > kMostRepeats) {
      input_.FailLine(
          fmt::format("a count of {}; at most {} are taken for one line", left_, kMostRepeats));
    }
  }

  TraceOp OpOf(std::string_view name) const {
    if (name.starts_with("GET") || name.starts_with("getChunk")) return TraceOp::kGet;
    if (name.starts_with("SET") || name.starts_with("putChunk")) return TraceOp::kSet;
    if (name.starts_with("DELETE")) return TraceOp::kDelete;
    input_.FailLine("an unknown operation: " + Quoted(name));
  }

  std::size_t key_ = 0, op_ = 0;
  std::optional<std::size_t> size_, key_size_, count_;
  Request now_;
  std::uint64_t left_ = 0;
};

}  // namespace

std::unique_ptr<FormatReader> MakeTableReader(TraceFormat format, Input input,
                                              const TraceOptions& options) {
  if (format == TraceFormat::kCsv) {
    return std::make_unique<CsvReader>(format, std::move(input), options);
  }
  return std::make_unique<CacheLibReader>(format, std::move(input), options);
}

}  // namespace perf::cache
