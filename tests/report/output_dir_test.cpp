// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/output_dir.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "tests/report/variable.hpp"

using namespace perf;
using namespace perf::report;
using perf::test::Variable;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "perfkit-report-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::ptrdiff_t Entries(const std::string& path) {
  return std::distance(fs::directory_iterator(path), fs::directory_iterator());
}

}  // namespace

TEST_CASE("output dir: is made with its parents, and holds what is written and nothing else") {
  const Folder folder;
  const OutputDir out(folder.path + "/a/b", "scenario");
  CHECK(out.Path() == folder.path + "/a/b");
  CHECK(Entries(out.Path()) == 0);
  const std::string path = out.Write("result.json", "{}");
  CHECK(path == out.Path() + "/result.json");
  CHECK(Content(path) == "{}");
  out.Write("result.json", "[1]");
  CHECK(Content(path) == "[1]");
  CHECK(Entries(out.Path()) == 1);
}

TEST_CASE("output dir: a place that cannot be is refused with path, reason and remedy") {
  const Folder folder;
  std::ofstream(folder.path + "/file") << "x";
  for (const std::string& place : {folder.path + "/file", folder.path + "/file/below"}) {
    try {
      const OutputDir out(place, "scenario");
      FAIL("accepted " << place);
    } catch (const OutputError& error) {
      CHECK(std::string(error.what()).find(place) != std::string::npos);
      CHECK(std::string(error.what()).find("--out") != std::string::npos);
    }
  }
  if (fs::exists("/proc/self")) CHECK_THROWS_AS(OutputDir("/proc/self/x", "s"), OutputError);
}

TEST_CASE("output dir: a write that fails leaves the old file and no temporary one") {
  const Folder folder;
  const OutputDir out(folder.path, "scenario");
  out.Write("kept", "old");
  // The temporary file cannot be made: its name is taken by a directory.
  fs::create_directory(folder.path + "/kept.tmp");
  CHECK_THROWS_AS(out.Write("kept", "new"), OutputError);
  CHECK(Content(folder.path + "/kept") == "old");
  fs::remove(folder.path + "/kept.tmp");
  // The rename cannot be done: what is there is a directory.
  fs::create_directories(folder.path + "/taken/inside");
  CHECK_THROWS_AS(out.Write("taken", "new"), OutputError);
  CHECK(fs::is_directory(folder.path + "/taken/inside"));
  CHECK(!fs::exists(folder.path + "/taken.tmp"));
}

TEST_CASE("output dir: without a wish each run has a new directory of the user's state") {
  const Folder folder;
  const Variable state("XDG_STATE_HOME", folder.path.c_str());
  const OutputDir first("", "my/../scenario name");
  const OutputDir second("", "my/../scenario name");
  CHECK(first.Path() != second.Path());
  CHECK(fs::path(first.Path()).parent_path() == folder.path + "/perfkit/runs");
  CHECK(first.Path().find("my----scenario-name") != std::string::npos);
}

TEST_CASE("output dir: runs that begin at the same moment do not share one") {
  const Folder folder;
  const Variable state("XDG_STATE_HOME", folder.path.c_str());
  constexpr int kRuns = 8;
  constexpr int kRounds = 20;
  std::vector<std::vector<std::string>> paths(kRuns);
  std::barrier begin(kRuns);
  {
    std::vector<std::jthread> runs;
    for (auto& mine : paths) {
      runs.emplace_back([&mine, &begin] {
        for (int round = 0; round < kRounds; ++round) {
          begin.arrive_and_wait();
          mine.push_back(OutputDir("", "x").Path());
        }
      });
    }
  }
  std::set<std::string> different;
  for (const auto& mine : paths) different.insert(mine.begin(), mine.end());
  CHECK(different.size() == kRuns * kRounds);
}

TEST_CASE("output dir: without a home, a directory that nobody else can look into") {
  const Folder folder;
  const Variable state("XDG_STATE_HOME", nullptr);
  const Variable home("HOME", nullptr);
  const Variable temporary("TMPDIR", folder.path.c_str());
  const std::string own = folder.path + "/perfkit-" + std::to_string(::getuid());
  const auto mode = [&own] { return fs::status(own).permissions() & fs::perms::all; };
  CHECK(OutputDir("", "x").Path().starts_with(own + "/perfkit/runs/"));
  CHECK(mode() == fs::perms::owner_all);
  // One that was left open is closed.
  fs::permissions(own, fs::perms(0755));
  CHECK_NOTHROW(OutputDir("", "x"));
  CHECK(mode() == fs::perms::owner_all);

  const auto complaint = [] {
    try {
      const OutputDir out("", "x");
    } catch (const OutputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  if (::getuid() == 0) {
    REQUIRE(::lchown(own.c_str(), 12345, 12345) == 0);
    CHECK(complaint().find("it is another user's") != std::string::npos);
  }
  fs::remove_all(own);
  // Somebody else's link, even to a directory of ours.
  fs::create_directory(folder.path + "/ours");
  fs::create_directory_symlink(folder.path + "/ours", own);
  CHECK(complaint().find("it is no directory") != std::string::npos);
  CHECK(complaint().find("--out") != std::string::npos);
  CHECK(Entries(folder.path + "/ours") == 0);
}
