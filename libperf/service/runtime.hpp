// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/audio/memory_optimizer.hpp"
#include "libperf/backends/pool_manager.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/cache_manager.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/report/status.hpp"
#include "libperf/service/address.hpp"
#include "libperf/service/audit.hpp"
#include "libperf/service/front.hpp"
#include "libperf/service/health.hpp"

namespace perf::service {

struct RuntimeOptions {
  std::string name;               // shown; empty: "KIND-PID"
  std::string kind = "program";   // "agent", "run" or "program"; also of the socket's name
  std::string run_directory;      // empty: RunDirectory::Place
  std::optional<Address> listen;  // TCP beside the unix socket
  std::string certificate, key;   // PEM; TLS on `listen`
  std::string tokens;             // file; empty: nobody may change anything over TCP
  std::string audit;  // file; empty: in $XDG_STATE_HOME/perfkit, without a home in run_directory
  std::uint64_t audit_max_bytes = 16U << 20U;
  Duration sample_every = std::chrono::seconds(1);
  FrontLimits limits;
  metrics::Registry* registry = nullptr;  // to show instead of one of its own; outlives it
};

/// What a program embeds to be watched and operated like any agent: a registry of metrics, the
/// pools, caches and streams that it is given, and a socket in the run directory where `perfctl`
/// finds it. One thread samples, some serve; none of them is in the way of pools or caches.
/// Thread safety: Attach, On… and Start from one thread, in this order; the rest from any thread.
/// Lifetime: borrows what is attached.
class PERF_EXPORT Runtime {
 public:
  /// Called with each sample in the sampler's thread; a throw is logged and makes the agent DOWN.
  using Sampled = std::function<void(WallTime wall, TimePoint now)>;
  using Alerts = std::function<Json()>;  // {alerts: […], …}
  using AlertRows = std::function<std::vector<report::StatusAlert>()>;
  using MoreRows = std::function<std::vector<report::StatusRow>()>;
  using History = std::function<Reply(const Request&)>;

  /// Opens audit log and token file. Throws: ConfigError, OutputError.
  explicit Runtime(RuntimeOptions options = {});
  ~Runtime();  // Stop, for at most 5 s
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  metrics::Registry& Registry() noexcept;
  HealthBoard& Health() noexcept;
  AuditLog& Audit() noexcept;

  /// Shows and operates it; its metrics are registered. A PoolManager was started before.
  void Attach(backends::PoolManager& manager);
  void Attach(cache::CacheManager& manager);
  void Attach(audio::AudioMemoryOptimizer& optimizer);

  void OnSample(Sampled sampled);
  void OnAlerts(Alerts alerts, AlertRows rows);
  void OnRows(MoreRows rows);
  void OnHistory(History history);
  /// A file that is served, such as the page: its text lives as long as the runtime.
  void Page(std::string path, std::string content_type, std::string_view text,
            std::vector<std::pair<std::string, std::string>> fields = {});

  /// Takes the first sample, then opens the sockets. Throws: ConfigError, IoError.
  void Start();
  /// Lets replies under way be taken, for at most so long. False: not all were.
  bool Stop(Deadline deadline);
  /// Reads the token file again. Throws: ConfigError; then the old tokens stay.
  void Reload();

  const std::string& Socket() const noexcept;         // after Start
  std::optional<Address> Listening() const noexcept;  // with its port
  FrontCounters Requests() const noexcept;
  /// When the newest sample was complete.
  TimePoint SampledAt() const noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::service
