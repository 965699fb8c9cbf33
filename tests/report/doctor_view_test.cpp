// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/doctor_view.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace perf;
using namespace perf::report;
using monitor::Level;

namespace {

const Style kPlain(ColorChoice::kNever, 1);

DoctorChecks Example() {
  return {{"limits", "open files", Level::kOk, "65,536", "", ""},
          {"processor", "governor", Level::kWarning, "powersave on 8 of 8 CPUs",
           "the clock sinks between requests: low rates look slower than they are",
           "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"},
          {"network", "receive buffer", Level::kInfo, "212,992", "bursts are lost",
           "sudo sysctl -w net.core.rmem_max=4194304"},
          {"time", "clock source", Level::kOk, "tsc", "", ""},
          {"places", "state directory", Level::kCritical, "/x: Permission denied",
           "results cannot be written", ""}};
}

}  // namespace

TEST_CASE("doctor view: the worst first, what is well close together behind") {
  const std::string screen = DoctorScreen(Example(), "0.1.0", 60, true, kPlain);
  const std::string wanted = R"(perfctl 0.1.0 · what would spoil a run here

  CRITICAL  1 critical, 1 warning, 1 to know, 2 of 5 checks ok

  CRITICAL  state directory  /x: Permission denied
            results cannot be written

  WARNING   governor         powersave on 8 of 8 CPUs
            the clock sinks between requests: low rates look
            slower than they are
            mend: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor

  INFO      receive buffer   212,992
            bursts are lost
            mend: sudo sysctl -w net.core.rmem_max=4194304

  ok        open files       65,536
  ok        clock source     tsc
)";
  INFO("seen:\n" << screen << "wanted:\n" << wanted);
  CHECK((screen == wanted));
}

TEST_CASE("doctor view: plain and JSON") {
  const std::string plain = DoctorPlain(Example());
  CHECK(plain.starts_with("ok\tlimits\topen files\t65,536\t\t\nWARNING\tprocessor\tgovernor\t"));
  const Json json = DoctorJson(Example(), "0.1.0", "2026-11-30T00:00:00.000Z");
  CHECK(json.AtPointer("/state")->AsString() == "CRITICAL");
  CHECK(json.AtPointer("/checks/2/remedy")->AsString() ==
        "sudo sysctl -w net.core.rmem_max=4194304");
}

TEST_CASE("doctor view: what a file says cannot command the terminal, or begin another record") {
  DoctorChecks checks = Example();
  for (auto& check : checks) check.seen = check.spoils = "a\x1b[2J\tb\nc";
  for (const std::string& shown :
       {DoctorScreen(checks, "1", 80, true, kPlain), DoctorPlain(checks)}) {
    CHECK(shown.find('\x1b') == std::string::npos);
    CHECK(shown.find("\nc") == std::string::npos);
  }
}
