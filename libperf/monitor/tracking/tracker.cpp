// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/tracking/tracker.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "libperf/monitor/tracking/bounded_series.hpp"

namespace perf::monitor {
namespace {

using metrics::FamilySpec;
using metrics::Labels;
using metrics::Type;

using Operations = BoundedSeries<TrackedCell>;
using Gauges = BoundedSeries<metrics::Gauge>;

struct QueueCell {
  metrics::Gauge size;
  metrics::Gauge peak;  // since the start: a scraper's window is not that of another one
};
using Queues = BoundedSeries<QueueCell>;

/// What one kind of operation exports.
struct OperationNames {
  FamilySpec total, duration, active;
  const char* first;  // labels
  const char* second;
};

const OperationNames& RequestNames() {
  static const OperationNames names{
      {"perfkit_requests_total", "Requests that ended, by result.", Type::kCounter, "", false},
      {"perfkit_request_duration_seconds", "Time that requests took.", Type::kHistogram, "seconds",
       false},
      {"perfkit_requests_active", "Requests under way.", Type::kGauge, "", false},
      "endpoint",
      "method"};
  return names;
}

const OperationNames& DatabaseNames() {
  static const OperationNames names{
      {"perfkit_database_operations_total", "Database operations that ended, by result.",
       Type::kCounter, "", false},
      {"perfkit_database_operation_duration_seconds", "Time that database operations took.",
       Type::kHistogram, "seconds", false},
      {"perfkit_database_operations_active", "Database operations under way.", Type::kGauge, "",
       false},
      "operation",
      "table"};
  return names;
}

const OperationNames& CallNames() {
  static const OperationNames names{
      {"perfkit_external_calls_total", "Calls of other services that ended, by result.",
       Type::kCounter, "", false},
      {"perfkit_external_call_duration_seconds", "Time that calls of other services took.",
       Type::kHistogram, "seconds", false},
      {"perfkit_external_calls_active", "Calls of other services under way.", Type::kGauge, "",
       false},
      "service",
      "operation"};
  return names;
}

void AddOperations(const Operations& operations, const OperationNames& names,
                   metrics::Collection& collection) {
  operations.ForEach(
      [&](const std::string& first, const std::string& second, const TrackedCell& cell) {
        const Labels labels{{names.first, first}, {names.second, second}};
        const std::uint64_t errors = cell.errors.Value();  // before the histogram: see TrackedScope
        const std::uint64_t started = cell.started.Value();
        metrics::HistogramSnapshot duration = cell.duration.Snapshot();
        const std::uint64_t ended = std::max(duration.Count(), errors);
        Labels ok = labels;
        ok.emplace_back("result", "ok");
        Labels error = labels;
        error.emplace_back("result", "error");
        collection.Value(names.total, std::move(ok), static_cast<double>(ended - errors));
        collection.Value(names.total, std::move(error), static_cast<double>(errors));
        collection.Value(names.active, labels,
                         static_cast<double>(cell.Active(started, duration.Count())));
        collection.Histogram(names.duration, labels, std::move(duration));
      });
}

void AddGauges(const Gauges& gauges, const FamilySpec& spec, const char* label,
               metrics::Collection& collection) {
  gauges.ForEach([&](const std::string& name, const std::string&, const metrics::Gauge& cell) {
    collection.Value(spec, {{label, name}}, cell.Value());
  });
}

OperationTotals TotalsOf(const Operations& operations) {
  OperationTotals totals;
  totals.duration = metrics::LogHistogram().Snapshot();
  operations.ForEach([&](const std::string&, const std::string&, const TrackedCell& cell) {
    totals.errors += cell.errors.Value();
    const std::uint64_t started = cell.started.Value();
    const metrics::HistogramSnapshot one = cell.duration.Snapshot();
    totals.active += cell.Active(started, one.Count());
    for (std::size_t i = 0; i < one.counts.size(); ++i) totals.duration.counts[i] += one.counts[i];
    totals.duration.sum += one.sum;
  });
  return totals;
}

}  // namespace

struct RequestTracker::State {
  explicit State(std::size_t most)
      : requests(most),
        database(most),
        calls(most),
        queues(most, 1),
        error_ratios(most, 1),
        throughput(most, 1),
        values(most, 1) {}
  void Collect(metrics::Collection& collection);

  Operations requests, database, calls;
  Queues queues;
  Gauges error_ratios, throughput, values;
};

void RequestTracker::State::Collect(metrics::Collection& collection) {
  static const FamilySpec kQueue{"perfkit_queue_size", "How many wait in the queue.", Type::kGauge,
                                 "", false};
  static const FamilySpec kPeak{"perfkit_queue_size_peak",
                                "Most that waited in the queue since the start.", Type::kGauge, "",
                                false};
  static const FamilySpec kErrors{"perfkit_application_error_ratio",
                                  "Share of failures as the application measures it.", Type::kGauge,
                                  "ratio", false};
  static const FamilySpec kThroughput{"perfkit_application_throughput_per_second",
                                      "Operations a second as the application measures them.",
                                      Type::kGauge, "", false};
  static const FamilySpec kValue{"perfkit_application_value", "Values that the application sets.",
                                 Type::kGauge, "", false};
  static const FamilySpec kOverflows{"perfkit_tracking_overflows_total",
                                     "Times that a metric had no room for another series.",
                                     Type::kCounter, "", false};
  AddOperations(requests, RequestNames(), collection);
  AddOperations(database, DatabaseNames(), collection);
  AddOperations(calls, CallNames(), collection);
  queues.ForEach([&](const std::string& name, const std::string&, const QueueCell& cell) {
    collection.Value(kQueue, {{"queue", name}}, cell.size.Value());
    collection.Value(kPeak, {{"queue", name}}, cell.peak.Value());
  });
  AddGauges(error_ratios, kErrors, "source", collection);
  AddGauges(throughput, kThroughput, "operation", collection);
  AddGauges(values, kValue, "name", collection);
  const std::pair<const char*, std::uint64_t> overflows[] = {
      {"request", requests.Overflowed()},
      {"database_operation", database.Overflowed()},
      {"external_call", calls.Overflowed()},
      {"queue", queues.Overflowed()},
      {"error_ratio", error_ratios.Overflowed()},
      {"throughput", throughput.Overflowed()},
      {"value", values.Overflowed()}};
  for (const auto& [metric, count] : overflows) {
    collection.Value(kOverflows, {{"metric", metric}}, static_cast<double>(count));
  }
}

RequestTracker::RequestTracker(TrackerOptions options)
    : state_(std::make_unique<State>(options.max_series)) {}

RequestTracker::~RequestTracker() = default;

TrackedHandle RequestTracker::Request(std::string_view endpoint, std::string_view method) {
  return TrackedHandle(state_->requests.Find(endpoint, method));
}

TrackedHandle RequestTracker::DatabaseOperation(std::string_view operation,
                                                std::string_view table) {
  return TrackedHandle(state_->database.Find(operation, table));
}

TrackedHandle RequestTracker::ExternalCall(std::string_view service, std::string_view operation) {
  return TrackedHandle(state_->calls.Find(service, operation));
}

void RequestTracker::UpdateQueueSize(std::string_view queue, double size) {
  QueueCell& cell = state_->queues.Find(queue);
  cell.size.Set(size);
  cell.peak.SetMax(size);
}

void RequestTracker::UpdateErrorRate(std::string_view source, double ratio) {
  state_->error_ratios.Find(source).Set(ratio);
}

void RequestTracker::UpdateThroughput(std::string_view operation, double per_second) {
  state_->throughput.Find(operation).Set(per_second);
}

void RequestTracker::SetGauge(std::string_view name, double value) {
  state_->values.Find(name).Set(value);
}

OperationTotals RequestTracker::Requests() const { return TotalsOf(state_->requests); }
OperationTotals RequestTracker::DatabaseOperations() const { return TotalsOf(state_->database); }
OperationTotals RequestTracker::ExternalCalls() const { return TotalsOf(state_->calls); }

metrics::Registry::Registration RequestTracker::RegisterMetrics(metrics::Registry& registry) {
  return registry.Collect(
      "tracking", [state = state_.get()](metrics::Collection& each) { state->Collect(each); });
}

}  // namespace perf::monitor
