// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/backends/raw_stream.hpp"
#include "tests/backends/real_servers.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;
using test::RawListener;
using test::RawStream;

template <typename Condition>
bool Until(Condition condition) {
  const Deadline deadline = test::Soon();
  while (!condition()) {
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string RandomBytes(std::size_t size, std::uint64_t seed) {
  Random random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next() >> 56);
  return bytes;
}

/// A server, a proxy before it, and one client that is through.
struct Bench {
  explicit Bench(const std::string& upstream = "127.0.0.1", const std::string& listen = "127.0.0.1",
                 std::size_t queue = 1 << 20)
      : server(upstream), proxy(Options(server.Address(), listen, queue)) {
    Join();
  }
  static FaultProxyOptions Options(const StreamAddress& upstream, const std::string& listen,
                                   std::size_t queue) {
    FaultProxyOptions options;
    options.upstream = upstream;
    options.listen = listen;
    options.queue_bytes = queue;
    return options;
  }
  void Join() {
    near.emplace_back(proxy.Address());
    REQUIRE(near.back().Error() == 0);
    far.push_back(server.Accept());
  }
  RawStream& Client() { return near.back(); }
  RawStream& Server() { return far.back(); }
  void SetDown(const StreamFault& fault) {
    Fault both;
    both.down = fault;
    proxy.Set(both);
  }
  void SetUp(const StreamFault& fault) {
    Fault both;
    both.up = fault;
    proxy.Set(both);
  }

  RawListener server;
  FaultProxy proxy;
  std::vector<RawStream> near;
  std::vector<RawStream> far;
};

StreamFault Harmed(Harm harm, std::uint64_t after = 0) {
  StreamFault fault;
  fault.harm = harm;
  fault.after = after;
  return fault;
}

/// Sends in one thread, receives in another.
void CheckCarries(RawStream& from, RawStream& to, const std::string& bytes) {
  std::jthread sender([&] {
    Random random(bytes.size());
    std::string_view left = bytes;
    while (!left.empty()) {
      const auto piece = static_cast<std::size_t>(random.Int(1, 200'000));
      if (!from.Send(left.substr(0, piece))) return;
      left.remove_prefix(std::min(piece, left.size()));
    }
  });
  const std::string got = to.Receive(bytes.size());
  CHECK(got.size() == bytes.size());
  CHECK((got == bytes));
}

std::string Scratch(const std::string& name) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("perfkit-" + std::to_string(::getpid()) + "-" + name);
  return path.string();
}

std::ptrdiff_t Descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

}  // namespace

TEST_CASE("fault proxy: without a fault every byte passes, both ways at once") {
  const std::string local = Scratch("up.sock");
  const std::string listen = Scratch("down.sock");
  for (const std::string& upstream : {std::string("127.0.0.1"), std::string("::1"), local}) {
    for (const std::string& where : {std::string("127.0.0.1"), std::string("::1"), listen}) {
      CAPTURE(upstream);
      CAPTURE(where);
      Bench bench(upstream, where, 100'000);
      const std::string up = RandomBytes(3'000'000, 1);
      const std::string down = RandomBytes(2'000'000, 2);
      {
        std::jthread other([&] { CheckCarries(bench.Server(), bench.Client(), down); });
        CheckCarries(bench.Client(), bench.Server(), up);
      }
      bench.Client().EndSending();
      CHECK(bench.Server().ReceiveAll().error == 0);
      CHECK(bench.Server().Send("last words"));
      bench.Server().Close();
      const RawStream::Rest rest = bench.Client().ReceiveAll();
      CHECK(rest.bytes == "last words");
      CHECK(rest.error == 0);
      CHECK(Until([&] { return bench.proxy.Counters().open == 0; }));
      CHECK(bench.proxy.Counters().bytes_up == up.size());
      CHECK(bench.proxy.Counters().bytes_down == down.size() + 10);
    }
  }
  CHECK_FALSE(std::filesystem::exists(listen));
}

TEST_CASE("fault proxy: latency in one direction or in both is never undercut") {
  Bench bench;
  StreamFault late;
  late.latency = 50ms;
  for (const bool up : {false, true}) {
    for (const bool down : {false, true}) {
      bench.proxy.Set({up ? late : StreamFault{}, down ? late : StreamFault{}});
      const TimePoint start = Clock::now();
      REQUIRE(bench.Client().Send("ping"));
      REQUIRE(bench.Server().Receive(4) == "ping");
      CHECK((!up || Clock::now() - start >= 50ms));
      REQUIRE(bench.Server().Send("pong"));
      REQUIRE(bench.Client().Receive(4) == "pong");
      CHECK(Clock::now() - start >= 50ms * (int{up} + int{down}));
    }
  }
}

TEST_CASE("fault proxy: jitter keeps the order") {
  Bench bench;
  StreamFault fault;
  fault.latency = 1ms;
  fault.jitter = 20ms;
  bench.SetDown(fault);
  const std::string bytes = RandomBytes(200'000, 3);
  std::jthread sender([&] {
    for (std::size_t i = 0; i < bytes.size(); i += 100) bench.Server().Send(bytes.substr(i, 100));
  });
  const std::string got = bench.Client().Receive(bytes.size());
  CHECK(got.size() == bytes.size());
  CHECK((got == bytes));
}

TEST_CASE("fault proxy: bandwidth and slow bytes take at least their time") {
  Bench bench;
  StreamFault narrow;
  narrow.bandwidth = 1'000'000;
  bench.SetDown(narrow);
  const std::string bytes = RandomBytes(200'000, 4);
  TimePoint start = Clock::now();
  CheckCarries(bench.Server(), bench.Client(), bytes);
  CHECK(Clock::now() - start >= 189ms);  // the first hundredth of a second's worth goes at once
  StreamFault slow;
  slow.per_byte = 5ms;
  bench.SetUp(slow);
  start = Clock::now();
  CheckCarries(bench.Client(), bench.Server(), "twenty bytes in all.");
  CHECK(Clock::now() - start >= 95ms);
}

TEST_CASE("fault proxy: a reset is seen as one, on both sides, by open and new connections") {
  Bench bench;
  bench.proxy.Strike(Harm::kReset);
  CHECK(bench.Client().ReceiveAll().error == ECONNRESET);
  CHECK(bench.Server().ReceiveAll().error == ECONNRESET);
  // Once is once.
  bench.Join();
  CheckCarries(bench.Client(), bench.Server(), "still there");
  bench.SetDown(Harmed(Harm::kReset));
  CHECK(bench.Client().ReceiveAll().error == ECONNRESET);
  RawStream fresh(bench.proxy.Address());
  CHECK(fresh.ReceiveAll().error == ECONNRESET);
  bench.proxy.Clear();
  bench.Join();
  CheckCarries(bench.Server(), bench.Client(), "well again");
  CHECK(bench.proxy.Counters().broken == 3);
}

TEST_CASE("fault proxy: a reset after so many bytes lets exactly these pass") {
  for (const std::size_t after : {1UL, 1000UL, 65'536UL, 300'000UL}) {
    CAPTURE(after);
    Bench bench;
    bench.SetDown(Harmed(Harm::kReset, after));
    const std::string bytes = RandomBytes(400'000, after);
    std::jthread sender([&] { bench.Server().Send(bytes); });
    const RawStream::Rest rest = bench.Client().ReceiveAll();
    CHECK(rest.error == ECONNRESET);
    CHECK(rest.bytes.size() == after);
    CHECK((rest.bytes == bytes.substr(0, after)));
  }
}

TEST_CASE("fault proxy: a closed and a half-closed connection") {
  Bench bench;
  bench.proxy.Strike(Harm::kHalfClose);
  CHECK(bench.Client().ReceiveAll().error == 0);
  CheckCarries(bench.Client(), bench.Server(), "the other direction goes on");
  bench.Server().Send("lost");
  bench.Client().Close();
  CHECK(bench.Server().ReceiveAll().error == 0);
  bench.Server().Close();
  CHECK(Until([&] { return bench.proxy.Counters().open == 0; }));

  bench.Join();
  bench.SetDown(Harmed(Harm::kHalfClose, 3));
  bench.Server().Send("abcdef");
  const RawStream::Rest rest = bench.Client().ReceiveAll();
  CHECK(rest.bytes == "abc");
  CHECK(rest.error == 0);
  CheckCarries(bench.Client(), bench.Server(), "up");

  bench.proxy.Clear();
  bench.Join();
  bench.proxy.Strike(Harm::kClose);
  CHECK(bench.Client().ReceiveAll().error == 0);
  CHECK(bench.Server().ReceiveAll().error == 0);
}

TEST_CASE("fault proxy: a black hole swallows, and new connections get no answer") {
  Bench bench;
  const Fault hole{Harmed(Harm::kBlackhole), Harmed(Harm::kBlackhole)};
  bench.proxy.Set(hole);
  REQUIRE(bench.Client().Send("swallowed"));
  RawStream talks(bench.proxy.Address());
  RawStream waits(bench.proxy.Address());
  CHECK(talks.Error() == 0);
  REQUIRE(talks.Send("hello?"));
  REQUIRE(Until([&] { return bench.proxy.Counters().accepted == 3; }));
  bench.proxy.Set(hole);  // when it returns, all that was sent before has been looked at
  CHECK_FALSE(bench.server.Pending());
  CHECK_FALSE(bench.Server().Readable());
  CHECK_FALSE(bench.Client().Readable());
  CHECK_FALSE(talks.Readable());
  CHECK(bench.proxy.Counters().bytes_up == 0);
  bench.proxy.Clear();
  // A stream with a hole is of no use any more; one that lost nothing goes on.
  CHECK(bench.Client().ReceiveAll().error == ECONNRESET);
  CHECK(talks.ReceiveAll().error == ECONNRESET);
  RawStream far = bench.server.Accept();
  CheckCarries(waits, far, "late but here");
}

TEST_CASE("fault proxy: a client that leaves a black hole leaves nothing behind") {
  Bench bench;
  bench.proxy.Set({Harmed(Harm::kBlackhole), Harmed(Harm::kBlackhole)});
  {
    const RawStream fresh(bench.proxy.Address());
    REQUIRE(Until([&] { return bench.proxy.Counters().open == 2; }));
  }
  CHECK(Until([&] { return bench.proxy.Counters().open == 1; }));
  bench.Client().Close();
  CHECK(bench.Server().ReceiveAll().error == 0);
  bench.Server().Close();
  CHECK(Until([&] { return bench.proxy.Counters().open == 0; }));
}

TEST_CASE("fault proxy: garbage has the length of what it replaces") {
  Bench bench;
  bench.SetDown(Harmed(Harm::kGarbage, 10));
  const std::string bytes(1000, 'x');
  bench.Server().Send(bytes);
  const std::string got = bench.Client().Receive(bytes.size());
  REQUIRE(got.size() == bytes.size());
  CHECK(got.substr(0, 10) == bytes.substr(0, 10));
  CHECK(got.substr(10) != bytes.substr(10));
  CheckCarries(bench.Client(), bench.Server(), bytes);
  bench.proxy.Clear();
  bench.proxy.Inject(7);
  CHECK(bench.Client().Receive(7).size() == 7);
  CheckCarries(bench.Server(), bench.Client(), bytes);
}

TEST_CASE("fault proxy: refuse closes the door, and the same door opens again") {
  const std::string path = Scratch("door.sock");
  for (const std::string& listen : {std::string("127.0.0.1"), std::string("::1"), path}) {
    CAPTURE(listen);
    Bench bench("127.0.0.1", listen);
    Fault refuse;
    refuse.refuse = true;
    for (int round = 0; round < 3; ++round) {
      bench.proxy.Set(refuse);
      CHECK(RawStream(bench.proxy.Address()).Error() == ECONNREFUSED);
      CheckCarries(bench.Client(), bench.Server(), "who is in stays in");
      bench.proxy.Clear();
      bench.Join();
      CheckCarries(bench.Server(), bench.Client(), "open again");
    }
  }
}

TEST_CASE("fault proxy: memory is bounded: a sender is not read from while much is held") {
  Bench bench("127.0.0.1", "127.0.0.1", 64 * 1024);
  StreamFault late;
  late.latency = 1h;
  bench.SetUp(late);
  const std::string piece(64 * 1024, 'x');
  std::size_t sent = 0;
  pollfd writable{bench.Client().Fd(), POLLOUT, 0};
  // Nobody tells that the pipe is full but the socket that takes no more for a while.
  while (sent < (std::size_t{64} << 20) && ::poll(&writable, 1, 200) == 1) {
    const ssize_t count =
        ::send(bench.Client().Fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
  CHECK(sent > 64 * 1024);
  CHECK(sent < (std::size_t{32} << 20));  // the buffers of two sockets, and the queue
  CHECK(bench.proxy.Counters().bytes_up == 0);
}

TEST_CASE("fault proxy: a reset by a peer is passed on") {
  Bench bench;
  CheckCarries(bench.Client(), bench.Server(), "hello");
  bench.Client().Reset();
  CHECK(bench.Server().ReceiveAll().error == ECONNRESET);
  bench.Join();
  CheckCarries(bench.Client(), bench.Server(), "hello");
  bench.Server().Reset();
  CHECK(bench.Client().ReceiveAll().error == ECONNRESET);
}

TEST_CASE("fault proxy: a server that is not there resets the client, and says why") {
  FaultProxyOptions options;
  options.upstream.host = "127.0.0.1";
  options.upstream.port = static_cast<std::uint16_t>(test::ClosedPort());
  FaultProxy proxy(options);
  RawStream client(proxy.Address());
  CHECK(client.ReceiveAll().error == ECONNRESET);
  REQUIRE(Until([&] { return proxy.Counters().open == 0; }));
  const FaultCounters counters = proxy.Counters();
  CHECK(counters.dial_failures == 1);
  CHECK(counters.last_dial_failure.find("refused") != std::string::npos);
  CHECK(counters.dialling == 0);
}

TEST_CASE("fault proxy: counts handshakes, those at once, and when they began") {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.Join();
  FaultCounters counters = bench.proxy.Counters();
  CHECK(counters.accepted == 5);
  CHECK(counters.open == 5);
  CHECK(counters.dialling == 5);
  for (int i = 0; i < 3; ++i) {
    CheckCarries(bench.far.at(static_cast<std::size_t>(i)),
                 bench.near.at(static_cast<std::size_t>(i)), "ready");
  }
  REQUIRE(Until([&] { return bench.proxy.Counters().dialling == 2; }));
  bench.near.at(3).Close();
  bench.far.at(3).Close();
  REQUIRE(Until([&] { return bench.proxy.Counters().open == 4; }));
  counters = bench.proxy.Counters();
  CHECK(counters.dialling == 1);
  CHECK(counters.most_dialling == 5);
  CHECK(counters.most_open == 5);
  std::uint64_t sum = 0;
  for (const std::uint32_t count : counters.dials) sum += count;
  CHECK(sum == 5);
  CHECK(counters.bucket == 100ms);
}

TEST_CASE("fault proxy: the end closes all, and no descriptor is left") {
  const std::ptrdiff_t before = Descriptors();
  {
    RawListener server;
    std::vector<RawStream> clients;
    {
      FaultProxyOptions options;
      options.upstream = server.Address();
      FaultProxy proxy(options);
      StreamFault late;
      late.latency = 1h;
      proxy.Set({late, late});
      for (int i = 0; i < 20; ++i) clients.emplace_back(proxy.Address());
      for (RawStream& client : clients) CHECK(client.Send("never delivered"));
      CHECK(Until([&] { return proxy.Counters().accepted == 20; }));
    }
    for (RawStream& client : clients) {
      const int error = client.ReceiveAll().error;
      CHECK((error == 0 || error == ECONNRESET));
    }
  }
  CHECK(Descriptors() == before);
}

TEST_CASE("fault proxy: listens on loopback and paths only, and takes nobody's path away") {
  FaultProxyOptions options;
  options.upstream.host = "127.0.0.1";
  options.upstream.port = 1;
  for (const char* listen : {"0.0.0.0", "::", "192.0.2.1", "localhost", "", "relative.sock"}) {
    CAPTURE(listen);
    options.listen = listen;
    CHECK_THROWS_AS(FaultProxy{options}, ConfigError);
  }
  options.listen = Scratch("taken");
  std::ofstream(options.listen) << "mine";
  CHECK_THROWS_AS(FaultProxy{options}, IoError);
  CHECK(std::filesystem::exists(options.listen));
  std::filesystem::remove(options.listen);
}

TEST_CASE("fault proxy: on a loop of somebody else") {
  RawListener server;
  EventLoop loop;
  FaultProxyOptions options;
  options.upstream = server.Address();
  auto proxy = std::make_unique<FaultProxy>(loop, options);
  std::jthread thread([&] { loop.Run(); });
  {
    RawStream client(proxy->Address());
    RawStream far = server.Accept();
    CheckCarries(client, far, "through");
    std::atomic<bool> set = false;
    loop.Post([&] {
      proxy->Strike(Harm::kReset);
      set = true;
    });
    CHECK(client.ReceiveAll().error == ECONNRESET);
    CHECK(Until([&] { return set.load(); }));
  }
  loop.Stop();
  thread.join();
  proxy.reset();
  CHECK(loop.Live() == 0);
}

}  // namespace perf::backends
