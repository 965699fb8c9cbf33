// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/health.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

#include "libperf/base/error.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;
using enum HealthStatus;
using Group = HealthBoard::Group;

HealthBoard::Check Says(HealthStatus status, std::string detail = {}) {
  return [=](TimePoint) { return ComponentHealth{status, detail}; };
}

TEST_CASE("health: the worst wins, UNKNOWN makes nothing worse") {
  CHECK(std::max({kUp, kUnknown}) == kUp);
  CHECK(std::max({kUp, kDown, kOutOfService}) == kDown);
  CHECK(std::max({kUp, kOutOfService, kUnknown}) == kOutOfService);
  CHECK(Name(kOutOfService) == "OUT_OF_SERVICE");
  CHECK(HttpStatus(kDown) == 503);
  CHECK(HttpStatus(kOutOfService) == 503);
  CHECK(HttpStatus(kUp) == 200);
  CHECK(HttpStatus(kUnknown) == 200);
}

TEST_CASE("health: groups; a sick target is shown and makes nobody unready") {
  HealthBoard board;
  const TimePoint now{1h};
  board.Add("collector", {.live = true}, Says(kUp));
  board.Add("history", {.ready = true}, Says(kUp));
  board.Add("database", {.live = true, .ready = true, .target = true}, Says(kDown, "refused"));
  CHECK(board.Ask(Group::kLive, now).status == kUp);
  CHECK(board.Ask(Group::kReady, now).status == kUp);
  const auto all = board.Ask(Group::kAll, now);
  CHECK(all.status == kUp);
  CHECK(
      all.body.Dump() ==
      R"({"status":"UP","checks":[{"name":"collector","status":"UP"},{"name":"history","status":"UP"},)"
      R"({"name":"database","status":"DOWN","target":true,"detail":"refused"}]})");
  CHECK_THROWS_AS(board.Add("history", {}, Says(kUp)), Error);

  board.Add("front", {.ready = true}, Says(kOutOfService, "draining"));
  CHECK(board.Ask(Group::kReady, now).status == kOutOfService);
  CHECK(board.Ask(Group::kLive, now).status == kUp);
  board.Remove("front");
  board.Add("disk", {.ready = true}, [](TimePoint) -> ComponentHealth {
    throw std::runtime_error("password=geheim is wrong");
  });
  const auto report = board.Ask(Group::kReady, now);
  CHECK(report.status == kDown);
  CHECK(report.body.Dump().find("geheim") == std::string::npos);
  CHECK(report.body.AtPointer("/checks/1/status")->AsString() == "DOWN");
}

TEST_CASE("health: a heart that has beaten and stands still is DOWN after three intervals") {
  Heartbeat heart(2s);
  const TimePoint start{1h};
  CHECK(heart.Check(start).status == kUnknown);
  heart.Beat(start);
  CHECK(heart.Check(start + 6s).status == kUp);
  CHECK(heart.Check(start + 7s).status == kDown);
  CHECK(heart.Check(start + 7s).detail == "no turn for 7s; one is due every 2s");
  heart.Beat(start + 8s);
  CHECK(heart.Check(start + 9s).status == kUp);
}

}  // namespace
}  // namespace perf::service
