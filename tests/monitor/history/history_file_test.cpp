// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "../../support/scratch_dir.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/monitor/history/database.hpp"
#include "libperf/monitor/history/history.hpp"
#include "libperf/monitor/history/reader.hpp"
#include "libperf/monitor/history/runs.hpp"
#include "series_maker.hpp"

namespace perf::monitor {
namespace {

using test::kStart;

Deadline Soon() { return Deadline::After(Clock::now(), std::chrono::minutes(2)); }

HistoryOptions At(const std::string& path) {
  HistoryOptions options;
  options.path = path;
  return options;
}

/// `series` gauges of noise, which does not pack.
class Noise {
 public:
  explicit Noise(int series) : series_(series) {}
  metrics::MetricsSnapshot Next() {
    auto gauge = test::Family("perfkit_system_noise", metrics::Type::kGauge);
    for (int i = 0; i < series_; ++i) {
      gauge.samples.push_back(test::Sample({{"n", std::to_string(i)}}, random_.Normal()));
    }
    return test::Snapshot({gauge});
  }

 private:
  int series_;
  Random random_{5};
};

std::size_t Points(const std::string& path, std::int64_t from, std::int64_t to) {
  HistoryQuery query;
  query.metric = "perfkit_system_noise";
  query.labels = {{"n", "0"}};
  query.from = FromSeconds(from);
  query.to = FromSeconds(to);
  query.step = std::chrono::seconds(30);
  const auto answer = HistoryReader(path).Query(query);
  return answer.lines.empty() ? 0 : answer.lines[0].points.size();
}

TEST_CASE("history file: goes on after a restart, in the same slot too; a second writer is told") {
  const ::test::ScratchDir dir;
  const std::string path = dir / "a/b/history.db";
  Noise noise(2);
  {
    History history(At(path));
    for (int i = 0; i < 10; ++i) history.Record(noise.Next(), FromSeconds(kStart + 30 * i));
    REQUIRE(history.Flush(Soon()));
    CHECK_THROWS_WITH_AS(History{At(path)}, doctest::Contains("is locked: process"), IoError);
    CHECK(Points(path, kStart, kStart + 3600) == 10);  // a reader is no writer
  }
  History history(At(path));
  history.Record(noise.Next(), FromSeconds(kStart + 9 * 30 + 10));  // was taken already
  history.Record(noise.Next(), FromSeconds(kStart + 10 * 30));
  REQUIRE(history.Flush(Soon()));
  CHECK(Points(path, kStart, kStart + 3600) == 11);
  struct stat folder{};
  REQUIRE(::stat((dir / "a/b").c_str(), &folder) == 0);
  CHECK((folder.st_mode & 0777) == 0700);
}

TEST_CASE("history file: a damaged one is set aside, one of others is refused") {
  const ::test::ScratchDir dir;
  const std::string path = dir / "history.db";
  {
    std::ofstream(path) << std::string(5000, 'x');
    History history(At(path));
    history.Record(Noise(1).Next(), FromSeconds(kStart));
    REQUIRE(history.Flush(Soon()));
  }
  CHECK(Points(path, kStart, kStart + 60) == 1);
  std::size_t aside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "")) {
    if (entry.path().string().find(".damaged-") == std::string::npos) continue;
    ++aside;
    CHECK(entry.file_size() == 5000);
  }
  CHECK(aside == 1);
  {
    Database other(dir / "other.db", Database::Mode::kWrite);
    other.Run("CREATE TABLE t(x)");
  }
  CHECK_THROWS_WITH_AS(History{At(dir / "other.db")}, doctest::Contains("another program"),
                       IoError);
  CHECK_THROWS_WITH_AS(HistoryReader(dir / "other.db"), doctest::Contains("another program"),
                       IoError);
  {
    Database newer(path, Database::Mode::kWrite);
    newer.Run("PRAGMA user_version = 999");
  }
  CHECK_THROWS_WITH_AS(History{At(path)}, doctest::Contains("newer perfkit"), IoError);
  CHECK_THROWS_WITH_AS(HistoryReader{path}, doctest::Contains("newer perfkit"), IoError);
  CHECK_THROWS_AS(HistoryReader(dir / "none.db"), IoError);
  CHECK_FALSE(std::filesystem::exists(dir / "none.db"));
}

TEST_CASE("history file: damage that shows while it is written is set aside, too") {
  const ::test::ScratchDir dir;
  const std::string path = dir / "history.db";
  History history(At(path));
  Noise noise(50);
  for (int i = 0; i < 20; ++i) history.Record(noise.Next(), FromSeconds(kStart + 30 * i));
  REQUIRE(history.Flush(Soon()));
  const HistoryReader reader(path);
  CHECK(reader.Newest() == FromSeconds(kStart + 19 * 30));
  {
    // All but the first page. What another process wrote before makes the writer read it.
    {
      Database other(path, Database::Mode::kWrite);
      other.Run("INSERT INTO state VALUES('x', 'y')");
      other.Number("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    const std::size_t size = std::filesystem::file_size(path);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(16384);
    file << std::string(size - 16384, '\x5a');
  }
  for (int i = 20; i < 60; ++i) {
    history.Record(noise.Next(), FromSeconds(kStart + 30 * i));
    REQUIRE(history.Flush(Soon()));
  }
  CHECK(history.Figures().write_failures > 0);
  CHECK_FALSE(history.Figures().failing);
  CHECK(Points(path, kStart, kStart + 3600) > 10);
  CHECK(reader.Newest() == FromSeconds(kStart + 59 * 30));  // of the new file
}

TEST_CASE("history file: alert states stay over a restart; names and sizes are bounded") {
  const ::test::ScratchDir dir;
  const std::string path = dir / "history.db";
  {
    History history(At(path));
    CHECK(history.PutState("alert/a", "{\"level\":1}"));
    CHECK(history.PutState("alert/a", "{\"level\":2}"));
    CHECK(history.PutState("alert/b", "{}"));
    CHECK(history.PutState("silence/a", ""));
    history.DropState("alert/b");
    CHECK_FALSE(history.PutState("big", std::string((1 << 20) + 1, 'x')));
    for (int i = 0; i < 998; ++i) CHECK(history.PutState("n" + std::to_string(i), "1"));
    CHECK_FALSE(history.PutState("one more", "1"));
    CHECK(history.PutState("n7", "2"));
    REQUIRE(history.Flush(Soon()));
  }
  const HistoryReader reader(path);
  CHECK(reader.State("alert/a") == "{\"level\":2}");
  CHECK_FALSE(reader.State("alert/b").has_value());
  CHECK(reader.State("n7") == "2");
  CHECK(reader.States("alert/") ==
        std::map<std::string, std::string>{{"alert/a", "{\"level\":2}"}});
}

constexpr const char* kResult =
    R"({"schema":"perfkit.result/1","tool":"perfctl","scenario":{"name":"NAME","hash":"ab"},)"
    R"("started_at":"2026-11-30T12:00:0Z","duration_s":2.5,"verdict":"pass",)"
    R"("rate":{"target":10,"achieved":9.5},"requests":{"total":25,"failed":1},)"
    R"("latency":{"count":25,"p50_ms":1.5,"p95_ms":3,"p99_ms":4}})";

TEST_CASE("runs: kept beside a running agent, listed, read back, deleted") {
  const ::test::ScratchDir dir;
  const std::string path = dir / "history.db";
  CHECK_THROWS_AS(RunStore(path, RunStore::Access::kRead), IoError);
  History history(At(path));
  RunStore runs(path, RunStore::Access::kWrite);
  std::string result = kResult;
  const std::int64_t first = runs.Add(result);
  CHECK(runs.Add(result) != 0);
  CHECK(runs.List().size() == 1);  // the same run
  std::string other = result;
  other.replace(other.find("NAME"), 4, "other");
  other.replace(other.find("12:00:0Z"), 8, "13:00:0Z");
  other.replace(other.find(",\"p50_ms\""), 9, ",\"pxx_ms\"");
  const std::int64_t second = runs.Add(other);
  CHECK(second > first);
  const RunStore reader(path, RunStore::Access::kRead);
  const auto list = reader.List();
  REQUIRE(list.size() == 2);
  CHECK(list[0].id == second);
  CHECK_FALSE(list[0].p50_ms.has_value());
  CHECK(list[1].scenario == "NAME");
  CHECK(list[1].hash == "ab");
  CHECK(list[1].verdict == "pass");
  CHECK(list[1].achieved == 9.5);
  CHECK(list[1].failed == 1);
  CHECK(list[1].p99_ms == 4.0);
  CHECK(ToJson(list[0]).Find("p50_ms")->IsNull());
  CHECK(reader.Get(second) == other);
  RunFilter filter;
  filter.scenario = "NAME";
  CHECK(reader.List(filter).size() == 1);
  filter.scenario = "";
  filter.before = second;
  CHECK(reader.List(filter).size() == 1);
  CHECK(runs.Delete(second));
  CHECK_FALSE(runs.Delete(second));
  CHECK_FALSE(reader.Get(second).has_value());
  CHECK_THROWS_AS(runs.Add("{}"), ConfigError);
  CHECK_THROWS_AS(runs.Add("nonsense"), ConfigError);
}

TEST_CASE("history file: a folder that may not be written is read, by who may read it") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can make a file of somebody else");
    return;
  }
  const ::test::ScratchDir dir;
  const std::string path = dir / "history.db";
  {
    History history(At(path));
    history.Record(Noise(1).Next(), FromSeconds(kStart));
    REQUIRE(history.Flush(Soon()));
  }
  // nobody, in a folder of root's, with no log and no index beside the file.
  for (const char* beside : {"-wal", "-shm"}) std::filesystem::remove(path + beside);
  REQUIRE(::chmod((dir / "").c_str(), 0755) == 0);
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  REQUIRE(::seteuid(65534) == 0);
  std::string failure;
  std::size_t points = 0;
  try {
    points = Points(path, kStart, kStart + 60);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  REQUIRE(::seteuid(0) == 0);
  CHECK(failure == "");
  CHECK(points == 1);
}

/// A file system of 6 MiB that goes away.
struct SmallDisk {
  explicit SmallDisk(const std::string& path) : folder(path) {
    std::filesystem::create_directory(folder);
    mounted = ::mount("none", folder.c_str(), "tmpfs", 0, "size=6m,mode=0700") == 0;
  }
  ~SmallDisk() {
    if (mounted) ::umount2(folder.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  std::string folder;
  bool mounted = false;
};

TEST_CASE("history file: a full disk costs history, never the process; it recovers by itself") {
  const ::test::ScratchDir dir;
  const SmallDisk disk(dir / "disk");
  if (!disk.mounted) {
    MESSAGE("skipped: mounting a small tmpfs is refused: ", std::strerror(errno));
    return;
  }
  const std::string path = disk.folder + "/history.db";
  metrics::Registry registry;
  History history(At(path), &registry);
  Noise noise(200);
  std::int64_t at = kStart;
  const auto write = [&](int snapshots) {
    for (int i = 0; i < snapshots; ++i, at += 30) {
      history.Record(noise.Next(), FromSeconds(at));
      if (i % 16 == 0) REQUIRE(history.Flush(Soon()));
    }
    REQUIRE(history.Flush(Soon()));
  };
  // Far more than fits: the oldest goes, the newest is there.
  write(8 * 120);
  const auto full = history.Figures();
  CHECK(full.write_failures > 0);
  CHECK(full.dropped_cells > 0);
  CHECK(Points(path, at - 600, at) > 0);
  // Somebody else takes all that is left.
  {
    std::ofstream ballast(disk.folder + "/ballast", std::ios::binary);
    const std::string block(4096, 'x');
    while (ballast.write(block.data(), 4096).flush()) {
    }
  }
  write(240);
  const auto choked = history.Figures();
  CHECK(choked.write_failures >= full.write_failures);
  CHECK(registry.Gather().errors.empty());
  // Room again: it goes on by itself.
  std::filesystem::remove(disk.folder + "/ballast");
  write(60);
  const auto after = history.Figures();
  CHECK_FALSE(after.failing);
  CHECK(Points(path, at - 60 * 30, at) >= 55);
  Database check(path, Database::Mode::kRead);
  CHECK(check.Text("PRAGMA quick_check") == "ok");
  MESSAGE("failures ", full.write_failures, " / ", choked.write_failures, " / ",
          after.write_failures, ", snapshots lost ", full.dropped_snapshots, " / ",
          choked.dropped_snapshots, " / ", after.dropped_snapshots, ", cells dropped ",
          after.dropped_cells);
}

}  // namespace
}  // namespace perf::monitor
