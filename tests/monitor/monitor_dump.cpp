// SPDX-License-Identifier: Apache-2.0
// Prints what a Monitor exports, for promtool and for the comparison with perfkit-metrics(7).
#include <unistd.h>

#include <cstdio>
#include <string>

#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/monitor.hpp"

int main(int argc, char**) {
  using namespace perf;
  monitor::Monitor monitor;
  monitor.System().SetProcess("parent", ::getppid());
  {
    const monitor::TrackedScope scope = monitor.Track().TrackRequest("/calls", "POST");
  }
  {
    const auto scope = monitor.Track().TrackDatabaseOperation("select", "guests");
  }
  {
    const auto scope = monitor.Track().TrackExternalCall("speech", "tts");
  }
  monitor.Track().UpdateQueueSize("calls", 3);
  monitor.Track().UpdateErrorRate("gateway", 0.5);
  monitor.Track().UpdateThroughput("turns", 12);
  monitor.Track().SetGauge("temperature", 20);
  monitor::WatchTarget target;
  target.name = "web";
  target.url = "http://127.0.0.1:1/";
  monitor.Targets().Add(target);
  metrics::ExpositionOptions options;
  options.all_buckets = argc > 2;  // as metrics_dump's "text all"
  const std::string text = metrics::Expose(monitor.Metrics().Gather(), options);
  std::fwrite(text.data(), 1, text.size(), stdout);
}
