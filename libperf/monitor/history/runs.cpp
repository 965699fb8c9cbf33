// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/runs.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/cache/compression.hpp"
#include "libperf/monitor/history/schema.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::size_t kMostRows = 10000;
constexpr std::string_view kColumns =
    "id, started, tool, scenario, hash, verdict, duration, achieved, requests, failed, p50, p95, "
    "p99";

std::string TextAt(const Json& result, std::string_view pointer, bool needed) {
  const Json* value = result.AtPointer(pointer);
  if (value != nullptr && value->IsString()) return value->AsString();
  if (!needed) return "";
  throw ConfigError(fmt::format("this is no result of a run: it has no text at {}", pointer));
}

std::optional<double> NumberAt(const Json& result, std::string_view pointer) {
  const Json* value = result.AtPointer(pointer);
  if (value == nullptr || !value->IsNumber()) return std::nullopt;
  return value->AsDouble();
}

std::optional<std::int64_t> CountAt(const Json& result, std::string_view pointer) {
  const Json* value = result.AtPointer(pointer);
  if (value == nullptr || !value->IsInt()) return std::nullopt;
  return value->AsInt();
}

RunRow RowOf(const Json& result) {
  if (TextAt(result, "/schema", true) != "perfkit.result/1") {
    throw ConfigError("this is no result of a run: its schema is not perfkit.result/1");
  }
  RunRow row;
  row.tool = TextAt(result, "/tool", true);
  row.scenario = TextAt(result, "/scenario/name", true);
  row.hash = TextAt(result, "/scenario/hash", false);
  row.started_at = TextAt(result, "/started_at", true);
  row.verdict = TextAt(result, "/verdict", true);
  row.duration_s = NumberAt(result, "/duration_s").value_or(0);
  row.achieved = NumberAt(result, "/rate/achieved");
  row.requests = CountAt(result, "/requests/total");
  row.failed = CountAt(result, "/requests/failed");
  // A run of a bench without requests has the block, with zeros.
  if (CountAt(result, "/latency/count").value_or(0) > 0) {
    row.p50_ms = NumberAt(result, "/latency/p50_ms");
    row.p95_ms = NumberAt(result, "/latency/p95_ms");
    row.p99_ms = NumberAt(result, "/latency/p99_ms");
  }
  return row;
}

template <typename T>
void BindMaybe(Statement& statement, int index, const std::optional<T>& value) {
  if (value) {
    statement.Bind(index, *value);
  } else {
    statement.BindNull(index);
  }
}

std::optional<double> DoubleOf(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return row.Double(column);
}

std::optional<std::int64_t> IntOf(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return row.Int(column);
}

RunRow Listed(const Statement& row) {
  RunRow one;
  one.id = row.Int(0);
  one.started_at = row.Text(1);
  one.tool = row.Text(2);
  one.scenario = row.Text(3);
  one.hash = row.Text(4);
  one.verdict = row.Text(5);
  one.duration_s = row.Double(6);
  one.achieved = DoubleOf(row, 7);
  one.requests = IntOf(row, 8);
  one.failed = IntOf(row, 9);
  one.p50_ms = DoubleOf(row, 10);
  one.p95_ms = DoubleOf(row, 11);
  one.p99_ms = DoubleOf(row, 12);
  return one;
}

std::unique_ptr<Database> Open(const std::string& path, RunStore::Access access) {
  if (access == RunStore::Access::kRead) return OpenForReading(path);
  MakeFolderOf(path);
  return OpenForWriting(path);
}

}  // namespace

struct RunStore::Parts {
  Parts(const std::string& path, Access access) : database(Open(path, access)) {}
  Guarded<std::unique_ptr<Database>> database;
};

RunStore::RunStore(const std::string& path, Access access)
    : parts_(std::make_unique<Parts>(path, access)) {}
RunStore::~RunStore() = default;

std::int64_t RunStore::Add(std::string_view result_json) {
  if (result_json.size() > kMostBytes) {
    throw ConfigError(fmt::format("a result of {} bytes is not kept: {} are the most",
                                  result_json.size(), kMostBytes));
  }
  const RunRow run = RowOf(Json::Parse(result_json));
  cache::CompressionOptions options;
  options.codec = cache::Codec::kZstd;
  options.threshold_bytes = 0;
  const auto packed = cache::Pack(result_json, options);
  const auto codec = packed ? cache::Codec::kZstd : cache::Codec::kNone;
  auto database = parts_->database.Lock();
  Statement add(**database,
                "INSERT OR REPLACE INTO runs(started, tool, scenario, hash, verdict, duration, "
                "achieved, requests, failed, p50, p95, p99, bytes, codec, result) "
                "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  add.Bind(1, run.started_at).Bind(2, run.tool).Bind(3, run.scenario).Bind(4, run.hash);
  add.Bind(5, run.verdict).Bind(6, run.duration_s);
  BindMaybe(add, 7, run.achieved);
  BindMaybe(add, 8, run.requests);
  BindMaybe(add, 9, run.failed);
  BindMaybe(add, 10, run.p50_ms);
  BindMaybe(add, 11, run.p95_ms);
  BindMaybe(add, 12, run.p99_ms);
  add.Bind(13, static_cast<std::int64_t>(result_json.size()));
  add.Bind(14, static_cast<std::int64_t>(codec));
  add.BindBlob(15, packed ? std::string_view(*packed) : result_json).Run();
  return (*database)->LastId();
}

std::vector<RunRow> RunStore::List(const RunFilter& filter) const {
  auto database = parts_->database.Lock();
  Statement rows(**database,
                 fmt::format("SELECT {} FROM runs WHERE (?1 = '' OR scenario = ?1) AND (?2 = 0 OR "
                             "id < ?2) ORDER BY id DESC LIMIT ?3",
                             kColumns));
  rows.Bind(1, filter.scenario).Bind(2, filter.before);
  rows.Bind(3, static_cast<std::int64_t>(std::min(filter.limit, kMostRows)));
  std::vector<RunRow> list;
  while (rows.Step()) list.push_back(Listed(rows));
  return list;
}

std::optional<std::string> RunStore::Get(std::int64_t id) const {
  auto database = parts_->database.Lock();
  Statement row(**database, "SELECT bytes, codec, result FROM runs WHERE id = ?");
  if (!row.Bind(1, id).Step()) return std::nullopt;
  const std::int64_t bytes = row.Int(0);
  std::optional<std::string> result;
  if (bytes >= 0 && static_cast<std::size_t>(bytes) <= kMostBytes && row.Int(1) >= 0 &&
      row.Int(1) <= static_cast<std::int64_t>(cache::Codec::kZstd)) {
    result = cache::Unpack(static_cast<cache::Codec>(row.Int(1)), row.Blob(2),
                           static_cast<std::size_t>(bytes));
  }
  if (!result) {
    throw IoError(fmt::format("history {}: run {} is damaged; delete it", (*database)->Path(), id));
  }
  return result;
}

bool RunStore::Delete(std::int64_t id) {
  auto database = parts_->database.Lock();
  Statement drop(**database, "DELETE FROM runs WHERE id = ?");
  drop.Bind(1, id).Run();
  return (*database)->Changes() > 0;
}

Json ToJson(const RunRow& row) {
  const auto maybe = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  Json json = Json::MakeObject();
  json["id"] = row.id;
  json["started_at"] = row.started_at;
  json["tool"] = row.tool;
  json["scenario"] = row.scenario;
  json["hash"] = row.hash;
  json["verdict"] = row.verdict;
  json["duration_s"] = row.duration_s;
  json["achieved"] = maybe(row.achieved);
  json["requests"] = maybe(row.requests);
  json["failed"] = maybe(row.failed);
  json["p50_ms"] = maybe(row.p50_ms);
  json["p95_ms"] = maybe(row.p95_ms);
  json["p99_ms"] = maybe(row.p99_ms);
  return json;
}

}  // namespace perf::monitor
