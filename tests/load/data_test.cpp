// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/data.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf::load {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows RowsOf(const DataSet& data) {
  Random random(1);
  Rows rows;
  for (std::size_t i = 0; i < data.Rows(); ++i) {
    rows.push_back(*data.Draw(random, static_cast<std::int64_t>(i), 0));
  }
  return rows;
}

DataSet Csv(std::string_view text) {
  return DataSet::FromCsv(text, "x.csv", DataOrder::kSequential);
}
DataSet Lines(std::string_view text) {
  return DataSet::FromJsonLines(text, "x.jsonl", DataOrder::kSequential);
}

template <typename Read>
std::string ErrorOf(Read read) {
  try {
    read();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("data: CSV as RFC 4180 has it") {
  struct Case {
    std::string_view text;
    std::vector<std::string> columns;
    Rows rows;
  };
  const Case cases[] = {
      {"a,b\n1,2\n", {"a", "b"}, {{"1", "2"}}},
      {"a,b\n1,2", {"a", "b"}, {{"1", "2"}}},
      {"a,b\r\n1,2\r\n3,4", {"a", "b"}, {{"1", "2"}, {"3", "4"}}},
      {"\xEF\xBB\xBF"
       "a,b\n1,2\n",
       {"a", "b"},
       {{"1", "2"}}},
      {"\xEF\xBB\xBF\"a\",b\n1,2\n", {"a", "b"}, {{"1", "2"}}},
      {"a,b\n\"x,y\",\"z\"\n", {"a", "b"}, {{"x,y", "z"}}},
      {"a,b\n\"say \"\"hi\"\"\",\"\"\"\"\n", {"a", "b"}, {{"say \"hi\"", "\""}}},
      {"a,b\n\"line 1\r\nline 2\",2\n", {"a", "b"}, {{"line 1\r\nline 2", "2"}}},
      {"a,b\n,\n", {"a", "b"}, {{"", ""}}},
      {"a,b\n\"\",\"\"\n", {"a", "b"}, {{"", ""}}},
      {"a\n1\n\n\n2\n\n", {"a"}, {{"1"}, {"2"}}},
      {"a\n\"\"\n", {"a"}, {{""}}},
      {"\n\na\n1\n", {"a"}, {{"1"}}},
      {"a, b \n 1 , 2\n", {"a", " b "}, {{" 1 ", " 2"}}},  // spaces are part of a cell
      {"name\nJosé\n", {"name"}, {{"José"}}},
      {"a,b\n1\r,2\n", {"a", "b"}, {{"1\r", "2"}}},  // a lone CR ends no line
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const DataSet data = Csv(c.text);
    CHECK(data.Columns() == c.columns);
    CHECK(RowsOf(data) == c.rows);
  }
}

TEST_CASE("data: CSV errors name file and line") {
  struct Case {
    std::string_view text;
    std::string_view place;
    std::string_view message;
  };
  const Case cases[] = {
      {"", "x.csv:1: ", "empty"},
      {"\n\r\n", "x.csv:1: ", "empty"},
      {"a,b\n", "x.csv:1: ", "no rows"},
      {"a,b\n1,2\n3\n", "x.csv:3: ", "1 cells"},
      {"a,b\n1,2\n\n1,2,3\n", "x.csv:4: ", "3 cells"},
      {"a,b\n\"1\n2\n3\",4\n5\n", "x.csv:5: ", "1 cells"},
      {"a,b\n1,\"2\n3,4\n", "x.csv:2: ", "closing quote"},
      {"a,b\n\"1\"x,2\n", "x.csv:2: ", "behind a closing quote"},
      {"a,b\n\"1\n\"\"\n\" ,2\n", "x.csv:4: ", "behind a closing quote"},
      {"a,b\n1\"2,3\n", "x.csv:2: ", "quote inside"},
      {"a,b,a\n1,2,3\n", "x.csv:1: ", "'a'"},
      {"a,,c\n1,2,3\n", "x.csv:1: ", "without a name"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const std::string message = ErrorOf([&] { Csv(c.text); });
    CHECK(message.starts_with(c.place));
    CHECK(message.find(c.message) != std::string::npos);
  }
  const std::string wide = "a\n" + std::string(5000, ',');
  CHECK(ErrorOf([&] { Csv(wide); }).find("4096 columns") != std::string::npos);
}

TEST_CASE("data: JSON lines") {
  const DataSet data = Lines(
      "\xEF\xBB\xBF{\"id\": 1, \"name\": \"Ann\", \"tags\": [1, \"x\"]}\r\n"
      "\n"
      "{\"name\": null, \"id\": 2.5, \"tags\": {\"k\": true}}\n"
      "{\"id\": false, \"name\": \"B\\u00f6b\", \"tags\": []}");
  CHECK(data.Columns() == std::vector<std::string>{"id", "name", "tags"});
  CHECK(RowsOf(data) ==
        Rows{{"1", "Ann", "[1,\"x\"]"}, {"2.5", "", "{\"k\":true}"}, {"false", "Böb", "[]"}});

  struct Case {
    std::string_view text;
    std::string_view place;
    std::string_view message;
  };
  const Case cases[] = {
      {"", "x.jsonl:1: ", "empty"},
      {" \n\n", "x.jsonl:1: ", "empty"},
      {"{\"a\":1}\n[1]\n", "x.jsonl:2: ", "one JSON object"},
      {"{\"a\":1}\n\n{\"a\":\n", "x.jsonl:3: ", "JSON"},
      {"{\"a\":1}\n{\"b\":1}\n", "x.jsonl:2: ", "no 'a'"},
      {"{\"a\":1}\n{\"a\":1,\"b\":2}\n", "x.jsonl:2: ", "'b'"},
      {"{}\n", "x.jsonl:1: ", "without members"},
      {"{\"\":1}\n", "x.jsonl:1: ", "without a name"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const std::string message = ErrorOf([&] { Lines(c.text); });
    CHECK(message.starts_with(c.place));
    CHECK(message.find(c.message) != std::string::npos);
  }
}

TEST_CASE("data: files are read by their suffix") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("perfkit-data-test-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto write = [&](const std::string& name, std::string_view text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  };
  const std::string csv = write("users.CSV", "id\n1\n");
  const std::string lines = write("users.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
  CHECK(DataSet::Load(csv, DataOrder::kRandom).Rows() == 1);
  CHECK(DataSet::Load(csv, DataOrder::kRandom).Order() == DataOrder::kRandom);
  CHECK(DataSet::Load(lines, DataOrder::kUnique).Rows() == 2);
  const std::string text = write("users.txt", "id\n1\n");
  CHECK(ErrorOf([&] { DataSet::Load(text, DataOrder::kRandom); }).find(".csv, .jsonl") !=
        std::string::npos);
  const std::string missing = (folder / "none.csv").string();
  CHECK(ErrorOf([&] { DataSet::Load(missing, DataOrder::kRandom); }).starts_with(missing));
  std::filesystem::remove_all(folder);
}

TEST_CASE("data: rows are drawn in turn, at random or one per user") {
  const std::string_view text = "id\n0\n1\n2\n3\n4\n";
  Random random(5);
  const DataSet turn = DataSet::FromCsv(text, "x.csv", DataOrder::kSequential);
  CHECK(turn.Draw(random, 0, 9)->front() == "0");
  CHECK(turn.Draw(random, 7, 9)->front() == "2");
  const DataSet unique = DataSet::FromCsv(text, "x.csv", DataOrder::kUnique);
  CHECK(unique.Draw(random, 3, 4)->front() == "4");
  CHECK(unique.Draw(random, 8, 4)->front() == "4");
  CHECK(unique.Draw(random, 0, 5) == nullptr);
  CHECK(unique.Draw(random, 0, -1) == nullptr);
  const DataSet any = DataSet::FromCsv(text, "x.csv", DataOrder::kRandom);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) seen.insert(any.Draw(random, 0, 0)->front());
  CHECK(seen.size() == 5);
  CHECK(DataSet().Draw(random, 0, 0) == nullptr);
}

}  // namespace
}  // namespace perf::load
