// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/bench/pool_micro.hpp"
#include "libperf/bench/stub_subjects.hpp"

using namespace perf;
using namespace perf::bench;

namespace {

MicroOptions Short() {
  MicroOptions options;
  options.threads = {2};
  options.pools = {1};
  options.holds = {Duration::zero()};
  options.length = std::chrono::milliseconds(60);
  options.judge_speed = false;
  return options;
}

const load::ThresholdResult& CheckNamed(const load::Result& result, const std::string& begin) {
  const auto found =
      std::find_if(result.thresholds.begin(), result.thresholds.end(),
                   [&](const auto& check) { return check.expr.rfind(begin, 0) == 0; });
  REQUIRE(found != result.thresholds.end());
  return *found;
}

/// A pool that forgets to wake anybody: whoever waits, waits for ever.
class Forgetful {
 public:
  class Loan {
   public:
    explicit Loan(Forgetful* pool) noexcept : pool_(pool) {}
    Loan(Loan&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    ~Loan() {
      if (pool_ != nullptr) pool_->free_ = true;
    }
    explicit operator bool() const noexcept { return pool_ != nullptr; }
    void* Get() const noexcept { return pool_; }

   private:
    Forgetful* pool_;
  };
  Loan Acquire(Deadline deadline) {
    if (free_.exchange(false)) return Loan(this);
    std::unique_lock lock(mutex_);
    never_.wait_until(lock, deadline.At(), [] { return false; });
    return Loan(nullptr);
  }
  std::size_t Free() const { return free_ ? 1 : 0; }
  std::uint64_t OvertakenMost() const { return 0; }

 private:
  std::atomic<bool> free_{true};
  std::mutex mutex_;
  std::condition_variable never_;
};

}  // namespace

TEST_CASE("micro: one row for each implementation at each point") {
  MicroOptions options = Short();
  options.threads = {1, 4};
  options.impls = {"mutex", "fifo"};
  const load::Result result = PoolMicro(options, Context{});
  CHECK(result.verdict == load::Verdict::kPass);
  REQUIRE(result.bench);
  CHECK(result.bench->verb == "micro");
  REQUIRE(result.bench->rows.size() == 4);
  for (const Json& row : result.bench->rows) {
    CHECK(row.Find("operations")->AsInt() > 0);
    CHECK(row.Find("ops_per_cpu_s")->AsDouble() > 0);
    CHECK(row.Find("thread_min_max")->AsDouble() <= 1);
    CHECK(row.Find("lost_wakeups")->AsInt() == 0);
    CHECK(row.Find("failed")->AsInt() == 0);
  }
  // A baseline is its own peer.
  CHECK(result.bench->rows[0].Find("ratio")->AsDouble() == 1);
  CHECK(result.bench->rows[1].Find("fairness")->AsString() == "strict");
  CHECK(result.bench->rows[1].Find("overtaken_max")->AsInt() == 0);
}

TEST_CASE("micro: so many operations where that is asked for") {
  MicroOptions options = Short();
  options.impls = {"mutex"};
  options.operations = 30'000;
  const load::Result result = PoolMicro(options, Context{});
  CHECK(result.bench->rows.at(0).Find("operations")->AsInt() >= 30'000);
}

TEST_CASE("micro: a pool that loses a wake-up is found out") {
  MicroOptions options = Short();
  options.impls = {"forgetful"};
  options.length = std::chrono::milliseconds(200);
  options.stuck_after = std::chrono::milliseconds(300);
  const load::Result result =
      PoolMicro(options, Context{}, [](const std::string& impl, std::size_t) {
        return std::make_unique<SubjectOf<Forgetful>>(impl, "none");
      });
  CHECK(result.verdict == load::Verdict::kFail);
  CHECK_FALSE(CheckNamed(result, "lost wakeups").ok);
  CHECK(CheckNamed(result, "lost wakeups").observed.value_or(0) > 0);
}

TEST_CASE("micro: a stop ends it early with what it has") {
  const std::atomic<bool> stop{true};
  Context context;
  context.stop = &stop;
  MicroOptions options = Short();
  options.impls = {"mutex"};
  const load::Result result = PoolMicro(options, context);
  CHECK(result.verdict == load::Verdict::kInterrupted);
}

TEST_CASE("micro: an unknown implementation is the caller's error") {
  MicroOptions options = Short();
  options.impls = {"magic"};
  CHECK_THROWS_AS(PoolMicro(options, Context{}), UsageError);
}
