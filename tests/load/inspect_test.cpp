// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/inspect.hpp"

#include <doctest/doctest.h>
#include <libpq-fe.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

/// One step of a scenario, and what its captures found.
struct Bench {
  Bench(const std::string& action, const std::string& more)
      : scenario(test::Parsed(R"(
targets:
  web: {kind: http, url: "http://127.0.0.1:9"}
  db: {kind: postgres, url: "host=/tmp"}
  kv: {kind: redis, url: "unix:///tmp/x"}
load: [{flow: f, users: 1, iterations: 1}]
flows:
  f:
    - )" + action + "\n      " +
                              more + "\n")),
        values(scenario.symbols.Slots()) {}
  const Step& Only() const { return *Requests(scenario.flows[0])[0]; }
  template <typename Reply>
  backends::Failure Look(const Reply& reply) {
    values.assign(8, Json());
    return Inspect(Only(), reply, values);
  }
  const Json& Captured(const std::string& name) const {
    for (const Capture& capture : Only().captures) {
      if (capture.name == name) return values.at(capture.slot);
    }
    FAIL("no capture " << name);
    return values.front();
  }
  Scenario scenario;
  std::vector<Json> values;
};

Bench Http(const std::string& more) { return {"http: {target: web, path: /}", more}; }
Bench Sql(const std::string& more) { return {"sql: {target: db, query: select 1}", more}; }
Bench Redis(const std::string& more) { return {"redis: {target: kv, command: [GET, a]}", more}; }

backends::HttpReply HttpSays(int status, std::string body = "") {
  backends::HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  reply.headers = {{"Content-Type", "application/json"}, {"X-Token", "id=42; path=/"}};
  reply.timing.sent = TimePoint{1h};
  reply.timing.first_byte = TimePoint{1h + 20ms};
  reply.timing.done = TimePoint{1h + 50ms};
  return reply;
}

/// Rows as libpq would have read them.
void Fill(backends::SqlReply& reply, std::vector<std::string> columns,
          const std::vector<std::vector<std::optional<std::string>>>& rows) {
  PGresult* const result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
  std::vector<PGresAttDesc> attributes(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) attributes[i].name = columns[i].data();
  PQsetResultAttrs(result, static_cast<int>(columns.size()), attributes.data());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < columns.size(); ++column) {
      std::optional<std::string> value = rows[row][column];
      PQsetvalue(result, static_cast<int>(row), static_cast<int>(column),
                 value ? value->data() : nullptr, value ? static_cast<int>(value->size()) : -1);
    }
  }
  reply.Adopt(result);
}

bool Says(const backends::Failure& failure, ErrorKind kind, std::string_view part) {
  CAPTURE(failure.text);
  CHECK(failure.kind == kind);
  return failure.text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("inspect: which status is a failure, and what is shown of it") {
  for (const int fine : {200, 204, 304, 399}) CHECK(!Http("expect: {}").Look(HttpSays(fine)));
  for (const int bad : {100, 199, 400, 404, 503}) {
    CHECK(Says(Http("expect: {}").Look(HttpSays(bad)), ErrorKind::kStatus, "HTTP status "));
  }
  Bench wanted = Http("expect: {status: [404, 410]}");
  CHECK(!wanted.Look(HttpSays(410)));
  CHECK(Says(wanted.Look(HttpSays(200)), ErrorKind::kStatus, "HTTP status 200"));
  CHECK(Says(Http("expect: {}").Look(HttpSays(500, "out of memory")), ErrorKind::kStatus,
             "HTTP status 500: \"out of memory\""));
  // A failed reply of megabytes is no message, and its secrets are none either.
  const auto long_one =
      Http("expect: {}")
          .Look(HttpSays(500, "postgres://me:hunter2-word@db/x " + std::string(1 << 20, 'x')));
  CHECK(long_one.text.size() < 500);
  CHECK(long_one.text.find("hunter2-word") == std::string::npos);
}

TEST_CASE("inspect: headers, whatever the case of their name") {
  Bench bench = Http("expect: {headers: {content-type: '^application/(json|cbor)$'}}");
  CHECK(!bench.Look(HttpSays(200)));
  backends::HttpReply text = HttpSays(200);
  text.headers[0].second = "text/html";
  CHECK(Says(bench.Look(text), ErrorKind::kCheck, "header content-type is \"text/html\""));
  text.headers.clear();
  CHECK(Says(bench.Look(text), ErrorKind::kCheck, "no header content-type"));
}

TEST_CASE("inspect: a body by expression and by pointers") {
  Bench pattern = Http("expect: {body: 'ok|fine'}");
  CHECK(!pattern.Look(HttpSays(200, "all is fine")));
  CHECK(Says(pattern.Look(HttpSays(200, "no")), ErrorKind::kCheck,
             "body \"no\" does not match ok|fine"));

  Bench json = Http("expect: {body: {/user/id: 7, /tags/1: b, /gone: null}}");
  CHECK(!json.Look(HttpSays(200, R"({"user": {"id": 7}, "tags": ["a", "b"], "gone": null})")));
  // A number may come as text.
  CHECK(!json.Look(HttpSays(200, R"({"user": {"id": "7"}, "tags": ["a", "b"], "gone": null})")));
  CHECK(Says(json.Look(HttpSays(200, R"({"user": {"id": 8}, "tags": ["a", "b"], "gone": null})")),
             ErrorKind::kCheck, "body at /user/id is \"8\", expected 7"));
  CHECK(Says(json.Look(HttpSays(200, R"({"user": {}})")), ErrorKind::kCheck,
             "body at /user/id is absent, expected 7"));
  CHECK(
      Says(json.Look(HttpSays(200, "<html>")), ErrorKind::kCheck, "body is not JSON: \"<html>\""));
}

TEST_CASE("inspect: how long it may take") {
  // First byte after 20 ms, the end after 50.
  CHECK(!Http("expect: {first_byte: 20ms, time: 50ms}").Look(HttpSays(200)));
  CHECK(Says(Http("expect: {first_byte: 19ms}").Look(HttpSays(200)), ErrorKind::kCheck,
             ", expected within 19ms"));
  CHECK(Says(Http("expect: {time: 49ms}").Look(HttpSays(200)), ErrorKind::kCheck,
             "expected within 49ms"));
  backends::RedisReply slow;
  slow.timing = HttpSays(200).timing;
  CHECK(Says(Redis("expect: {time: 1ms}").Look(slow), ErrorKind::kCheck, "expected within 1ms"));
}

TEST_CASE("inspect: captures of a body, by pointer and by expression") {
  Bench bench = Http(
      "capture: {token: /data/0/token, whole: '', word: {regex: 'tok=([a-z]+)'},"
      " id: {header: x-token, regex: 'id=(\\d+)'}, type: {header: content-type}}");
  CHECK(!bench.Look(HttpSays(200, R"({"data": [{"token": {"n": 1.5}}], "x": "tok=abc"})")));
  CHECK(bench.Captured("token") == Json::Parse(R"({"n": 1.5})"));
  CHECK(bench.Captured("whole").AtPointer("/x")->ToText() == "tok=abc");
  CHECK(bench.Captured("word") == Json("abc"));
  CHECK(bench.Captured("id") == Json("42"));
  CHECK(bench.Captured("type") == Json("application/json"));

  CHECK(Says(bench.Look(HttpSays(200, "{}")), ErrorKind::kCheck,
             "capture token: nothing at /data/0/token in \"{}\""));
  CHECK(Says(Http("capture: {word: {regex: 'tok=([a-z]+)'}}").Look(HttpSays(200, "tok=7")),
             ErrorKind::kCheck, "capture word: nothing in \"tok=7\" matches"));
  CHECK(Says(Http("capture: {v: {header: x-none}}").Look(HttpSays(200)), ErrorKind::kCheck,
             "capture v: no header x-none"));
}

TEST_CASE("inspect: a failure comes before any capture") {
  Bench bench = Http("capture: {v: /a}");
  CHECK(bench.Look(HttpSays(500, R"({"a": 1})")).kind == ErrorKind::kStatus);
  CHECK(bench.Captured("v").IsNull());
}

TEST_CASE("inspect: rows and the first value of a statement") {
  backends::SqlReply two;
  Fill(two, {"name", "age"}, {{"Ann", "7"}, {"Bob", std::nullopt}});
  CHECK(!Sql("expect: {rows: 2, value: Ann}").Look(two));
  CHECK(Says(Sql("expect: {rows: 1}").Look(two), ErrorKind::kCheck, "2 rows, expected 1"));
  CHECK(Says(Sql("expect: {value: Eve}").Look(two), ErrorKind::kCheck,
             "value is \"Ann\", expected \"Eve\""));
  CHECK(Says(Sql("expect: {value: null}").Look(two), ErrorKind::kCheck, "value is \"Ann\""));

  backends::SqlReply number;
  Fill(number, {"n"}, {{"12"}});
  CHECK(!Sql("expect: {value: 12}").Look(number));
  backends::SqlReply nothing;
  Fill(nothing, {"n"}, {});
  CHECK(!Sql("expect: {rows: 0, value: null}").Look(nothing));
  CHECK(Says(Sql("expect: {value: 12}").Look(nothing), ErrorKind::kCheck, "value is absent"));
}

TEST_CASE("inspect: captures of rows; NULL is null") {
  backends::SqlReply reply;
  Fill(reply, {"name", "age"}, {{"id-17", "7"}, {"Bob", std::nullopt}});
  Bench bench = Sql("capture: {n: /rows/0/name, a: /rows/1/age, id: {regex: 'id-(\\d+)'}}");
  CHECK(!bench.Look(reply));
  CHECK(bench.Captured("n") == Json("id-17"));
  CHECK(bench.Captured("a").IsNull());
  CHECK(bench.Captured("id") == Json("17"));
  CHECK(Says(Sql("capture: {n: /rows/2/name}").Look(reply), ErrorKind::kCheck,
             "capture n: nothing at /rows/2/name"));
  CHECK(RowsAsJson(reply, 1).AtPointer("/rows")->AsArray().size() == 1);
}

TEST_CASE("inspect: a reply of Redis") {
  backends::RedisReply reply;
  reply.value = Json("7");
  CHECK(!Redis("expect: {value: 7}").Look(reply));
  CHECK(!Redis("expect: {value: '7'}").Look(reply));
  CHECK(Says(Redis("expect: {value: 8}").Look(reply), ErrorKind::kCheck, "expected 8"));
  CHECK(Says(Redis("expect: {value: null}").Look(reply), ErrorKind::kCheck, "expected null"));
  reply.value = Json();
  CHECK(!Redis("expect: {value: null}").Look(reply));
  // Nothing is not the empty text.
  CHECK(Says(Redis("expect: {value: ''}").Look(reply), ErrorKind::kCheck, "reply is \"null\""));

  reply.value = Json::Parse(R"(["a", ["cursor-9"]])");
  Bench bench = Redis("capture: {first: /0, cursor: {regex: 'cursor-(\\d)'}}");
  CHECK(!bench.Look(reply));
  CHECK(bench.Captured("first") == Json("a"));
  CHECK(bench.Captured("cursor") == Json("9"));
  CHECK(Says(Redis("capture: {v: /2}").Look(reply), ErrorKind::kCheck, "capture v: nothing at /2"));
}
