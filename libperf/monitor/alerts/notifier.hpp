// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// Who is told. Kinds: `alertmanager` (POST URL/api/v2/alerts), `webhook` (POST URL, JSON of schema
/// perfkit.notification/1), `command` (that JSON on its standard input, no shell, an environment of
/// PATH only, its output on our standard error), `log`.
struct Receiver {
  enum class Kind : std::uint8_t { kAlertmanager, kWebhook, kCommand, kLog };
  std::string name;
  Kind kind = Kind::kLog;
  std::string url;                                           // secret parts never come out again
  std::vector<std::pair<std::string, std::string>> headers;  // a token, say
  std::vector<std::string> command;                          // program (a path) and arguments
  Level least = Level::kInfo;                                // lower levels are not told
  bool resolved = true;                                      // whether the end is told, too
  Duration timeout = std::chrono::seconds(10);
  /// To Alertmanager 1 min unless set, as long as an alert fires (it forgets otherwise) and as an
  /// engine keeps it when resolved; to others 4 h unless set, a reminder of what still fires.
  Duration resend = Duration::zero();
};

inline constexpr std::size_t kMostReceivers = 32;

/// Reads a list of receivers; problems go to `diagnostics`.
PERF_EXPORT std::vector<Receiver> ParseReceivers(const config::Node& list,
                                                 config::Diagnostics& diagnostics);

struct NotifierOptions {
  std::string generator_url{};  // of this agent's page; `?alert=NAME` is added
  Duration first_backoff = std::chrono::seconds(1);
  Duration longest_backoff = std::chrono::minutes(5);
  std::size_t most_alerts = 500;  // in one message
  std::uint64_t seed = 0;         // of the jitter; 0: another one each time
};

struct ReceiverCounts {
  std::string name;
  std::uint64_t sent = 0;     // messages that were taken
  std::uint64_t failed = 0;   // attempts that were not
  std::uint64_t dropped = 0;  // alerts that found no room in a message; they come with the next
  std::size_t waiting = 0;    // alerts to be told
  std::string last_error;     // without secrets; empty after a success
};

/// Tells receivers of alerts, from a thread of its own, one message at a time for each receiver: on
/// each change at once, and again each `resend`. Failures are tried again after a backoff that
/// doubles, with jitter. Who was told of an alert is told of its end, also when it is hidden then.
/// Thread safety: all methods. Lifetime: the destructor ends what is under way; Drain waits for it.
class PERF_EXPORT Notifier {
 public:
  /// Throws: ConfigError for a receiver that cannot work.
  explicit Notifier(std::vector<Receiver> receivers, NotifierOptions options = {});
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// What Engine::Alerts gave after an evaluation; does not block. Hidden ones are left out.
  void Update(std::vector<Alert> alerts, WallTime now);
  /// Waits until all that is to be told was tried once; whether nothing waits.
  bool Drain(Deadline deadline);
  std::vector<ReceiverCounts> Counts() const;
  /// perfkit_alert_notifications_total{receiver,result}.
  void AddMetrics(metrics::Collection& collection) const;

 private:
  struct Channel;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::monitor::alerts
