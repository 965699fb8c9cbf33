// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/task.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace perf {
namespace {

/// Stands for a loop: the test resumes what waits here.
struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
  void await_resume() const noexcept {}
};

Task<int> Answer(Gate& gate) {
  co_await gate;
  co_return 42;
}

Task<std::unique_ptr<int>> Moved(Gate& gate) {
  const int answer = co_await Answer(gate);
  co_return std::make_unique<int>(answer);
}

Task<void> Fails(Gate& gate) {
  co_await gate;
  throw std::runtime_error("inside");
}

Task<long> Sum(long depth) {
  if (depth == 0) co_return 0;
  const long below = co_await Sum(depth - 1);
  co_return below + 1;
}

}  // namespace

TEST_CASE("task: values and suspensions pass through levels") {
  Gate gate;
  int result = 0;
  const auto body = [&]() -> Task<void> {
    const auto value = co_await Moved(gate);
    result = *value;
  };
  Detach(body());
  CHECK(result == 0);
  REQUIRE(gate.waiting);
  gate.waiting.resume();
  CHECK(result == 42);
}

TEST_CASE("task: an exception reaches the one who awaits") {
  Gate gate;
  std::string caught;
  const auto body = [&]() -> Task<void> {
    try {
      co_await Fails(gate);
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
  };
  Detach(body());
  gate.waiting.resume();
  CHECK(caught == "inside");
}

TEST_CASE("task: nothing runs before it is awaited") {
  bool ran = false;
  const auto body = [&]() -> Task<void> {
    ran = true;
    co_return;
  };
  {
    const Task<void> task = body();
  }
  CHECK_FALSE(ran);
  Detach(body());
  CHECK(ran);
}

TEST_CASE("task: destroying a suspended task destroys what it holds and awaits") {
  Gate gate;
  auto witness = std::make_shared<int>(1);
  const auto inner = [&](std::shared_ptr<int> held) -> Task<void> {
    co_await gate;
    CHECK(*held == 1);
  };
  struct Driver {
    struct promise_type {
      Driver get_return_object() {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
  };
  const auto drive = [&]() -> Driver {
    std::shared_ptr<int> held = witness;
    Task<void> task = inner(held);
    co_await std::move(task);
  };
  const Driver driver = drive();
  CHECK(witness.use_count() == 3);
  driver.handle.destroy();
  CHECK(witness.use_count() == 1);
}

TEST_CASE("task: a long chain of awaits comes back level by level") {
  long result = 0;
  const auto body = [&]() -> Task<void> { result = co_await Sum(1000); };
  Detach(body());
  CHECK(result == 1000);
}

}  // namespace perf
