// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "libperf/backends/poller.hpp"

namespace perf::backends {

/// Asio beside the loop's own set: the set is one of its descriptors, so that a sleep in Asio
/// ends with either.
/// Thread safety: none; belongs to its loop's thread.
struct AsioBridge {
  explicit AsioBridge(Poller& the_poller)
      : poller(the_poller), guard(boost::asio::make_work_guard(context)), set(context) {
    set.assign(poller.Descriptor());
    Watch();
  }
  ~AsioBridge() { set.release(); }
  AsioBridge(const AsioBridge&) = delete;
  AsioBridge& operator=(const AsioBridge&) = delete;
  void Watch() {
    set.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [this](const boost::system::error_code& error) {
                     if (error) return;
                     poller.Poll(Duration::zero());
                     // Asks for an edge of the whole set: told at once if more is ready.
                     Watch();
                   });
  }
  Poller& poller;
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
  boost::asio::posix::stream_descriptor set;
};

}  // namespace perf::backends
