// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/poller.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <utility>

namespace perf::backends {
namespace {

struct SocketPair {
  SocketPair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0); }
  ~SocketPair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  void Write() const { REQUIRE(::write(ends[1], "x", 1) == 1); }
  int Fd() const { return ends[0]; }
  std::array<int, 2> ends{};
};

struct Counter final : Poller::Watcher {
  explicit Counter(std::function<void()> then = [] {}) : on_event(std::move(then)) {}
  void OnEvents(std::uint32_t events) override {
    ++seen;
    last = events;
    on_event();
  }
  std::function<void()> on_event;
  int seen = 0;
  std::uint32_t last = 0;
};

}  // namespace

TEST_CASE("poller: a socket stays registered and tells each edge once") {
  Poller poller;
  const SocketPair pair;
  Counter counter;
  REQUIRE(poller.Add(pair.Fd(), EPOLLIN | EPOLLET, counter));
  CHECK_FALSE(poller.Add(pair.Fd(), EPOLLIN, counter));
  poller.Poll(Duration::zero());
  CHECK(counter.seen == 0);
  pair.Write();
  poller.Poll(Duration::zero());
  CHECK(counter.seen == 1);
  CHECK((counter.last & EPOLLIN) != 0);
  poller.Poll(Duration::zero());
  CHECK(counter.seen == 1);
  pair.Write();
  poller.Poll(Duration::zero());
  CHECK(counter.seen == 2);
  // What was not read is told again when asked for.
  REQUIRE(poller.Change(pair.Fd(), EPOLLIN | EPOLLET, counter));
  poller.Poll(Duration::zero());
  CHECK(counter.seen == 3);
  poller.Remove(pair.Fd(), counter);
  pair.Write();
  poller.Poll(Duration::zero());
  CHECK(counter.seen == 3);
}

TEST_CASE("poller: level-triggered sockets are told until they are read") {
  Poller poller;
  const SocketPair pair;
  Counter counter;
  char byte = 0;
  counter.on_event = [&] {
    if (counter.seen == 3) REQUIRE(::read(pair.Fd(), &byte, 1) == 1);
  };
  REQUIRE(poller.Add(pair.Fd(), EPOLLIN, counter));
  pair.Write();
  while (poller.Poll(Duration::zero()) > 0) continue;
  CHECK(counter.seen == 3);
  poller.Remove(pair.Fd(), counter);
}

TEST_CASE("poller: a watcher removed by another one of the same batch hears nothing") {
  Poller poller;
  const SocketPair pairs[2];
  std::unique_ptr<Counter> counters[2];
  int told = 0;
  for (int i = 0; i < 2; ++i) {
    counters[i] = std::make_unique<Counter>([&, other = 1 - i] {
      ++told;
      poller.Remove(pairs[other].Fd(), *counters[other]);
      counters[other].reset();
    });
    REQUIRE(poller.Add(pairs[i].Fd(), EPOLLIN | EPOLLET, *counters[i]));
  }
  pairs[0].Write();
  pairs[1].Write();
  poller.Poll(Duration::zero());
  CHECK(told == 1);
}

TEST_CASE("poller: more ready sockets than one batch holds") {
  Poller poller;
  const SocketPair pairs[300];
  Counter counter;
  for (const SocketPair& pair : pairs) {
    REQUIRE(poller.Add(pair.Fd(), EPOLLIN | EPOLLET, counter));
    pair.Write();
  }
  std::size_t delivered = 0;
  while (const std::size_t batch = poller.Poll(Duration::zero())) delivered += batch;
  CHECK(delivered == 300);
  CHECK(counter.seen == 300);
}

}  // namespace perf::backends
