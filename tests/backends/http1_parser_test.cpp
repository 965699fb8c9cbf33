// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http1_parser.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perf::backends {
namespace {

struct Outcome {
  bool failed = false;
  bool finished = false;
  bool keep_alive = false;
  int status = 0;
  std::uint64_t body_bytes = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
  std::size_t used = 0;
  std::string error;
};

/// Pushes `bytes` in two parts cut at `cut`, then ends the stream where `end` says so.
Outcome Read(Http1Parser& parser, bool with_fields, std::string_view bytes, bool end, bool to_head,
             std::size_t cut) {
  Outcome outcome;
  Http1Parser::Sink sink;
  if (with_fields) sink.fields = &outcome.fields;
  sink.body = &outcome.body;
  sink.max_body = 1 << 20;
  parser.Start(to_head, sink);
  const std::string_view first = bytes.substr(0, cut);
  outcome.used = parser.Feed(first);
  if (!parser.Finished()) {
    CHECK(outcome.used == first.size());
    outcome.used += parser.Feed(bytes.substr(first.size()));
  }
  if (end && !parser.Finished()) parser.FeedEnd();
  outcome.failed = parser.Failed();
  outcome.finished = parser.Finished();
  outcome.keep_alive = parser.KeepAlive();
  outcome.status = parser.Status();
  outcome.body_bytes = parser.BodyBytes();
  outcome.error = parser.Error();
  return outcome;
}

/// A reply means the same when its head was read before: as the first one of a connection, after
/// the reply to a HEAD, and when it comes again whole.
Outcome Parse(std::string_view bytes, bool end = false, bool to_head = false,
              std::size_t cut = std::string_view::npos) {
  Http1Parser parser;
  const Outcome outcome = Read(parser, true, bytes, end, to_head, cut);
  Read(parser, false, bytes, end, !to_head, std::string_view::npos);
  for (int i = 0; i < 2; ++i) {
    const std::size_t next_cut = i == 0 ? std::string_view::npos : cut;
    const Outcome again = Read(parser, false, bytes, end, to_head, next_cut);
    CHECK(again.failed == outcome.failed);
    CHECK(again.finished == outcome.finished);
    CHECK(again.keep_alive == outcome.keep_alive);
    CHECK(again.status == outcome.status);
    CHECK(again.body == outcome.body);
    CHECK(again.body_bytes == outcome.body_bytes);
    // A head that cannot be good is given up at its first piece, and its excerpt is shorter then.
    if (!outcome.failed) CHECK(again.used == outcome.used);
    CHECK(again.error.empty() == outcome.error.empty());
  }
  return outcome;
}

void CheckGood(std::string_view bytes, std::string_view body, bool keep_alive, bool end = false) {
  CAPTURE(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    const Outcome outcome = Parse(bytes, end, false, cut);
    REQUIRE_MESSAGE(!outcome.failed, outcome.error);
    REQUIRE(outcome.finished);
    REQUIRE(outcome.body == body);
    REQUIRE(outcome.body_bytes == body.size());
    REQUIRE(outcome.keep_alive == keep_alive);
    REQUIRE(outcome.used == bytes.size());
  }
}

void CheckBad(std::string_view bytes) {
  CAPTURE(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    const Outcome outcome = Parse(bytes, false, false, cut);
    REQUIRE(outcome.failed);
    REQUIRE_FALSE(outcome.error.empty());
    REQUIRE(outcome.error.size() <= 400);
    REQUIRE_FALSE(outcome.keep_alive);
  }
}

std::string Head(std::string_view fields) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n\r\n";
}

}  // namespace

TEST_CASE("http1: good replies, cut anywhere") {
  CheckGood("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true);
  CheckGood("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello", true);
  CheckGood("HTTP/1.1 200 \r\ncontent-length:5\t\r\n\r\nhello", "hello", true);
  CheckGood("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", true);
  CheckGood("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello", "hello",
            true);
  CheckGood("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false);
  CheckGood("HTTP/1.1 200 OK\r\nConnection: a , Close\r\nContent-Length: 2\r\n\r\nok", "ok", false);
  CheckGood("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false);
  CheckGood("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", "ok", true);
  CheckGood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 ;x=\"y\"\r\nhello\r\n0\r\n\r\n",
            "hello", true);
  CheckGood("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00aB\r\n" +
                std::string(0xab, 'z') + "\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n",
            std::string(0xab, 'z'), true);
  CheckGood("HTTP/1.1 204 None\r\nContent-Length: 7\r\n\r\n", "", true);
  CheckGood("HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n", "", true);
  CheckGood(
      "HTTP/1.1 100 Go on\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
      "2\r\n\r\nok",
      "ok", true);
  CheckGood("HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", false, true);
}

TEST_CASE("http1: bad replies, cut anywhere") {
  CheckBad("SSH-2.0-x\r\n");
  CheckBad("\r\nHTTP/1.1 200 OK\r\n\r\n");
  CheckBad("HTTP/2 200 OK\r\n\r\n");
  CheckBad("HTTP/1.1 99 OK\r\n\r\n");
  CheckBad("HTTP/1.1 2000 OK\r\n\r\n");
  CheckBad("HTTP/1.1  200 OK\r\n\r\n");
  CheckBad("HTTP/1.1 200 a\rb\r\n\r\n");
  CheckBad("HTTP/1.1 101 Switching\r\n\r\n");
  CheckBad(Head("Content-Length: -1"));
  CheckBad(Head("Content-Length: +1"));
  CheckBad(Head("Content-Length: 1 2"));
  CheckBad(Head("Content-Length: 0x10"));
  CheckBad(Head("Content-Length:"));
  CheckBad(Head("Content-Length: 9223372036854775808"));
  CheckBad(Head("Content-Length: 5\r\nContent-Length: 6"));
  CheckBad(Head("Content-Length: 5, 6"));
  CheckBad(Head("Content-Length: 5\r\nTransfer-Encoding: chunked"));
  CheckBad(Head("Transfer-Encoding: gzip, chunked"));
  CheckBad(Head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"));
  CheckBad(Head("Transfer-Encoding: identity"));
  CheckBad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  CheckBad(Head("X: a\r\n folded"));
  CheckBad(Head("X : a"));
  CheckBad(Head(": a"));
  CheckBad(Head("no colon"));
  CheckBad(Head("X: a\rb"));
  CheckBad(Head(std::string_view("X: a\0b", 6)));
  const std::string chunked = Head("Transfer-Encoding: chunked");
  CheckBad(chunked + "\r\n");
  CheckBad(chunked + "g\r\n");
  CheckBad(chunked + "-1\r\n");
  CheckBad(chunked + "5 5\r\n");
  CheckBad(chunked + "ffffffffffffffff\r\n");
  CheckBad(chunked + "2\r\nabc\r\n");
  CheckBad(chunked + "0\r\n bad: trailer\r\n\r\n");
}

TEST_CASE("http1: a reply to HEAD has no body, whatever it says") {
  const std::string bytes = Head("Content-Length: 5") + "HTTP";
  const Outcome outcome = Parse(bytes, false, true);
  CHECK(outcome.finished);
  CHECK(outcome.keep_alive);
  CHECK(outcome.used == bytes.size() - 4);
}

TEST_CASE("http1: bytes behind the reply are left") {
  const std::string bytes = Head("Content-Length: 2") + "okHTTP/1.1 200 OK\r\n";
  const Outcome outcome = Parse(bytes);
  CHECK(outcome.finished);
  CHECK(outcome.body == "ok");
  CHECK(outcome.used == bytes.size() - 17);
}

TEST_CASE("http1: fields are kept as received, without those of interim replies") {
  const Outcome outcome =
      Parse("HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" +
            Head("X-One:  1 \r\nX-Nil:\r\nTransfer-Encoding: chunked") + "0\r\nX-Last: 2\r\n\r\n");
  REQUIRE(outcome.fields.size() == 4);
  CHECK(outcome.fields[0] == std::pair<std::string, std::string>("X-One", "1"));
  CHECK(outcome.fields[1] == std::pair<std::string, std::string>("X-Nil", ""));
  CHECK(outcome.fields[3] == std::pair<std::string, std::string>("X-Last", "2"));
}

TEST_CASE("http1: an early end says how far it came") {
  CHECK(Parse("", true).error == "closed by peer before reply");
  CHECK(Parse("HTTP/1.1 200 OK\r\n", true).error == "closed by peer within the head");
  CHECK(Parse(Head("Content-Length: 9") + "four", true).error ==
        "closed by peer after 4 of 9 body bytes");
  const Outcome cut = Parse(Head("Transfer-Encoding: chunked") + "4\r\nfour\r\n", true);
  CHECK(cut.failed);
  CHECK(cut.body_bytes == 4);
}

TEST_CASE("http1: limits hold, at the limit and one past it") {
  const std::string line(16 * 1024 - 4, 'v');  // "X:", the value, CR LF
  CHECK_FALSE(Parse(Head("X:" + line + "\r\nContent-Length: 0")).failed);
  CHECK(Parse(Head("X:" + line + "v")).failed);
  CHECK(Parse("HTTP/1.1 200 OK\r\nX:" + line + "vvv").failed);  // without its end

  std::string fields;
  for (int i = 0; i < 999; ++i) fields += "X: 1\r\n";
  CHECK_FALSE(Parse(Head(fields + "Content-Length: 0")).failed);
  CHECK(Parse(Head(fields + "Y: 2\r\nContent-Length: 0")).failed);

  std::string head;
  for (int i = 0; i < 17; ++i) head += "X:" + line + "\r\n";
  CHECK(Parse(Head(head)).failed);

  std::string interim;
  for (int i = 0; i < 16; ++i) interim += "HTTP/1.1 100 Go on\r\n\r\n";
  CHECK_FALSE(Parse(interim + Head("Content-Length: 0")).failed);
  CHECK(Parse(interim + "HTTP/1.1 100 Go on\r\n\r\n").failed);
}

TEST_CASE("http1: a body longer than what is kept is counted on") {
  std::string body;
  Http1Parser parser;
  Http1Parser::Sink sink;
  sink.body = &body;
  sink.max_body = 3;
  for (int i = 0; i < 2; ++i) {
    body.clear();
    parser.Start(false, sink);
    parser.Feed(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n");
    CHECK(parser.KeepAlive());
    CHECK(body == "abc");
    CHECK(parser.BodyBytes() == 6);
  }
}

}  // namespace perf::backends
