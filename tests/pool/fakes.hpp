// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libperf/pool/core.hpp"

namespace test {

constexpr perf::TimePoint kStart{std::chrono::seconds(1000)};

/// How many seeds a test of random histories runs: PERF_SEEDS, or `otherwise`.
inline std::uint64_t Seeds(std::uint64_t otherwise) {
  const char* text = std::getenv("PERF_SEEDS");
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct Fake final : perf::pool::Resource {
  explicit Fake(int the_id, int* the_living = nullptr) : id(the_id), living(the_living) {
    if (living != nullptr) ++*living;
  }
  ~Fake() override {
    if (living != nullptr) --*living;
  }
  bool Reusable() const noexcept override { return reusable; }
  bool Alive() noexcept override {
    ++looked_at;
    return alive;
  }
  int id;
  int* living;
  bool reusable = true;
  bool alive = true;
  int looked_at = 0;
};

inline std::unique_ptr<perf::pool::Resource> Make(int id = 0, int* living = nullptr) {
  return std::make_unique<Fake>(id, living);
}
inline Fake& AsFake(perf::pool::Slot& slot) { return slot.As<Fake>(); }

struct Borrower final : perf::pool::Waiter {
  void Grant(perf::pool::Slot& given) noexcept override {
    slot = &given;
    if (log != nullptr) log->push_back(id);
  }
  void Fail(const perf::pool::Refusal& why) noexcept override {
    cause = why.cause;
    failure = why.connect_error;
    if (log != nullptr) log->push_back(-id);
    if (again != nullptr) std::exchange(again, nullptr)->Enqueue(*this, kStart);
  }
  int id = 0;
  std::vector<int>* log = nullptr;
  perf::pool::Slot* slot = nullptr;
  perf::pool::Cause cause = perf::pool::Cause::kNone;
  std::string failure;
  perf::pool::Core* again = nullptr;  // comes back from inside Fail
};

/// All dials that the core wants now.
inline std::vector<perf::pool::Slot*> Dials(perf::pool::Core& core, perf::TimePoint now) {
  std::vector<perf::pool::Slot*> slots;
  while (perf::pool::Slot* slot = core.StartDial(now)) slots.push_back(slot);
  return slots;
}

/// `count` resources in use, numbered from 0.
inline std::vector<perf::pool::Slot*> Fill(perf::pool::Core& core, std::size_t count,
                                           perf::TimePoint now = kStart) {
  std::vector<perf::pool::Slot*> taken;
  for (std::size_t i = 0; i < count; ++i) {
    REQUIRE(core.Adopt(Make(static_cast<int>(i)), now));
    taken.push_back(core.TryTake(now));
    REQUIRE(taken.back() != nullptr);
  }
  return taken;
}

}  // namespace test
