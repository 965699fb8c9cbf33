// SPDX-License-Identifier: Apache-2.0
// Metrics that somebody else's server sent: whatever is read is bounded, and what was understood
// can be written again and read back.
#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/watch/exposition_text.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perf;
  using fuzz::Require;
  if (size == 0) return 0;
  const bool open = (data[0] & 1) != 0;
  const std::string_view text = fuzz::Text(data + 1, size - 1);
  monitor::ExpositionLimits limits;
  limits.series = 2000;
  const monitor::ParsedExposition parsed = monitor::ParseExposition(text, open, limits);
  Require(parsed.error.empty() || parsed.snapshot.families.empty(), "half a scrape is none");
  std::size_t samples = 0;
  for (const metrics::FamilySnapshot& family : parsed.snapshot.families) {
    for (const metrics::Sample& sample : family.samples) {
      ++samples;
      Require(sample.labels.size() <= limits.labels, "labels are bounded");
      Require(!sample.histogram ||
                  sample.histogram->counts.size() == sample.histogram->buckets.Bounds() + 1,
              "a histogram has a count for each bucket");
    }
  }
  Require(samples <= parsed.series, "nothing is made up");
  limits.series = limits.bytes = std::size_t{1} << 30;
  limits.label_bytes *= 4;  // bytes that were not UTF-8 take three
  ++limits.labels;          // le
  const std::string written = metrics::Expose(parsed.snapshot);
  Require(monitor::ParseExposition(written, false, limits).error.empty(), "it reads what we write");
  metrics::MetricsSnapshot merged = parsed.snapshot;
  monitor::MergeSnapshot(merged, parsed.snapshot, "target", "x");
  return 0;
}
