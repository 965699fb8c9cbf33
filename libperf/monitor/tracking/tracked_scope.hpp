// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/quick_clock.hpp"
#include "libperf/metrics/cells.hpp"
#include "libperf/metrics/log_histogram.hpp"

namespace perf::monitor {

/// What is counted of one kind of operation, such as one endpoint and method.
/// Thread safety: all members' methods.
struct TrackedCell {
  metrics::LogHistogram duration;  // all that ended
  metrics::Counter errors;         // of them
  metrics::Counter started;
  metrics::Counter cancelled;
  /// How many are under way. `started_before` was read before `ended`: those that both start and
  /// end in between make it too small, never negative.
  std::int64_t Active(std::uint64_t started_before, std::uint64_t ended) const noexcept {
    const std::uint64_t gone = ended + cancelled.Value();
    return started_before > gone ? static_cast<std::int64_t>(started_before - gone) : 0;
  }
};

/// Names one kind of operation, looked up once and used often: tracker.Requests().Handle(…).
/// Thread safety: a value. Lifetime: shorter than the tracker's.
class TrackedHandle {
 public:
  TrackedHandle() noexcept = default;
  explicit TrackedHandle(TrackedCell& cell) noexcept : cell_(&cell) {}
  TrackedCell* Cell() const noexcept { return cell_; }

 private:
  TrackedCell* cell_ = nullptr;
};

/// Times one operation from its making to its end, and counts it (track_request and the like).
///   auto scope = monitor.TrackRequest("/calls", "POST");
///   if (!ok) scope.SetError();
/// An operation that leaves by an exception is not an error by itself: call SetError where it is.
/// Cost: two looks at the thread's quick clock and three atomic additions; no lock, no allocation.
/// Thread safety: none; may be moved to another thread. Lifetime: shorter than the tracker's.
class TrackedScope {
 public:
  TrackedScope() noexcept = default;
  explicit TrackedScope(TrackedHandle handle) noexcept : TrackedScope(handle, QuickNow()) {}
  TrackedScope(TrackedHandle handle, TimePoint start) noexcept
      : cell_(handle.Cell()), start_(start) {
    if (cell_ != nullptr) cell_->started.Add();
  }
  TrackedScope(TrackedScope&& other) noexcept
      : cell_(std::exchange(other.cell_, nullptr)), start_(other.start_), error_(other.error_) {}
  TrackedScope& operator=(TrackedScope&& other) noexcept {
    if (this != &other) {
      End();
      cell_ = std::exchange(other.cell_, nullptr);
      start_ = other.start_;
      error_ = other.error_;
    }
    return *this;
  }
  ~TrackedScope() { End(); }

  void SetError(bool error = true) noexcept { error_ = error; }
  /// Ends it now; the destructor does nothing then.
  void End() noexcept {
    if (cell_ != nullptr) End(QuickNow());
  }
  void End(TimePoint now) noexcept {
    TrackedCell* const cell = std::exchange(cell_, nullptr);
    if (cell == nullptr) return;
    // This order: whoever reads errors first and the histogram second sees no more errors than
    // ends.
    cell->duration.Observe(now - start_);
    if (error_) cell->errors.Add();
  }
  /// It is not counted: as if it had not been.
  void Cancel() noexcept {
    if (cell_ != nullptr) cell_->cancelled.Add();
    cell_ = nullptr;
  }

 private:
  TrackedCell* cell_ = nullptr;
  TimePoint start_{};
  bool error_ = false;
};

}  // namespace perf::monitor
