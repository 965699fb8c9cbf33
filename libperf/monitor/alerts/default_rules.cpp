// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "libperf/monitor/alerts/rule.hpp"

namespace perf::monitor::alerts {
namespace {

// CRITICAL pages somebody, so it is for what callers feel; causes are warnings. What must be told
// within 15 s has short windows and holds.
constexpr std::string_view kPools = R"(
  - name: PerfkitPoolSaturated
    expr: sum without (state) (perfkit_pool_connections{state="used"}) / perfkit_pool_connections_max
    unit: ratio
    warning: {enter: ">= 90%", for: 30s}
    critical: {enter: ">= 100%", clear: 95%, for: 5s, where: perfkit_pool_pending_requests > 0}
    labels: {area: pools}
    annotations:
      summary: Pool {{ $labels.pool }} lends {{ $value }} of its connections
      description: Requests wait. See whether connections are held too long (perfctl pools), or raise its maximum.
  - name: PerfkitPoolWaitHigh
    expr: histogram_quantile(0.99, rate(perfkit_pool_connection_wait_seconds[1m]))
    unit: seconds
    where: rate(perfkit_pool_connection_wait_seconds_count[1m]) > 0
    warning: "> 100ms"
    critical: "> 1s"
    for: 30s
    labels: {area: pools}
    annotations:
      summary: One in a hundred requests waits {{ $value }} for pool {{ $labels.pool }}
      description: The pool is too small for its load, or its connections are held too long.
  - name: PerfkitPoolTimeouts
    expr: rate(perfkit_pool_timeouts_total[1m])
    unit: per_second
    warning: "> 0"
    critical: "> 1/s"
    keep_firing_for: 1m
    labels: {area: pools}
    annotations:
      summary: Requests for pool {{ $labels.pool }} give up, {{ $value }}
      description: Nobody gave a connection back before the acquire timeout.
  - name: PerfkitPoolConnectFailing
    expr: rate(perfkit_pool_connection_failures_total[1m])
    unit: per_second
    warning: "> 0"
    keep_firing_for: 1m
    labels: {area: pools}
    annotations:
      summary: Connections of pool {{ $labels.pool }} cannot be established, {{ $value }}
      description: The server refuses, or does not answer.
  - name: PerfkitPoolBreakerOpen
    expr: sum without (state) (perfkit_pool_breaker_state{state="open"})
    warning: ">= 1"
    labels: {area: pools}
    annotations:
      summary: The circuit breaker of pool {{ $labels.pool }} is open
      description: Too many calls failed or were slow; calls are refused until trial calls succeed.
  - name: PerfkitPoolLeaksSuspected
    expr: increase(perfkit_pool_suspected_leaks_total[10m])
    info: "> 0"
    labels: {area: pools}
    annotations:
      summary: Connections of pool {{ $labels.pool }} are held longer than allowed
)";

constexpr std::string_view kCaches = R"(
  - name: PerfkitCacheHitRatioLow
    expr: >-
      1 - sum without (result) (increase(perfkit_cache_requests_total{tier="l1",result="miss"}[30s]))
      / sum without (result) (increase(perfkit_cache_requests_total{tier="l1"}[30s]))
    unit: ratio
    where: sum without (result) (increase(perfkit_cache_requests_total{tier="l1"}[30s])) >= 100
    warning: "< 70%"
    keep_firing_for: 1m
    labels: {area: caches}
    annotations:
      summary: Cache {{ $labels.cache }} answers only {{ $value }} of its look-ups
      description: It is too small, was emptied, or its keys have changed.
  - name: PerfkitCacheEvictionStorm
    expr: sum without (reason) (rate(perfkit_cache_evictions_total{reason="size"}[1m])) / perfkit_cache_entries
    unit: ratio
    where: perfkit_cache_entries > 100
    warning: "> 10%"
    for: 1m
    labels: {area: caches}
    annotations:
      summary: Cache {{ $labels.cache }} replaces {{ $value }} of its entries each second
      description: Entries go before they can be used again. It is too small for what is put into it.
  - name: PerfkitCacheTierDown
    expr: perfkit_cache_tier_up
    warning: "< 1"
    for: 5s
    labels: {area: caches}
    annotations:
      summary: The second tier of cache {{ $labels.cache }} does not answer
      description: The cache goes on with its memory alone.
  - name: PerfkitCacheLoadsFailing
    expr: sum without (result) (rate(perfkit_cache_loads_total{result="error"}[1m])) / sum without (result) (rate(perfkit_cache_loads_total[1m]))
    unit: ratio
    where: sum without (result) (rate(perfkit_cache_loads_total[1m])) > 0
    warning: "> 5%"
    critical: "> 50%"
    labels: {area: caches}
    annotations:
      summary: "{{ $value }} of the loads of cache {{ $labels.cache }} fail"
)";

constexpr std::string_view kAudio = R"(
  - name: PerfkitAudioUnderruns
    expr: >-
      rate(perfkit_audio_underrun_frames_total[30s]) / (rate(perfkit_audio_underrun_frames_total[30s])
      + sum without (direction) (rate(perfkit_audio_frames_total{direction="out"}[30s])))
    unit: ratio
    where: >-
      rate(perfkit_audio_underrun_frames_total[30s])
      + sum without (direction) (rate(perfkit_audio_frames_total{direction="out"}[30s])) > 0
    warning: "> 0.1%"
    critical: "> 1%"
    keep_firing_for: 30s
    labels: {area: audio}
    annotations:
      summary: "{{ $value }} of the audio frames were missing when they were due"
      description: Listeners hear gaps. The network or the producer is late, or the buffers are too short.
  - name: PerfkitAudioOverruns
    expr: rate(perfkit_audio_overrun_frames_total[30s])
    unit: per_second
    warning: "> 0"
    keep_firing_for: 30s
    labels: {area: audio}
    annotations:
      summary: Audio frames found no room, {{ $value }}
  - name: PerfkitAudioMemoryHigh
    expr: sum without (state) (perfkit_audio_memory_bytes{state="reserved"}) / perfkit_audio_limit_bytes
    unit: ratio
    where: perfkit_audio_limit_bytes > 0
    warning: ">= 90%"
    for: 15s
    labels: {area: audio}
    annotations:
      summary: Streams hold {{ $value }} of the memory for audio
      description: New streams will be refused.
  - name: PerfkitAudioSpillFailing
    expr: sum without (result) (perfkit_audio_spilled_blocks{result="no_space"})
    warning: "> 0"
    labels: {area: audio}
    annotations:
      summary: Waiting audio finds no room on disk
)";

constexpr std::string_view kSystem = R"(
  - name: PerfkitMemoryHigh
    expr: process_resident_memory_bytes
    unit: bytes
    warning: {{enter: "> {memory:.0f}", for: 5s}}
    labels: {{area: system}}
    annotations:
      summary: The process holds {{{{ $value }}}} of memory
  - name: PerfkitProcessMemoryHigh
    expr: perfkit_process_resident_memory_bytes
    unit: bytes
    warning: {{enter: "> {memory:.0f}", for: 5s}}
    labels: {{area: system}}
    annotations:
      summary: "{{{{ $labels.process }}}} holds {{{{ $value }}}} of memory"
  - name: PerfkitCpuHigh
    expr: >-
      sum without (mode) (rate(perfkit_system_cpu_seconds_total{{mode!="idle",mode!="iowait"}}[1m]))
      / sum without (mode) (rate(perfkit_system_cpu_seconds_total[1m]))
    unit: ratio
    warning: "> {cpu}"
    for: 30s
    labels: {{area: system}}
    annotations:
      summary: The processors are busy {{{{ $value }}}} of the time
  - name: PerfkitSystemMemoryLow
    expr: perfkit_system_memory_available_bytes / perfkit_system_memory_size_bytes
    unit: ratio
    warning: "< 10%"
    for: 15s
    labels: {{area: system}}
    annotations:
      summary: Only {{{{ $value }}}} of the machine's memory is available
  - name: PerfkitDiskFull
    expr: 1 - perfkit_system_filesystem_available_bytes / perfkit_system_filesystem_size_bytes
    unit: ratio
    where: perfkit_system_filesystem_size_bytes > 0
    warning: {{enter: "> 90%", clear: 88%}}
    critical: {{enter: "> 97%", clear: 96%}}
    labels: {{area: system}}
    annotations:
      summary: "{{{{ $labels.mount }}}} is full to {{{{ $value }}}}"
  - name: PerfkitOpenFilesHigh
    expr: process_open_fds / process_max_fds
    unit: ratio
    warning: "> 80%"
    labels: {{area: system}}
    annotations:
      summary: The process has {{{{ $value }}}} of the files open that it may open
      description: Connections will fail with "too many open files". Raise the limit (ulimit -n).
)";

constexpr std::string_view kWatched = R"(
  - name: PerfkitRequestsFailing
    expr: sum without (result) (rate(perfkit_requests_total{result="error"}[1m])) / sum without (result) (rate(perfkit_requests_total[1m]))
    unit: ratio
    where: sum without (result) (rate(perfkit_requests_total[1m])) > 0.1
    warning: "> 1%"
    critical: "> 5%"
    for: 5s
    labels: {area: load}
    annotations:
      summary: "{{ $value }} of the requests to {{ $labels.method }} {{ $labels.endpoint }} fail"
  - name: PerfkitTargetDown
    expr: perfkit_target_up
    critical: "< 1"
    labels: {area: targets}
    annotations:
      summary: "{{ $labels.kind }} target {{ $labels.target }} does not answer"
  - name: PerfkitProcessDown
    expr: perfkit_process_up
    critical: "< 1"
    labels: {area: targets}
    annotations:
      summary: The process {{ $labels.process }} is gone
  - name: PerfkitHistoryWriteFailing
    expr: increase(perfkit_history_write_failures_total[1m])
    warning: "> 0"
    labels: {area: agent}
    annotations:
      summary: History cannot be written
      description: The disk is full or refuses. Oldest data is dropped; serving goes on.
  - name: PerfkitCollectorFailing
    expr: perfkit_collector_success
    warning: "< 1"
    for: 15s
    labels: {area: agent}
    annotations:
      summary: Metrics of {{ $labels.collector }} cannot be collected
)";

constexpr std::string_view kInhibit = R"(
inhibit:
  - {source: {severity: critical}, target: {severity: warning}, equal: [pool, backend]}
  - {source: {severity: critical}, target: {severity: warning}, equal: [cache]}
  - {source: {alertname: PerfkitPoolBreakerOpen}, target: {alertname: PerfkitPoolConnectFailing}, equal: [pool, backend]}
)";

}  // namespace

std::string DefaultRulesText(const DefaultLimits& limits) {
  std::string text = "# The rules that perfkit brings along; see perfkit-alerts(5).\nrules:";
  text += kPools;
  text += kCaches.substr(1);
  text += kAudio.substr(1);
  // The leading line break of the first part ends "rules:".
  text += fmt::format(fmt::runtime(kSystem.substr(1)), fmt::arg("memory", limits.memory_bytes),
                      fmt::arg("cpu", limits.cpu_ratio));
  text += kWatched.substr(1);
  text += kInhibit;
  return text;
}

RuleSet DefaultRules(const DefaultLimits& limits) {
  return ParseRulesText("default rules", DefaultRulesText(limits));
}

}  // namespace perf::monitor::alerts
