// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/fault_proxy_line.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/stream_dial.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// What is wrong between a client and its server. The default: nothing.
struct Fault {
  StreamFault up;       // to the server
  StreamFault down;     // from it
  bool refuse = false;  // nobody listens: new connections are refused, open ones go on
  friend bool operator==(const Fault&, const Fault&) = default;
};

struct FaultProxyOptions {
  StreamAddress upstream;
  /// "127.0.0.1", "::1" or another loopback address (the port is chosen by the system), or the
  /// path of a unix socket, which must not exist and is removed at the end.
  std::string listen = "127.0.0.1";
  std::uint64_t seed = 1;
  /// For each connection and direction; above it the sender is not read from.
  std::size_t queue_bytes = std::size_t{1} << 20;
  std::size_t max_connections = 10'000;  // more are closed as they come
  Duration connect_timeout = std::chrono::seconds(3);
  Duration bucket = std::chrono::milliseconds(100);  // of FaultCounters::dials
};

/// What a proxy has seen. Peaks count from its start.
struct FaultCounters {
  std::uint64_t accepted = 0;
  std::uint64_t open = 0;
  std::uint64_t most_open = 0;
  /// Accepted, and no byte of the server has reached them yet: handshakes under way.
  std::uint64_t dialling = 0;
  std::uint64_t most_dialling = 0;
  std::uint64_t dial_failures = 0;  // the server could not be reached; the client was reset
  std::string last_dial_failure;
  std::uint64_t broken = 0;      // ended by a fault
  std::uint64_t bytes_up = 0;    // handed to the server
  std::uint64_t bytes_down = 0;  // handed to clients
  TimePoint started{};
  Duration bucket{};
  /// Connections accepted in each bucket of time since `started`, up to the last one; where they
  /// would be over 4,096, `bucket` doubles.
  std::vector<std::uint32_t> dials;
};

/// Stands between clients and a server, both on TCP or unix sockets, and makes the network bad as
/// asked, at any time. Without a fault every byte passes as it came.
/// A real network delays a connection's begin, too; here the kernel accepts at once, and the
/// server's first reply is what comes late. A black hole swallows; where it ends, connections that
/// lost bytes are reset, for their streams have holes. On unix sockets a reset looks like an
/// orderly end: the kernel knows no other.
/// Thread safety: all methods from any thread, unless a loop was given: then, but for Counters, on
/// its thread only. Lifetime: a given loop outlives it; the destructor ends all connections.
class PERF_EXPORT FaultProxy {
 public:
  /// On a thread of its own. Throws: ConfigError for a `listen` that is neither loopback nor a
  /// path; IoError where it cannot listen.
  explicit FaultProxy(FaultProxyOptions options);
  /// On the given loop. Throws: as above.
  FaultProxy(EventLoop& loop, FaultProxyOptions options);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  /// Where clients connect to.
  const StreamAddress& Address() const noexcept;
  /// From now on, in place of what was; open connections included. In force on return.
  void Set(const Fault& fault);
  void Clear() { Set(Fault{}); }
  /// Once, to the connections open now: kReset, kClose or kHalfClose (of `down` only).
  void Strike(Harm how);
  /// So many random bytes to each client, as if the server had sent them.
  void Inject(std::size_t bytes);
  FaultCounters Counters() const;

 private:
  struct Own;
  void Do(std::function<void()> work);
  std::shared_ptr<class FaultCore> core_;
  std::unique_ptr<Own> own_;  // none on a given loop
};

}  // namespace perf::backends
