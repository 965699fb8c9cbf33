// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/progress.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>

using namespace perf;
using namespace perf::report;

namespace {

/// What `body` writes to standard error.
std::string Captured(const std::function<void()>& body) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int kept = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  body();
  std::fflush(stderr);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  std::string text(static_cast<std::size_t>(std::ftell(file) < 0 ? 0 : 1 << 16), '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

load::Progress At(double elapsed_s) {
  load::Progress progress;
  progress.elapsed_s = elapsed_s;
  progress.planned_s = 30;
  progress.second.target = 100;
  progress.second.achieved = 99;
  progress.second.p50_ms = 1.5;
  progress.second.p99_ms = 20;
  progress.total_requests = 12'345;
  progress.total_failed = 7;
  return progress;
}

const Style kPlain(ColorChoice::kNever, 2);

}  // namespace

TEST_CASE("progress: away from a terminal one plain line each ten seconds") {
  const std::string text = Captured([] {
    ProgressView view(kPlain, false);
    view.Phase("looking at the targets");
    view.Phase("");
    for (int second = 1; second <= 30; ++second) view.Update(At(second));
  });
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("looking at the targets\n") == 0);
  CHECK(text.find("10 s of 30 s: rate 99/s of 100/s") != std::string::npos);
  CHECK(text.find("12,345 requests, failed 7") != std::string::npos);
}

TEST_CASE("progress: on a terminal the block is drawn over and cleared at the end") {
  const std::string text = Captured([] {
    ProgressView view(kPlain, true);
    view.Phase("starting");
    view.Update(At(1));
    view.Update(At(60));  // past the plan: the bar is full, not longer
  });
  const std::string clear_one = "\x1b[1A\x1b[J";
  const std::string clear_block = "\x1b[4A\x1b[J";
  CHECK(text.find(clear_one) != std::string::npos);
  const std::size_t first = text.find(clear_block);
  REQUIRE(first != std::string::npos);
  CHECK(text.rfind(clear_block) == text.size() - clear_block.size());
  const std::size_t from = text.find(clear_one) + clear_one.size();
  const std::string block = text.substr(from, first - from);
  CHECK(std::count(block.begin(), block.end(), '\n') == 4);
  CHECK(text.find("[" + std::string(30, '=') + "]") != std::string::npos);
}
