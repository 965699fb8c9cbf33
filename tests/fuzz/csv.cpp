// SPDX-License-Identifier: Apache-2.0
// Data sets: CSV and JSON lines. What is read, written as CSV again, reads back the same.
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/load/data.hpp"
#include "tests/fuzz/require.hpp"

using perf::fuzz::Require;
using perf::load::DataOrder;
using perf::load::DataSet;

namespace {

const std::vector<std::string>& RowAt(const DataSet& data, std::size_t index) {
  static perf::Random random(1);
  const auto* row = data.Draw(random, static_cast<std::int64_t>(index), 0);
  Require(row != nullptr, "each row is drawn");
  Require(row->size() == data.Columns().size(), "rows are as wide as the names");
  return *row;
}

void WriteRow(const std::vector<std::string>& row, std::string& out) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out += ',';
    out += '"';
    for (const char c : row[i]) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
  out += "\r\n";
}

void Check(const DataSet& data) {
  Require(data.Rows() > 0 && !data.Columns().empty(), "no data set is empty");
  std::string text;
  WriteRow(data.Columns(), text);
  for (std::size_t i = 0; i < data.Rows(); ++i) WriteRow(RowAt(data, i), text);
  const DataSet again = DataSet::FromCsv(text, "again", DataOrder::kSequential);
  Require(again.Columns() == data.Columns() && again.Rows() == data.Rows(), "same shape");
  for (std::size_t i = 0; i < data.Rows(); ++i) {
    Require(RowAt(again, i) == RowAt(data, i), "same cells");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = perf::fuzz::Text(data, size);
  try {
    Check(DataSet::FromCsv(text, "fuzz.csv", DataOrder::kSequential));
  } catch (const perf::ConfigError&) {
  }
  try {
    Check(DataSet::FromJsonLines(text, "fuzz.jsonl", DataOrder::kSequential));
  } catch (const perf::ConfigError&) {
  }
  return 0;
}
