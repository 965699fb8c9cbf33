// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/message.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <string>

#include "libperf/service/address.hpp"
#include "libperf/service/gzip.hpp"

namespace perf::service {
namespace {

std::string Field(const Reply& reply, std::string_view name) {
  std::string found;
  for (const auto& [field, value] : reply.fields) {
    if (field == name) found = value;
  }
  return found;
}

std::string Unzipped(const std::string& packed) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string text(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

TEST_CASE("message: tricks with paths are no paths") {
  for (const char* good :
       {"/", "/metrics", "/performance/metrics/history?metric=a%2Fb&step=1m", "/a.css", "/a_b-c"}) {
    Request request;
    CHECK(TakeTarget(good, request));
  }
  for (const char* bad : {"",
                          "*",
                          "metrics",
                          "http://127.0.0.1/metrics",
                          "//metrics",
                          "/a//b",
                          "/../etc/passwd",
                          "/a/../b",
                          "/./a",
                          "/a/.",
                          "/..",
                          "/a..b",
                          "/%2e%2e/x",
                          "/metrics%00",
                          "/a\\b",
                          "/a b",
                          "/a;b",
                          "/\xc3\xa4",
                          "/a#b",
                          "/a?x=\n",
                          "/a?\x80",
                          "/.git"}) {
    Request request;
    CAPTURE(bad);
    CHECK_FALSE(TakeTarget(bad, request));
  }
  Request request;
  CHECK_FALSE(TakeTarget("/" + std::string(2048, 'a'), request));
}

TEST_CASE("message: parameters are decoded") {
  Request request;
  REQUIRE(TakeTarget("/x?metric=a%2Fb+c&empty=&flag&metric=z", request));
  CHECK(request.path == "/x");
  CHECK(request.Parameter("metric") == "a/b c");
  CHECK(request.Parameter("empty") == "");
  CHECK(request.Parameter("flag") == "");
  CHECK_FALSE(request.Parameter("none"));
}

TEST_CASE("message: an answer that has not changed is not sent again") {
  Request request;
  request.method = "GET";
  Json body = Json::MakeObject();
  body["a"] = 1;
  Reply first = JsonReply(body);
  Finish(request, first);
  const std::string tag = Field(first, "ETag");
  CHECK(tag.size() == 18);
  CHECK(Field(first, "Cache-Control") == "no-cache");
  CHECK(Field(first, "Vary") == "Accept-Encoding");
  for (const std::string& list : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    request.fields = {{"if-none-match", list}};
    Reply again = JsonReply(body);
    Finish(request, again);
    CHECK(again.status == 304);
    CHECK(again.body->empty());
    CHECK(Field(again, "ETag") == tag);
  }
  body["a"] = 2;
  Reply changed = JsonReply(body);
  Finish(request, changed);
  request.fields = {{"if-none-match", tag}};
  Reply other = JsonReply(body);
  Finish(request, other);
  CHECK(other.status == 200);
  // Neither errors nor what a POST gave are kept by anybody.
  Reply problem = Problem(404, "no such thing");
  Finish(request, problem);
  CHECK(Field(problem, "ETag").empty());
  CHECK(Field(problem, "Cache-Control") == "no-store");
}

TEST_CASE("message: gzip where it is welcome and pays, under a tag of its own") {
  const std::string text(5000, 'x');
  const auto reply_to = [&](const char* accepted, const std::string& body) {
    Request request;
    request.method = "GET";
    if (*accepted != '\0') request.fields = {{"accept-encoding", accepted}};
    Reply reply;
    reply.body = std::make_shared<const std::string>(body);
    Finish(request, reply);
    return reply;
  };
  for (const char* yes : {"gzip", "br, gzip;q=0.1", "GZIP", "*", "deflate,gzip"}) {
    const Reply reply = reply_to(yes, text);
    CHECK(Field(reply, "Content-Encoding") == "gzip");
    CHECK(Unzipped(*reply.body) == text);
  }
  for (const char* no : {"", "br", "gzip;q=0", "gzip; q=0.0", "identity"}) {
    CHECK(Field(reply_to(no, text), "Content-Encoding").empty());
  }
  CHECK(Field(reply_to("gzip", "short"), "Content-Encoding").empty());
  CHECK(Field(reply_to("gzip", text), "ETag") != Field(reply_to("", text), "ETag"));
  CHECK(Unzipped(Gzip("")) == "");
}

TEST_CASE("message: errors are problem+json") {
  const Reply reply = Problem(404, "there is no '/x'");
  CHECK(reply.content_type == "application/problem+json");
  CHECK(*reply.body ==
        R"({"type":"about:blank","title":"Not Found","status":404,"detail":"there is no '/x'"})"
        "\n");
}

TEST_CASE("address: numeric, with a port") {
  struct Row {
    const char* text;
    const char* host;
    int port;
    bool loopback;
  };
  for (const Row& row : {Row{"127.0.0.1:9464", "127.0.0.1", 9464, true},
                         {"localhost:0", "127.0.0.1", 0, true},
                         {"[::1]:80", "::1", 80, true},
                         {"0.0.0.0:65535", "0.0.0.0", 65535, false},
                         {"[::]:1", "::", 1, false},
                         {"192.168.1.2:1", "192.168.1.2", 1, false}}) {
    const auto address = ParseAddress(row.text);
    REQUIRE(address);
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
    CHECK(address->loopback == row.loopback);
    CHECK(ParseAddress(Text(*address))->host == row.host);
  }
  for (const char* bad :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "example.org:80", "::1:80", "[127.0.0.1]:80", "[]:80", "1.2.3:80", ":80"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParseAddress(bad));
  }
}

}  // namespace
}  // namespace perf::service
