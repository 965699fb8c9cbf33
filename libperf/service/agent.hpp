// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/service/agent_config.hpp"
#include "libperf/service/life_cycle.hpp"
#include "libperf/service/runtime.hpp"

namespace perf::service {

/// What `perfctl serve` runs: pools to the targets that are named, a cache, audio streams, and the
/// runtime that shows and operates them, started in the order of their needs.
/// Targets that are down are no reason not to start: they are shown, and tried again.
/// Thread safety: all but SampledAt and Listening from one thread.
class PERF_EXPORT Agent {
 public:
  explicit Agent(AgentConfig config, std::string name = {});
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Throws: Error as LifeCycle::Start; ConfigError, OutputError for what cannot work.
  void Start(Deadline deadline);
  StopReport Stop(Deadline deadline);
  /// Takes what may change while it runs (the tokens); `who` is for the audit log. Returns the keys
  /// of settings that differ but wait for a restart. Throws: ConfigError; then nothing has changed.
  std::vector<std::string> Reload(AgentConfig config, const std::string& who);

  const std::string& Socket() const noexcept;
  std::optional<Address> Listening() const noexcept;
  TimePoint SampledAt() const noexcept;
  /// One line, for the service manager.
  std::string Status() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::service
