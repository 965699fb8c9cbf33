// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/audit.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

const WallTime kStart{std::chrono::sys_days{std::chrono::November / 30 / 2026} + 20h + 45min + 7s +
                      123ms};

std::vector<Json> Lines(const std::string& path) {
  std::vector<Json> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::Parse(line));
  return lines;
}

std::string Text(const Json& line, std::string_view name) {
  const Json* value = line.Find(name);
  return value == nullptr ? std::string() : value->ToText();
}

TEST_CASE("audit: one line says who did what, and how it went") {
  const test::ScratchDir scratch;
  AuditLog log(scratch / "audit.jsonl");
  Json detail = Json::MakeObject();
  detail["before"] = 20;
  log.Write({"change", "user:ops", "resize_pool", "failed: redis://:geheim@h/0 is down", detail},
            kStart);
  const auto lines = Lines(scratch / "audit.jsonl");
  REQUIRE(lines.size() == 1);
  CHECK(
      lines[0].Dump() ==
      R"({"time":"2026-11-30T20:45:07.123Z","event":"change","who":"user:ops",)"
      R"("action":"resize_pool","result":"failed: redis://:***@h/0 is down","detail":{"before":20}})");
  struct stat info{};
  REQUIRE(::stat((scratch / "audit.jsonl").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
}

TEST_CASE("audit: refused attempts are counted, and the counts sum to the attempts") {
  const test::ScratchDir scratch;
  Random random(1);
  std::uint64_t attempts = 0;
  {
    AuditLog log(scratch / "audit.jsonl");
    for (int second = 0; second < 5; ++second) {
      for (int i = 0; i < 2000; ++i) {
        const auto peer = random.Int(0, second == 4 ? 2000 : 20);
        log.Refused("10.0.0." + std::to_string(peer), i % 2 == 0 ? "wrong_token" : "no_token",
                    kStart + std::chrono::seconds(second) + std::chrono::microseconds(i));
        ++attempts;
      }
    }
    log.Tick(kStart + 5s);
    CHECK(log.Trouble().empty());
    log.Refused("10.0.0.1", "no_token", kStart + 6s);  // the destructor writes it
    ++attempts;
  }
  std::uint64_t counted = 0, lines_of_last = 0;
  for (const Json& line : Lines(scratch / "audit.jsonl")) {
    CHECK(Text(line, "event") == "refused");
    counted += static_cast<std::uint64_t>(line.Find("count")->AsInt());
    lines_of_last += Text(line, "time") == "2026-11-30T20:45:11.000Z" ? 1 : 0;
  }
  CHECK(counted == attempts);
  CHECK(lines_of_last <= AuditLog::kMostLines + 2);
}

TEST_CASE("audit: the file is rotated by size, the oldest goes") {
  const test::ScratchDir scratch;
  const std::string path = scratch / "audit.jsonl";
  AuditLog log(path, 4096);
  for (int i = 0; i < 1000; ++i) {
    log.Write({"change", "uid:0", "trim_audio " + std::to_string(i), "done"}, kStart);
  }
  CHECK(scratch.Count() == 1 + AuditLog::kKept);
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "")) {
    CHECK(entry.file_size() <= 4096);
  }
  CHECK(Text(Lines(path).back(), "action") == "trim_audio 999");
  const auto newest = Lines(path + ".1").back(), next = Lines(path).front();
  const int last = std::stoi(Text(newest, "action").substr(11));
  CHECK(Text(next, "action") == "trim_audio " + std::to_string(last + 1));
  // Somebody else takes the file away: a new one is begun.
  std::filesystem::remove(path);
  log.Write({"change", "uid:0", "x", "done"}, kStart);
  CHECK(Lines(path).size() == 1);
}

TEST_CASE("audit: two that share a file write to the one at the path, within its size") {
  const test::ScratchDir scratch;
  const std::string path = scratch / "audit.jsonl";
  AuditLog agent(path, 4096), run(path, 4096);
  agent.Write({"change", "uid:0", "first", "done"}, kStart);
  while (!std::filesystem::exists(path + ".1")) {
    run.Write({"change", "uid:0", "trim_audio", "done"}, kStart);
  }
  agent.Write({"change", "uid:0", "late", "done"}, kStart);
  CHECK(Text(Lines(path).back(), "action") == "late");
  for (int i = 0; i < 100; ++i) {
    (i % 2 == 0 ? agent : run).Write({"change", "uid:0", "trim_audio", "done"}, kStart);
  }
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "")) {
    CHECK(entry.file_size() <= 4096);
  }
}

/// Lets no file of this process grow beyond some bytes: a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit small = before_;
    small.rlim_cur = bytes;
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_CASE(
    "audit: what cannot be written is told, leaves no half line, and is not lost when counted") {
  const test::ScratchDir scratch;
  const std::string path = scratch / "audit.jsonl";
  AuditLog log(path);
  {
    const FullDisk full(1000);
    bool failed = false;
    for (int i = 0; i < 100 && !failed; ++i) {
      try {
        log.Write({"change", "uid:0", "trim_audio", "done"}, kStart);
      } catch (const OutputError&) {
        failed = true;
      }
    }
    CHECK(failed);
    CHECK(log.Trouble().find("audit log " + path) == 0);
    for (int i = 0; i < 7; ++i) log.Refused("10.0.0.1", "no_token", kStart);
    log.Tick(kStart + 1s);
    CHECK_FALSE(log.Trouble().empty());
  }
  for (int i = 0; i < 5; ++i) log.Refused("10.0.0.1", "no_token", kStart + 2s);
  log.Tick(kStart + 4s);
  CHECK(log.Trouble().empty());
  std::int64_t counted = 0;
  for (const Json& line : Lines(path)) {  // each parses: no half line
    if (Text(line, "event") == "refused") counted += line.Find("count")->AsInt();
  }
  CHECK(counted == 12);
}

TEST_CASE("audit: a place that cannot be written is an error at once") {
  const test::ScratchDir scratch;
  CHECK_THROWS_AS(AuditLog(scratch / "none/audit.jsonl"), OutputError);
  CHECK_THROWS_AS(AuditLog(scratch / ""), OutputError);
  std::filesystem::create_symlink("/dev/null", scratch / "link");
  CHECK_THROWS_AS(AuditLog(scratch / "link"), OutputError);
}

}  // namespace
}  // namespace perf::service
