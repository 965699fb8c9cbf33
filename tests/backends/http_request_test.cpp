// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_request.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace perf::backends {
namespace {

using State = RequestReader::State;

int StatusOf(std::string_view text) {
  RequestReader reader;
  return reader.Read(text) == State::kBad ? reader.BadStatus() : 0;
}

TEST_CASE("http request: a request is read whole, whatever the pieces it comes in") {
  const std::string text =
      "POST /tts?lang=de HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Content-Length: 5\r\n\r\nhelloGET /next";
  const std::size_t own = text.size() - 9;
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    CAPTURE(cut);
    RequestReader reader;
    // Another buffer each time: as when the session's grows.
    const std::string part = text.substr(0, cut);
    const State state = reader.Read(part);
    CHECK(state == (cut < own ? (cut < own - 5 ? State::kHead : State::kBody) : State::kDone));
    if (state != State::kDone) REQUIRE(reader.Read(text) == State::kDone);
    CHECK(reader.Consumed() == own);
    CHECK(reader.Request().body == "hello");
    if (cut >= own) continue;  // its views point into `part`
    CHECK(reader.Request().method == "POST");
    CHECK(reader.Request().path == "/tts");
    CHECK(reader.Request().query == "lang=de");
    CHECK(reader.Request().content_type == "application/json");
    CHECK(reader.Request().keep_alive);
  }
}

TEST_CASE("http request: chunks are joined, extensions and trailers dropped") {
  const std::string text =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\nA\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\nrest";
  for (std::size_t cut = 1; cut + 4 < text.size(); ++cut) {
    CAPTURE(cut);
    RequestReader reader;
    const std::string part = text.substr(0, cut);
    REQUIRE(reader.Read(part) != State::kBad);
    REQUIRE(reader.Read(text) == State::kDone);
    CHECK(reader.Request().body == "hello, world!!!");
    CHECK(text.substr(reader.Consumed()) == "rest");
  }
}

TEST_CASE("http request: empty lines before it are skipped, wherever they are cut") {
  const std::string text = "\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
  RequestReader reader;
  for (std::size_t end = 1; end < text.size(); ++end) {
    CAPTURE(end);
    REQUIRE(reader.Read(std::string_view(text).substr(0, end)) == State::kHead);
  }
  REQUIRE(reader.Read(text) == State::kDone);
  CHECK(reader.Request().path == "/x");
}

TEST_CASE("http request: whether the connection stays") {
  const auto keeps = [](std::string_view text) {
    RequestReader reader;
    REQUIRE(reader.Read(text) == State::kDone);
    return reader.Request().keep_alive;
  };
  CHECK(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  CHECK(keeps("\r\nGET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"));
}

TEST_CASE("http request: an expectation is told once, and only while the body is missing") {
  RequestReader reader;
  const std::string head =
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  CHECK(reader.Read(head) == State::kBody);
  CHECK(reader.TakeExpectation());
  CHECK_FALSE(reader.TakeExpectation());
  RequestReader whole;
  const std::string text = head + "ab";
  CHECK(whole.Read(text) == State::kDone);
  CHECK_FALSE(whole.TakeExpectation());
}

TEST_CASE("http request: what is wrong is refused with the status that says so") {
  const std::string host = "Host: a\r\n";
  CHECK(StatusOf("GET /\r\n\r\n") == 400);
  CHECK(StatusOf("GET  HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(StatusOf("GET / x HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(StatusOf("G(T / HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(StatusOf("GET nowhere HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + host + "\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + " folded\r\n\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + "Name : x\r\n\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + "X: a\nb\r\n\r\n") == 400);
  CHECK(StatusOf("GET / HTTP/2.0\r\n" + host + "\r\n") == 505);
  CHECK(StatusOf("GET / HTTP/1.1x\r\n" + host + "\r\n") == 400);
  for (const char* length : {"-1", "+1", "1x", "", "0x10", "99999999999999999999", "1, 1"}) {
    CAPTURE(length);
    CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + "Content-Length: " + length + "\r\n\r\n") == 400);
  }
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n") ==
        400);
  CHECK(StatusOf("GET / HTTP/1.1\r\n" + host + "Content-Length: 1048577\r\n\r\n") == 413);
  const std::string chunked = "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n";
  CHECK(StatusOf(chunked + "Content-Length: 1\r\n\r\n") == 400);
  CHECK(StatusOf("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n") == 501);
  CHECK(StatusOf(chunked + "\r\nx\r\n") == 400);
  CHECK(StatusOf(chunked + "\r\n-1\r\n") == 400);
  CHECK(StatusOf(chunked + "\r\n1\r\nab\r\n") == 400);
  CHECK(StatusOf(chunked + "\r\nFFFFFFFFFFFFFFFF\r\n") == 413);
  CHECK(StatusOf(chunked + "\r\n100001\r\n") == 413);
  CHECK(StatusOf(chunked + "\r\n" + std::string(300, '1')) == 400);
  CHECK(StatusOf("GET / HTTP/1.1\r\nX: " + std::string(kMaxServedHead, 'x')) == 431);
  CHECK(StatusOf("GET /" + std::string(kMaxServedHead - 100, 'x')) == 0);
}

}  // namespace
}  // namespace perf::backends
