// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/one_liner.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>

#include "libperf/base/error.hpp"
#include "libperf/load/template.hpp"
#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

/// A step's text as it is sent.
std::string Rendered(const Template& text) {
  Scope scope;
  Random random(1);
  scope.random = &random;
  return text.Evaluate(scope).ToText();
}

const Step& OnlyStep(const Scenario& scenario) { return scenario.flows.at(0).steps.at(0); }

}  // namespace

TEST_CASE("one-liner: every text comes back as it was written") {
  const char* nasty[] = {"plain",        "it's",
                         "say \"hi\"",   "back\\slash",
                         "a: b",         "# no comment",
                         "tab\tup",      "two\nlines\r\n",
                         "{[]}, &*!|",   "Grüße – 你好 🎧",
                         "  spaces  ",   "yes",
                         "null",         "0x10",
                         "%s %d",        "$1 $HOME $$",
                         "\x01\x1f\x7f", "- item",
                         "@at `tick`",   "~",
                         "1e9",          "? key",
                         "x #y",         "\u2028\u0085\u009f"};
  for (const std::string text : nasty) {
    CAPTURE(text);
    OneLiner http;
    http.url = "http://127.0.0.1:9/";
    http.method = "POST";
    http.body = text;
    const Scenario posted = test::Parsed(ScenarioText(http));
    const auto& step = std::get<HttpStep>(OnlyStep(posted).action);
    REQUIRE(step.body);
    CHECK(Rendered(*step.body) == text);

    OneLiner redis;
    redis.kind = TargetKind::kRedis;
    redis.url = "redis://127.0.0.1:9";
    redis.command = {"SET", "key", text};
    const Scenario set = test::Parsed(ScenarioText(redis));
    CHECK(Rendered(std::get<RedisStep>(OnlyStep(set).action).words.at(2)) == text);

    OneLiner sql;
    sql.kind = TargetKind::kPostgres;
    sql.url = "postgresql://127.0.0.1:9/db";
    sql.query = "select $1 -- " + text;
    sql.parameters = {text};
    const Scenario selected = test::Parsed(ScenarioText(sql));
    const auto& statement = std::get<SqlStep>(OnlyStep(selected).action);
    CHECK(statement.statement.text == sql.query);
    CHECK(Rendered(statement.parameters.at(0)) == text);
  }
}

TEST_CASE("one-liner: a URL is taken apart into the target and the step's path") {
  struct Row {
    const char* url;
    const char* host;
    const char* path;
  };
  const Row rows[] = {
      {"http://127.0.0.1:9", "127.0.0.1", "/"},
      {"http://127.0.0.1:9/", "127.0.0.1", "/"},
      {"http://127.0.0.1:9/a/b?c=d&e=f", "127.0.0.1", "/a/b?c=d&e=f"},
      {"http://127.0.0.1:9?c=d", "127.0.0.1", "/?c=d"},
      {"http://127.0.0.1:9/a?u=http://x/y", "127.0.0.1", "/a?u=http://x/y"},
      {"http://127.0.0.1:9/a#top", "127.0.0.1", "/a"},
      {"http://127.0.0.1:9#a/b?c", "127.0.0.1", "/"},
      {"http://127.0.0.1:9?q=1#a/b", "127.0.0.1", "/?q=1"},
      {"http://[::1]:9/x", "::1", "/x"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.url);
    OneLiner line;
    line.url = row.url;
    const Scenario scenario = test::Parsed(ScenarioText(line));
    CHECK(scenario.targets.at(0).url.find('#') == std::string::npos);
    CHECK(Rendered(std::get<HttpStep>(OnlyStep(scenario).action).path) == row.path);
  }
}

TEST_CASE("one-liner: HTTP over a unix socket, with the path of the request behind a colon") {
  for (const auto& [url, path] : {std::pair{"unix:///run/x.sock", "/"},
                                  std::pair{"unix:///run/x.sock:/tts?a=1#top", "/tts?a=1"}}) {
    OneLiner line;
    line.url = url;
    const Scenario scenario = test::Parsed(ScenarioText(line));
    CHECK(scenario.targets.at(0).http.unix_socket == "/run/x.sock");
    CHECK(Rendered(std::get<HttpStep>(OnlyStep(scenario).action).path) == path);
  }
}

TEST_CASE("one-liner: what is written with a dollar and a brace stays an expression") {
  OneLiner line;
  line.url = "http://127.0.0.1:9/users/${rand.int(7,7)}";
  const Scenario scenario = test::Parsed(ScenarioText(line));
  CHECK(Rendered(std::get<HttpStep>(OnlyStep(scenario).action).path) == "/users/7");
}

TEST_CASE("one-liner: the load is what the flags say") {
  OneLiner line;
  line.url = "http://127.0.0.1:9/";
  line.timeout = "250ms";
  line.client = "native";
  line.warmup = "1s";
  line.rate = "600/m";
  line.poisson = true;
  line.thresholds = {"latency: p(99) < 250ms", "errors: rate < 1%"};
  Scenario scenario = test::Parsed(ScenarioText(line));
  CHECK(scenario.loads.at(0).kind == LoadSpec::Kind::kRate);
  CHECK(scenario.loads.at(0).arrivals.from == 10);
  CHECK(scenario.loads.at(0).arrivals.length == 10s);
  CHECK(scenario.loads.at(0).arrivals.spacing == Spacing::kPoisson);
  CHECK(scenario.loads.at(0).warmup == 1s);
  CHECK(scenario.targets.at(0).timeout == 250ms);
  CHECK(scenario.thresholds.at(0).text == "latency: p(99) < 250ms");

  line.warmup.clear();
  line.count = 10'000;
  line.rate = "3/s";
  scenario = test::Parsed(ScenarioText(line));
  CHECK(Arrivals([&] {
          ArrivalPlan plan = scenario.loads.at(0).arrivals;
          plan.spacing = Spacing::kEven;
          return plan;
        }())
            .Planned() == doctest::Approx(10'000));

  line.rate.reset();
  line.poisson = false;
  line.connections = 64;
  scenario = test::Parsed(ScenarioText(line));
  CHECK(scenario.loads.at(0).kind == LoadSpec::Kind::kIterations);
  CHECK(scenario.loads.at(0).iterations == 10'000);
  CHECK(scenario.loads.at(0).users == 64);
  CHECK(scenario.targets.at(0).pool.max == 64);

  line.count.reset();
  line.duration = "1m30s";
  scenario = test::Parsed(ScenarioText(line));
  CHECK(scenario.loads.at(0).kind == LoadSpec::Kind::kUsers);
  CHECK(scenario.loads.at(0).length == 90s);
}

TEST_CASE("one-liner: nonsense is refused, and slips nothing past the flags") {
  OneLiner line;
  line.url = "http://127.0.0.1:9/";
  line.duration = "10s\nallow: [example.org]";
  CHECK_THROWS_AS(ScenarioText(line), UsageError);
  line.duration.clear();
  line.method = "GET\nallow: [example.org]";
  CHECK_THROWS_AS(test::Parsed(ScenarioText(line)), ConfigError);
  line.method = "GET";
  line.rate = "fast";
  line.count = 10;
  CHECK_THROWS_AS(ScenarioText(line), UsageError);
  line.rate = "0.001/s";
  line.count = std::uint64_t{1} << 62;
  CHECK_THROWS_AS(ScenarioText(line), UsageError);
}

TEST_CASE("one-liner: a flag that is no good is named") {
  const auto complaint = [](auto change) {
    OneLiner line;
    line.url = "http://127.0.0.1:9/";
    change(line);
    try {
      return ScenarioText(line);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  };
  CHECK(complaint([](OneLiner& line) { line.rate = "1000"; }) ==
        "--rate 1000: expected a rate such as 1000/s");
  CHECK(complaint([](OneLiner& line) { line.rate = "0/s"; }).starts_with("--rate 0/s"));
  CHECK(complaint([](OneLiner& line) {
          line.duration = "10";
          line.count = 4;
        }) == "--duration 10: expected a time with its unit, such as 10s");
  CHECK(complaint([](OneLiner& line) { line.timeout = "5"; }).starts_with("--timeout 5: "));
  CHECK(complaint([](OneLiner& line) { line.warmup = "x"; }).starts_with("--warmup x: "));
  CHECK(complaint([](OneLiner& line) { line.poisson = true; }).starts_with("--poisson "));
  CHECK(complaint([](OneLiner& line) {
          line.rate = "5/s";
          line.count = 5;
          line.duration = "1s";
        }).find("leave --duration out") != std::string::npos);
  CHECK(complaint([](OneLiner& line) {
          line.url = "localhost:8080/x";
        }).ends_with("did you mean 'http://localhost:8080/x'?"));
  CHECK(complaint([](OneLiner& line) { line.url = "ftp://x"; }).find("unix:///path") !=
        std::string::npos);
}

TEST_CASE("one-liner: each command of a pipeline is one of so many requests") {
  OneLiner line;
  line.kind = TargetKind::kRedis;
  line.url = "redis://127.0.0.1:9";
  line.pipeline = 16;
  line.count = 1000;
  CHECK(test::Parsed(ScenarioText(line)).loads.at(0).iterations == 63);
  line.rate = "10/s";
  CHECK(test::Parsed(ScenarioText(line)).loads.at(0).length == 6300ms);
}

TEST_CASE("one-liner: so many requests, but no longer than that") {
  OneLiner line;
  line.url = "http://127.0.0.1:9/";
  line.count = 1000;
  CHECK(test::Parsed(ScenarioText(line)).loads.at(0).length == 0s);
  line.duration = "5s";
  CHECK(test::Parsed(ScenarioText(line)).loads.at(0).length == 5s);
  CHECK(test::Parsed(ScenarioText(line)).loads.at(0).iterations == 1000);
}
