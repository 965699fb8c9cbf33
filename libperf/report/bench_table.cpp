// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/bench_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libperf/report/summary.hpp"

namespace perf::report {
namespace {

/// Four significant digits, thousands in groups: what a table has room for.
std::string Cell(const Json& value) {
  if (value.IsNull()) return "-";
  if (value.IsBool()) return value.AsBool() ? "yes" : "no";
  if (!value.IsNumber()) return value.ToText();
  const double number = value.AsDouble();
  if (number >= 1000 && number < 1e15) return Grouped(static_cast<std::uint64_t>(number + 0.5));
  if (value.IsInt() || number == std::floor(number)) return fmt::format("{:.0f}", number);
  return fmt::format("{:.{}f}", number, std::abs(number) >= 99.95 ? 1 : 3);
}

struct Column {
  std::string name;
  std::vector<std::string> cells;
  bool words = false;  // left-aligned
  std::size_t width = 0;
};

std::vector<Column> Columns(const std::vector<Json>& rows) {
  std::vector<Column> columns;
  for (const Json& row : rows) {
    for (const auto& [name, value] : row.AsObject()) {
      const bool known = std::any_of(columns.begin(), columns.end(),
                                     [&](const Column& column) { return column.name == name; });
      if (!known) columns.push_back({name, {}, value.IsString(), name.size()});
    }
  }
  for (Column& column : columns) {
    for (const Json& row : rows) {
      const Json* value = row.Find(column.name);
      column.cells.push_back(value == nullptr ? "" : Cell(*value));
      column.width = std::max(column.width, column.cells.back().size());
    }
  }
  return columns;
}

std::string Aligned(const std::string& text, const Column& column) {
  return column.words ? fmt::format("{:<{}}", text, column.width)
                      : fmt::format("{:>{}}", text, column.width);
}

void AppendTable(std::string& out, const std::vector<Json>& rows, const Style& style,
                 std::size_t width) {
  std::vector<Column> columns = Columns(rows);
  std::size_t used = 0, shown = 0;
  for (; shown < columns.size(); ++shown) {
    used += columns[shown].width + 2;
    if (shown > 0 && used > width + 2) break;
  }
  // What is said in words is what one looks for: it is never left out, and stands last.
  std::vector<Column> said;
  for (std::size_t i = shown; i < columns.size(); ++i) {
    if (columns[i].name == "text" || columns[i].name == "error") said.push_back(columns[i]);
  }
  columns.resize(shown);
  columns.insert(columns.end(), said.begin(), said.end());
  std::string head;
  for (const Column& column : columns) head += Aligned(column.name, column) + "  ";
  out += style.Bold(head.substr(0, head.find_last_not_of(' ') + 1)) + "\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string line;
    for (const Column& column : columns) line += Aligned(column.cells[i], column) + "  ";
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
}

}  // namespace

std::string BenchVerdictLine(const load::Result& result, const Style& style) {
  std::string word;
  switch (result.verdict) {
    case load::Verdict::kPass: word = style.Good("PASS"); break;
    case load::Verdict::kFail: word = style.Bad("FAIL"); break;
    case load::Verdict::kInvalid: word = style.Warn("INVALID"); break;
    case load::Verdict::kInterrupted: word = style.Warn("INTERRUPTED"); break;
  }
  const std::size_t checks = result.thresholds.size();
  const auto failed = std::count_if(result.thresholds.begin(), result.thresholds.end(),
                                    [](const auto& check) { return !check.ok; });
  const std::string found = failed > 0    ? fmt::format("{} of {} checks failed", failed, checks)
                            : checks == 1 ? "1 check holds"
                                          : fmt::format("{} checks hold", checks);
  const std::size_t rows = result.bench ? result.bench->rows.size() : 0;
  return fmt::format("{}  {}: {}, {} row{}, {:.1f} s", word, result.tool, found, rows,
                     rows == 1 ? "" : "s", result.duration_s);
}

std::string BenchSummary(const load::Result& result, const Style& style,
                         const std::vector<std::string>& written, std::size_t width) {
  // A benchmark that ran a scenario shows its flows, too.
  std::string out = result.flows.empty() ? "" : Summary(result, style, {});
  out += "\n" + BenchVerdictLine(result, style) + "\n";
  for (const auto& [code, text] : result.invalid_reasons) {
    out += fmt::format("  {} {}\n", style.Warn("not valid (" + code + "):"), text);
  }
  for (const load::ThresholdResult& check : result.thresholds) {
    const std::string observed =
        check.observed ? fmt::format("{:.4g}", *check.observed) : "no samples";
    out += fmt::format("  {} {} ({})\n", check.ok ? style.Good("ok  ") : style.Bad("FAIL"),
                       check.expr, observed);
  }
  out += '\n';
  if (result.bench && !result.bench->rows.empty()) {
    AppendTable(out, result.bench->rows, style, width);
    out += '\n';
  }
  if (result.flows.empty()) out += AudioLines(result, style);
  for (const std::string& path : written) out += style.Bold("written    ") + path + "\n";
  return out;
}

}  // namespace perf::report
