// SPDX-License-Identifier: Apache-2.0
// The circuit breaker beside a plain model of it.
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/pool/breaker.hpp"
#include "tests/pool/breaker_support.hpp"

namespace perf::pool {
namespace {

using namespace test;

/// The same rules, written plainly: a list of all results since the last change of state.
class Model {
 public:
  struct Ticket {
    std::uint64_t epoch = 0;
    int probe = -1;
  };
  explicit Model(const BreakerOptions& options)
      : options_(options),
        bucket_((options.calls + 9) / 10),
        ring_((options.calls + bucket_ - 1) / bucket_) {}

  std::optional<Ticket> Allow(TimePoint now) {
    Expire(now);
    if (state == State::kOpen && now >= until_) Change(State::kHalfOpen);
    if (state == State::kClosed) return Ticket{epoch_, -1};
    if (state == State::kOpen || out_.size() + done_ >= options_.probes) return std::nullopt;
    out_[++serial_] = now + options_.probe_deadline;
    return Ticket{epoch_, serial_};
  }
  void Drop(const Ticket& ticket) {
    if (ticket.epoch == epoch_) out_.erase(ticket.probe);
  }
  void Record(const Ticket& ticket, Outcome outcome, bool slow, TimePoint now) {
    if (outcome == Outcome::kIgnored) return Drop(ticket);
    const bool failed = outcome == Outcome::kFailure;
    if (ticket.probe >= 0) {
      if (ticket.epoch == epoch_) Expire(now);
      if (ticket.epoch != epoch_ || out_.erase(ticket.probe) == 0) return;
      Settle(failed, slow, now);
      return;
    }
    if (ticket.epoch != epoch_) return;
    results_.push_back({now, failed, slow});
    if (failed && ManyByTime(now)) return Open(now);
    std::size_t calls = 0, bad = 0, slack = 0;
    for (std::size_t i = First(now); i < results_.size(); ++i) {
      ++calls;
      bad += results_[i].failed ? 1 : 0;
      slack += results_[i].slow ? 1 : 0;
    }
    if (calls < options_.min_calls) return;
    if ((bad > 0 &&
         static_cast<double>(bad) >= options_.failure_rate * static_cast<double>(calls)) ||
        (slack > 0 &&
         static_cast<double>(slack) >= options_.slow_rate * static_cast<double>(calls))) {
      Open(now);
    }
  }

  State state = State::kClosed;
  std::uint64_t opened = 0;

 private:
  struct Result {
    TimePoint at;
    bool failed, slow;
  };
  std::size_t First(TimePoint now) const {
    if (options_.window == BreakerOptions::Window::kCalls) {
      const std::size_t bucket = (results_.size() - 1) / bucket_;
      return bucket < ring_ ? 0 : (bucket - ring_ + 1) * bucket_;
    }
    const Duration length = options_.span / 10;
    const auto bucket = [&](TimePoint at) { return (at - results_.front().at) / length; };
    std::size_t first = 0;
    while (bucket(results_[first].at) + 9 < bucket(now)) ++first;
    return first;
  }
  bool ManyByTime(TimePoint now) const {
    if (options_.failures == 0) return false;
    std::uint32_t count = 0;
    for (const Result& result : results_) {
      count += result.failed && now - result.at <= options_.failures_within ? 1U : 0U;
    }
    return count >= options_.failures;
  }
  void Settle(bool failed, bool slow, TimePoint now) {
    ++done_;
    failed_ += failed ? 1U : 0U;
    slow_ += slow ? 1U : 0U;
    // All that are left succeed, all that are left fail: the same verdict?
    const auto bad = [&](std::size_t failures, std::size_t slowed) {
      const double all = options_.probes;
      return static_cast<double>(failures) >= options_.failure_rate * all ||
             static_cast<double>(slowed) >= options_.slow_rate * all;
    };
    const std::size_t left = options_.probes - done_;
    if (bad(failed_, slow_)) return Open(now);
    if (!bad(failed_ + left, slow_ + left)) Change(State::kClosed);
  }
  void Expire(TimePoint now) {
    if (state != State::kHalfOpen) return;
    const std::uint64_t epoch = epoch_;
    // All that are due fail together, before anything is decided.
    std::vector<int> due;
    for (const auto& [serial, deadline] : out_) {
      if (now >= deadline) due.push_back(serial);
    }
    for (const int serial : due) {
      if (epoch_ != epoch) break;
      out_.erase(serial);
      Settle(true, false, now);
    }
  }
  void Open(TimePoint now) {
    ++opened;
    until_ = now + options_.open_for;
    Change(State::kOpen);
  }
  void Change(State next) {
    state = next;
    ++epoch_;
    results_.clear();
    out_.clear();
    done_ = failed_ = slow_ = 0;
  }

  BreakerOptions options_;
  std::size_t bucket_, ring_;
  std::uint64_t epoch_ = 0;
  std::vector<Result> results_;
  std::map<int, TimePoint> out_;
  int serial_ = 0;
  std::size_t done_ = 0, failed_ = 0, slow_ = 0;
  TimePoint until_{};
};

BreakerOptions Drawn(Random& random) {
  BreakerOptions options = Plain();
  options.window =
      random.Int(0, 1) == 0 ? BreakerOptions::Window::kCalls : BreakerOptions::Window::kTime;
  options.calls = static_cast<std::uint32_t>(random.Int(1, 60));
  options.span = std::chrono::milliseconds(random.Int(10, 3000));
  options.min_calls = static_cast<std::uint32_t>(random.Int(1, options.calls));
  options.failure_rate = static_cast<double>(random.Int(1, 8)) / 8;
  options.slow_after = 10ms;
  options.slow_rate = static_cast<double>(random.Int(4, 8)) / 8;
  options.failures = static_cast<std::uint32_t>(random.Int(0, 6));
  options.failures_within = std::chrono::milliseconds(random.Int(1, 1000));
  options.probes = static_cast<std::uint32_t>(random.Int(1, 6));
  options.probe_deadline = std::chrono::milliseconds(random.Int(1, 300));
  options.open_for = std::chrono::milliseconds(random.Int(1, 300));
  return options;
}

void Compare(std::uint64_t seed) {
  Random random(seed);
  const BreakerOptions options = Drawn(random);
  Breaker breaker(options);
  Model model(options);
  std::vector<std::pair<Breaker::Permit, Model::Ticket>> out;
  TimePoint now = kStart;
  const auto failing = static_cast<double>(random.Int(0, 10)) / 10;
  for (int step = 0; step < 400; ++step) {
    INFO("seed ", seed, " step ", step);
    if (random.Int(0, 2) == 0) now += std::chrono::microseconds(random.Int(0, 60'000));
    const std::int64_t action = random.Int(0, 9);
    if (action < 5) {
      Breaker::Permit permit = breaker.Allow(now);
      const std::optional<Model::Ticket> ticket = model.Allow(now);
      REQUIRE(static_cast<bool>(permit) == ticket.has_value());
      if (!ticket) continue;
      REQUIRE(permit.IsProbe() == (ticket->probe >= 0));
      out.emplace_back(std::move(permit), *ticket);
    } else if (!out.empty()) {
      const auto index =
          static_cast<std::ptrdiff_t>(random.Int(0, static_cast<std::int64_t>(out.size()) - 1));
      auto [permit, ticket] = std::move(out[static_cast<std::size_t>(index)]);
      out.erase(out.begin() + index);
      const std::uint64_t opened = model.opened;
      bool opens = false;
      if (action == 9) {
        permit = Breaker::Permit();
        model.Drop(ticket);
      } else {
        const bool slow = random.Int(0, 3) == 0;
        const Outcome outcome = random.Int(0, 19) == 0    ? Outcome::kIgnored
                                : random.Unit() < failing ? Outcome::kFailure
                                                          : Outcome::kSuccess;
        opens = breaker.Record(std::move(permit), outcome, slow ? 11ms : 1ms, now);
        model.Record(ticket, outcome, slow, now);
      }
      REQUIRE(opens == (model.opened > opened));
    }
    REQUIRE(Name(breaker.Now()) == Name(model.state));
    REQUIRE(breaker.Snapshot(now).opened == model.opened);
  }
}

TEST_CASE("breaker does what the plain model does, over seeded interleavings") {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) Compare(seed);
}

}  // namespace
}  // namespace perf::pool
