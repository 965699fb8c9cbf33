// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/tracking/tracked_scope.hpp"

namespace perf::monitor {

struct TrackerOptions {
  /// Most series of each metric; what comes later has the label value `other` and is counted in
  /// perfkit_tracking_overflows_total. A series of requests takes 1.2 KiB.
  std::size_t max_series = 200;
};

/// All operations of one kind added together, since the start.
struct OperationTotals {
  metrics::HistogramSnapshot duration;  // its count: all that ended
  std::uint64_t errors = 0;
  std::int64_t active = 0;
};

/// What an application tells of itself: requests, database operations, calls of other services,
/// queues, error rates, throughput, gauges of its own.
/// The Track… functions find their cell by name without a lock, or take a handle that was found
/// before. All names are label values: closed sets, never an id or a URL with one.
/// Thread safety: all methods. Lifetime: outlives its scopes and handles, and the Registration.
class PERF_EXPORT RequestTracker {
 public:
  explicit RequestTracker(TrackerOptions options = {});
  ~RequestTracker();
  RequestTracker(const RequestTracker&) = delete;
  RequestTracker& operator=(const RequestTracker&) = delete;

  /// track_request: perfkit_request_duration_seconds{endpoint,method} and kin.
  TrackedHandle Request(std::string_view endpoint, std::string_view method);
  TrackedScope TrackRequest(std::string_view endpoint, std::string_view method) {
    return TrackedScope(Request(endpoint, method));
  }
  /// track_database_operation: perfkit_database_operation_duration_seconds{operation,table}.
  TrackedHandle DatabaseOperation(std::string_view operation, std::string_view table);
  TrackedScope TrackDatabaseOperation(std::string_view operation, std::string_view table) {
    return TrackedScope(DatabaseOperation(operation, table));
  }
  /// perfkit_external_call_duration_seconds{service,operation}.
  TrackedHandle ExternalCall(std::string_view service, std::string_view operation);
  TrackedScope TrackExternalCall(std::string_view service, std::string_view operation) {
    return TrackedScope(ExternalCall(service, operation));
  }

  /// update_queue_size: how many wait in a queue now; the most since the start is kept too.
  void UpdateQueueSize(std::string_view queue, double size);
  /// update_error_rate: a share, 0 to 1, that the application measures itself.
  void UpdateErrorRate(std::string_view source, double ratio);
  /// update_throughput: operations a second that the application measures itself.
  void UpdateThroughput(std::string_view operation, double per_second);
  /// Any other value, as perfkit_application_value{name}.
  void SetGauge(std::string_view name, double value);

  OperationTotals Requests() const;
  OperationTotals DatabaseOperations() const;
  OperationTotals ExternalCalls() const;

  /// Collector "tracking"; perfkit-metrics(7), APPLICATION, lists its families.
  [[nodiscard]] metrics::Registry::Registration RegisterMetrics(metrics::Registry& registry);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perf::monitor
