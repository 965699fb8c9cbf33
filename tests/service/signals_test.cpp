// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/signals.hpp"

#include <doctest/doctest.h>
#include <pthread.h>

#include <chrono>

namespace perf::service {
namespace {

using namespace std::chrono_literals;

TEST_CASE("signals: SIGHUP asks to reload, SIGTERM and SIGINT to stop") {
  struct Row {
    int number;
    Asked asked;
  };
  for (const Row row :
       {Row{SIGHUP, Asked::kReload}, {SIGTERM, Asked::kStop}, {SIGINT, Asked::kStop}}) {
    Signals signals;
    CHECK_FALSE(signals.Await(Deadline(Clock::now())));
    ::pthread_kill(::pthread_self(), row.number);
    const auto asked = signals.Await(Deadline::After(Clock::now(), 20s));
    REQUIRE(asked);
    CHECK(*asked == row.asked);
    CHECK_FALSE(signals.Await(Deadline::After(Clock::now(), 1ms)));
  }
  sigset_t now;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
  CHECK(sigismember(&now, SIGTERM) == 0);
}

}  // namespace
}  // namespace perf::service
