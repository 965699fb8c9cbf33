// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/task.hpp"

namespace perf::bench {

/// A connection of a loop's pool that costs nothing.
class StubLink final : public backends::Connection {
 public:
  bool Reusable() const noexcept override { return true; }
  bool Alive() noexcept override { return true; }
};

/// A dial that takes `connect`.
inline Task<backends::Dialled<backends::Connection>> DialStub(backends::EventLoop& loop,
                                                              Duration connect) {
  if (connect > Duration::zero()) co_await loop.SleepUntil(Clock::now() + connect);
  backends::Dialled<backends::Connection> dialled;
  dialled.connection = std::make_unique<StubLink>();
  co_return dialled;
}

}  // namespace perf::bench
