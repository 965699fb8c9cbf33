// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/speech_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <string>
#include <thread>

#include "libperf/backends/http_server.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/json.hpp"
#include "tests/backends/raw_http.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// A speech server on a thread of its own.
class RunningServer {
 public:
  explicit RunningServer(const SpeechConfig& config = {})
      : listener_(ListenOnLoopback()),
        server_(config, listener_.descriptor),
        thread_([this] { server_.Run(); }) {}
  ~RunningServer() {
    server_.Stop();
    thread_.join();
  }
  std::uint16_t Port() const { return listener_.port; }

 private:
  Listener listener_;
  SpeechServer server_;
  std::thread thread_;
};

std::string Order(std::string_view text, std::string_view voice = "anna") {
  Json order = Json::MakeObject();
  order["text"] = text;
  order["lang"] = "en";
  order["voice"] = voice;
  return order.Dump();
}

/// The loudest sample of each character's 60 ms.
int QuietestPeak(const std::string& pcm) {
  int quietest = 32767;
  for (std::size_t at = 0; at + 2880 <= pcm.size(); at += 2880) {
    int peak = 0;
    for (std::size_t i = at; i < at + 2880; i += 2) {
      const auto low = static_cast<unsigned char>(pcm[i]);
      const auto high = static_cast<unsigned char>(pcm[i + 1]);
      peak = std::max(peak, std::abs(static_cast<std::int16_t>(low | high << 8)));
    }
    quietest = std::min(quietest, peak);
  }
  return quietest;
}

TEST_CASE("speech server: the length of the audio is that of the text") {
  RunningServer server;
  RawClient client(server.Port());
  const std::pair<const char*, std::size_t> cases[] = {{"a", 200 * 48},
                                                       {"abc", 200 * 48},
                                                       {"abcd", 240 * 48},
                                                       {"Welcome", 420 * 48},
                                                       {"Grüße, 世界", 9 * 60 * 48}};
  for (const auto& [text, bytes] : cases) {
    CAPTURE(text);
    const RawReply reply = client.Ask("POST", "/tts", Order(text));
    CHECK(reply.status == 200);
    CHECK(reply.fields.at("content-type") == "audio/L16;rate=24000;channels=1");
    CHECK(reply.fields.at("transfer-encoding") == "chunked");
    CHECK(reply.body.size() == bytes);
    CHECK(QuietestPeak(reply.body) > 3000);
  }
  const std::string longest(10000, 'x');
  CHECK(client.Ask("POST", "/tts", Order(longest)).body.size() == SpeechSamples(10000) * 2);
}

TEST_CASE("speech server: the same order gives the same bytes, another voice does not") {
  RunningServer server;
  RawClient client(server.Port());
  const std::string first = client.Ask("POST", "/tts", Order("Good morning")).body;
  CHECK(client.Ask("POST", "/tts", Order("Good morning")).body == first);
  CHECK(client.Ask("POST", "/tts", Order("Good morning", "bert")).body != first);
  CHECK(client.Ask("GET", "/tts?text=Good+morning&lang=en&voice=anna").body == first);
  CHECK(client.Ask("GET", "/tts?lang=en&voice=anna&text=Good%20morning").body == first);
}

TEST_CASE("speech server: a text that cannot be spoken is refused") {
  SpeechConfig config;
  config.max_text = 5;
  RunningServer server(config);
  RawClient client(server.Port());
  CHECK(client.Ask("POST", "/tts", Order("abcde")).status == 200);
  CHECK(client.Ask("POST", "/tts", Order("äöüäö")).status == 200);
  CHECK(client.Ask("POST", "/tts", Order("abcdef")).status == 400);
  for (const char* body : {"{", "[]", "{}", "{\"text\": 1}", "{\"text\": \"\"}", "\"text\""})
    CHECK(client.Ask("POST", "/tts", body).status == 400);
  CHECK(client.Ask("GET", "/tts").status == 400);
  CHECK(client.Ask("DELETE", "/tts").status == 405);
}

TEST_CASE("speech server: the first byte is never early, and others do not wait for it") {
  SpeechConfig config;
  config.first_byte = DelayModel::Parse("200ms");
  RunningServer server(config);
  RawClient slow(server.Port());
  RawClient quick(server.Port());
  const TimePoint start = Clock::now();
  slow.Send("GET /tts?text=Hello HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(quick.Ask("GET", "/health").body == "ok\n");
  Json stats = Json::Parse(quick.Ask("GET", "/stats").body);
  CHECK(stats.AtPointer("/requests/tts")->AsInt() == 1);
  CHECK(slow.Receive().body.size() == 300 * 48);
  CHECK(Clock::now() - start >= 200ms);
  const TimePoint later = Clock::now();
  CHECK(slow.Ask("GET", "/delay/50").status == 200);
  CHECK(Clock::now() - later >= 50ms);
}

TEST_CASE("speech server: paced audio comes in pieces of 20 ms, none before its time") {
  SpeechConfig config;
  config.pace = 4;
  RunningServer server(config);
  RawClient client(server.Port());
  const TimePoint start = Clock::now();
  const RawReply reply = client.Ask("POST", "/tts", Order("0123456789"));
  CHECK(Clock::now() - start >= 29 * 20ms / 4);  // the 30th piece follows 29 waits
  CHECK(reply.chunks.size() == 30);
  CHECK(std::all_of(reply.chunks.begin(), reply.chunks.end(), [](auto n) { return n == 960; }));
}

TEST_CASE("speech server: status, echo and health") {
  RunningServer server;
  RawClient client(server.Port());
  for (const int status : {200, 204, 304, 404, 418, 500, 503, 599})
    CHECK(client.Ask("GET", fmt::format("/status/{}", status)).status == status);
  for (const char* wrong : {"/status/199", "/status/600", "/status/x", "/status/", "/delay/-1",
                            "/delay/60001", "/delay/", "/nothing", "/"})
    CHECK(client.Ask("GET", wrong).status == 404);
  std::string binary;
  for (int i = 0; i < 1 << 20; ++i) binary += static_cast<char>(i * 7);
  const RawReply echo = client.Ask("PUT", "/echo?x=1", binary, "Content-Type: image/x\r\n");
  CHECK(echo.body == binary);
  CHECK(echo.fields.at("x-method") == "PUT");
  CHECK(echo.fields.at("content-type") == "image/x");
  CHECK(client.Ask("HEAD", "/health").fields.at("content-length") == "3");
  CHECK(client.Ask("HEAD", "/tts?text=x").fields.at("transfer-encoding") == "chunked");
  CHECK(client.Ask("GET", "/health").body == "ok\n");
}

TEST_CASE("speech server: connections stay or close as the client asks") {
  RunningServer server;
  RawClient kept(server.Port());
  kept.Send(
      "GET /status/201 HTTP/1.1\r\nHost: a\r\n\r\nGET /delay/20 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /tts?text=x HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n"
      "Connection: close\r\n\r\n");
  CHECK(kept.Receive().status == 201);
  CHECK(kept.Receive().body == "20\n");
  CHECK(kept.Receive().body.size() == 9600);
  const RawReply last = kept.Receive();
  CHECK(last.fields.at("connection") == "close");
  CHECK(kept.AtEnd());

  RawClient old(server.Port());
  old.Send("GET /tts?text=x HTTP/1.0\r\n\r\n");
  CHECK(old.Receive().body.size() == 9600);  // ended by the end of the connection
}

TEST_CASE("speech server: a client that asks first is told to continue") {
  RunningServer server;
  RawClient client(server.Port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(client.Receive().status == 100);
  client.Send("hi");
  CHECK(client.Receive().body == "hi");
}

TEST_CASE("speech server: bad requests get their status, then the end") {
  RunningServer server;
  const std::pair<std::string, int> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n" + std::string(5000, 'x'),
       413},
      {"GET / HTTP/1.1\r\nX: " + std::string(20000, 'x'), 431}};
  for (const auto& [text, status] : cases) {
    CAPTURE(text.substr(0, 40));
    RawClient client(server.Port());
    client.Send(text);
    const RawReply reply = client.Receive();
    CHECK(reply.status == status);
    CHECK(reply.fields.at("connection") == "close");
    CHECK(client.AtEnd());
  }
  RawClient client(server.Port());
  const Json stats = Json::Parse(client.Ask("GET", "/stats").body);
  CHECK(stats.AtPointer("/requests/bad")->AsInt() == 5);
}

TEST_CASE("speech server: many connections at once, each request counted once") {
  RunningServer server;
  std::deque<RawClient> clients;
  for (int i = 0; i < 300; ++i) clients.emplace_back(server.Port());
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients)
      client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nping");
    for (auto& client : clients) CHECK(client.Receive().body == "ping");
  }
  const Json stats = Json::Parse(clients.front().Ask("GET", "/stats").body);
  CHECK(stats.AtPointer("/connections/accepted")->AsInt() == 300);
  CHECK(stats.AtPointer("/connections/open")->AsInt() == 300);
  CHECK(stats.AtPointer("/requests/echo")->AsInt() == 900);
  CHECK(stats.AtPointer("/requests/total")->AsInt() == 901);
}

TEST_CASE("speech server: a client that leaves in mid-stream is forgotten") {
  SpeechConfig config;
  config.pace = 1;
  RunningServer server(config);
  RawClient watcher(server.Port());
  {
    RawClient leaver(server.Port());
    leaver.Send(
        "POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 22\r\n\r\n{\"text\": \"0123456789\"}");
    CHECK_FALSE(leaver.AtEnd());  // audio has begun
  }
  const Deadline deadline = Deadline::After(Clock::now(), 10s);
  std::int64_t open = 2;
  while (open != 1 && !deadline.Passed(Clock::now())) {
    watcher.Ask("GET", "/delay/10");
    open = Json::Parse(watcher.Ask("GET", "/stats").body).AtPointer("/connections/open")->AsInt();
  }
  CHECK(open == 1);
}

TEST_CASE("http server: clients that dawdle are closed") {
  const Listener listener = ListenOnLoopback();
  HttpServerLimits limits;
  limits.idle = 1ms;
  limits.request = 1ms;
  HttpServer server(
      listener.descriptor, [](const ServedRequest&, ServedReply& reply) { reply.body = "x"; },
      limits);
  std::thread thread([&server] { server.Run(); });
  {
    RawClient silent(listener.port);
    RawClient slow(listener.port);
    slow.Send("GET / HT");
    CHECK(silent.AtEnd());
    CHECK(slow.AtEnd());
  }
  server.Stop();
  thread.join();
  CHECK(server.Counters().expired == 2);
}

}  // namespace
}  // namespace perf::backends
