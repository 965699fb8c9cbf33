// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <unordered_set>

#include "libperf/base/clock.hpp"
#include "libperf/service/front.hpp"
#include "libperf/service/message.hpp"

namespace boost::asio::ssl {
class context;
}

namespace perf::service {

/// A connection of a Front, as its keeper sees it.
/// Thread safety: none; the front's thread.
struct Session {
  explicit Session(boost::asio::generic::stream_protocol::socket connected)
      : socket(std::move(connected)) {}
  enum class Phase : std::uint8_t { kIdle, kReading, kWorking, kWriting };

  void Enter(Phase next, TimePoint now, Duration within) noexcept {
    phase = next;
    since = now;
    limit = Saturated(now, within);
  }
  /// Whether the next move is the client's and nothing of value is lost with it.
  bool Waits() const noexcept { return phase == Phase::kIdle || phase == Phase::kReading; }
  void Close() noexcept;

  boost::asio::generic::stream_protocol::socket socket;
  Peer peer;
  Phase phase = Phase::kReading;
  TimePoint since{};
  TimePoint limit = TimePoint::max();
};

/// What all sessions share.
struct FrontShared {
  Front::Handler handler;
  FrontLimits limits;
  Front::Refused refused;
  boost::asio::io_context context{1};
  boost::asio::thread_pool workers;
  std::unordered_set<std::shared_ptr<Session>> sessions;
  bool draining = false;  // the front's thread only
  std::atomic<std::uint64_t> accepted{0}, open{0}, requests{0}, bad{0}, expired{0}, shed{0};

  FrontShared(Front::Handler the_handler, FrontLimits the_limits, Front::Refused the_refused)
      : handler(std::move(the_handler)),
        limits(the_limits),
        refused(std::move(the_refused)),
        workers(limits.workers) {}
};

/// Serves a connection to its end; `tls` nullptr: in the clear. Puts it into `sessions` meanwhile.
void Serve(FrontShared& shared, std::shared_ptr<Session> session, boost::asio::ssl::context* tls);

}  // namespace perf::service
