// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fd_watch.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "watchdog.hpp"

namespace perf::backends {
namespace {

/// Reads one byte each time it is called, and asks for the next on another turn, as a connection
/// does whose next statement comes later.
struct Reader {
  Reader() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0); }
  ~Reader() {
    watch.Release();
    ::close(ends[0]);
  }
  void OnReadable() {
    char byte;
    const auto got = ::recv(ends[0], &byte, 1, 0);
    if (got > 0) {
      ++bytes;
      loop.Soon([this] { watch.AwaitReadable(); });
    } else {
      ended = got == 0;
      loop.Stop();
    }
  }
  EventLoop loop;
  std::array<int, 2> ends{};
  FdWatch watch{loop, [](void* self) { static_cast<Reader*>(self)->OnReadable(); }, [](void*) {},
                this};
  int bytes = 0;
  bool ended = false;
};

}  // namespace

TEST_CASE("fd watch: the end that came along with the last data is told to who asks later") {
  Reader reader;
  test::Watchdog watchdog(reader.loop);
  reader.watch.Assign(reader.ends[0]);
  reader.watch.AwaitReadable();
  REQUIRE(::send(reader.ends[1], "x", 1, 0) == 1);
  ::close(reader.ends[1]);
  reader.loop.Run();
  CHECK_FALSE(watchdog.Bitten());
  CHECK(reader.bytes == 1);
  CHECK(reader.ended);
}

}  // namespace perf::backends
