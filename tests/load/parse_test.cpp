// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/parse.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/load/metric_path.hpp"
#include "libperf/load/starter.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

const std::string kRoot = PERF_SOURCE_ROOT;
constexpr std::string_view kRest = "…";
const std::string kData = kRoot + "/tests/load/data/";

ParseOptions File(const std::string& path) {
  ParseOptions options;
  options.path = path;
  return options;
}

ParseOptions Text(std::string text) {
  ParseOptions options;
  options.path = "test.yaml";
  options.text = std::move(text);
  options.files.environment = [](const std::string&) { return std::nullopt; };
  return options;
}

std::vector<std::string> Files(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReplaceAll(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// The errors of a file as its "# error:" lines have them: line:column message; suggestion.
std::vector<std::string> Errors(const ParseOptions& options) {
  config::Diagnostics diagnostics;
  const auto scenario = ParseScenario(options, diagnostics);
  CHECK(scenario.has_value() != diagnostics.HasErrors());
  std::vector<std::string> errors;
  for (const auto& found : diagnostics.Sorted()) {
    std::string line = fmt::format("{}:{} {}", found.place.line, found.place.column, found.message);
    if (!found.suggestion.empty()) line += fmt::format("; did you mean '{}'?", found.suggestion);
    errors.push_back(ReplaceAll(line, kData, "DATA/"));
  }
  return errors;
}

std::string FirstError(const std::string& text) {
  const auto errors = Errors(Text(text));
  return errors.empty() ? "" : errors.front();
}

std::vector<std::string> ExpectedErrors(const std::string& path) {
  const std::string text = ReadFile(path, 1 << 20);
  std::vector<std::string> expected;
  for (const std::string_view line : Split(text, '\n')) {
    if (line.starts_with("# error: ")) expected.emplace_back(line.substr(9));
  }
  return expected;
}

/// A scenario of one http target, one flow and one load, and what is added.
std::string Minimal(const std::string& more = "") {
  return "targets: {api: {kind: http, url: private}}\n"
         "flows: {get: [{name: page, http: {target: api, path: /}}]}\n"
         "load: [{flow: get, rate: 10/s, for: 10s}]\n" +
         more;
}

const Step& First(const Scenario& scenario) { return scenario.flows.at(0).steps.at(0); }

}  // namespace

TEST_CASE("parse: every bad file is refused with all of its errors, each at its place") {
  const auto files = Files(kData + "bad");
  REQUIRE(files.size() >= 15);
  for (const std::string& file : files) {
    CAPTURE(file);
    const auto expected = ExpectedErrors(file);
    REQUIRE(!expected.empty());
    const auto found = Errors(File(file));
    std::string all;
    for (const std::string& error : found) all += error + "\n";
    CAPTURE(all);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      // "…" stands for what the YAML library says in its own words.
      if (expected[i].ends_with(kRest)) {
        CHECK(found[i].starts_with(expected[i].substr(0, expected[i].size() - kRest.size())));
      } else {
        CHECK(found[i] == expected[i]);
      }
    }
  }
}

TEST_CASE("parse: every good file, shipped scenario and the starter is accepted") {
  for (const std::string& directory : {kData + "good", kRoot + "/scenarios"}) {
    for (const std::string& file : Files(directory)) {
      CAPTURE(file);
      CHECK(Errors(File(file)) == std::vector<std::string>{});
    }
  }
  CHECK(Errors(Text(std::string(StarterScenario()))) == std::vector<std::string>{});
}

TEST_CASE("parse: errors never show a secret") {
  config::Diagnostics diagnostics;
  CHECK_FALSE(ParseScenario(File(kData + "bad/hosts.yaml"), diagnostics).has_value());
  CHECK(diagnostics.Render().find("hunter2") == std::string::npos);
  CHECK(diagnostics.Render(config::DiagnosticFormat::kGitHub).find("hunter2") == std::string::npos);

  ParseOptions options = Text(
      "targets: {db: {kind: postgres, url: \"${env.URL}\"}}\n"
      "flows: {get: [{sql: {target: db, query: select 1}}]}\n"
      "load: [{flow: get, iterations: 1}]\n");
  options.files.environment = [](const std::string&) {
    return std::string("postgresql://u:hunter2@far.example/x");
  };
  CHECK_THROWS_WITH_AS(ParseScenario(options), doctest::Contains("far.example"), ConfigError);
  try {
    ParseScenario(options);
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
  }
}

TEST_CASE("parse: targets as the design's example has them") {
  const Scenario scenario = ParseScenario(File(kData + "good/everything.yaml"));
  REQUIRE(scenario.targets.size() == 8);
  const TargetSpec& db = scenario.targets[0];
  CHECK(db.kind == TargetKind::kPostgres);
  CHECK(db.host == "db.example.com");
  CHECK(db.pool.min == 1);
  CHECK(db.pool.max == 4);
  CHECK(db.pool.acquire_timeout == 2s);
  CHECK(db.pool.idle_timeout == 1min);
  CHECK(db.timeout == 3s);
  CHECK(db.connect_timeout == 1s);
  CHECK_FALSE(db.prepared);
  CHECK(db.pool.reset == backends::PostgresReset::kRollback);
  CHECK(scenario.targets[1].host.empty());
  CHECK(scenario.targets[1].pool.reset == backends::PostgresReset::kDiscard);
  CHECK(scenario.targets[1].pool.init == std::vector<std::string>{"set work_mem = '5MB'"});
  CHECK(scenario.targets[2].host == "127.0.0.1");
  CHECK(scenario.targets[3].host.empty());
  const TargetSpec& speech = scenario.targets[4];
  CHECK(speech.is_private);
  CHECK(speech.speech_first_byte == "pareto(50ms, 2.5)");
  CHECK(speech.speech_pace == 1.0);
  CHECK(speech.traceparent);
  CHECK(speech.http.client == backends::HttpClient::kNative);
  CHECK(speech.http.version == backends::HttpVersion::k11);
  const TargetSpec& secure = scenario.targets[5];
  CHECK(secure.host == "2001:db8::1");
  CHECK(secure.http.base.port == 8443);
  CHECK(secure.http.version == backends::HttpVersion::k2);
  CHECK_FALSE(secure.http.verify);
  CHECK(secure.http.proxy == "socks5://127.0.0.1:1080");
  REQUIRE(secure.http.headers.size() == 1);
  CHECK(secure.http.headers[0] == backends::HttpHeader{"X-Run", "run-100"});
  CHECK(scenario.targets[6].http.unix_socket == "/run/app.sock");
  CHECK_FALSE(scenario.targets[7].redis_tls.verify);
}

TEST_CASE("parse: setup takes variables, files stay as they are") {
  const Scenario scenario = ParseScenario(File(kData + "good/everything.yaml"));
  REQUIRE(scenario.setup.size() == 7);
  CHECK(scenario.setup[0].sql.at(0).find("${vars.guests}") != std::string::npos);
  CHECK(scenario.setup[1].sql.at(0) == "select 100");
  CHECK(scenario.setup[3].redis == std::vector<std::vector<std::string>>{{"FLUSHDB"}});
  CHECK(scenario.setup[4].redis ==
        std::vector<std::vector<std::string>>{{"SET", "a", "1"}, {"SET", "b", "two words", "100"}});
  CHECK(scenario.setup[5].http_method == "PUT");
  CHECK(scenario.setup[5].http_path == "/base/seed");
  CHECK(scenario.setup[5].http_body == R"({"n":100,"text":"n=100"})");
  CHECK(scenario.setup[6].http_method == "POST");
  REQUIRE(scenario.teardown.size() == 1);
  CHECK(scenario.teardown[0].sql.at(0) == "drop table guests");
}

TEST_CASE("parse: steps get names, and requests numbers without gaps") {
  const Scenario scenario = ParseScenario(File(kData + "good/everything.yaml"));
  const FlowSpec& call =
      scenario.flows.at(0).name == "call" ? scenario.flows[0] : scenario.flows[1];
  std::vector<std::string> names;
  const auto requests = Requests(call);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    CHECK(requests[i]->request_id == i);
    names.push_back(requests[i]->name);
  }
  CHECK(names == std::vector<std::string>{"guest", "redis1", "http1", "http2", "again", "http3",
                                          "http4", "http5"});
  const Step& guest = *requests[0];
  CHECK(guest.keep_going);
  CHECK(guest.expect.rows == 1);
  CHECK(guest.expect.time == 1s);
  REQUIRE(guest.captures.size() == 2);
  CHECK(guest.captures[0].pointer == "/rows/0/lang");
  CHECK(guest.captures[1].pointer.empty());
  const auto& redis = std::get<RedisStep>(requests[1]->action);
  CHECK(redis.words.size() == 5);
  CHECK(redis.pipeline == 16);
  CHECK_FALSE(redis.constant);
  const auto& expect = requests[4]->expect;
  CHECK(expect.status == std::vector<int>{200, 201});
  REQUIRE(expect.body_json.size() == 2);
  CHECK(expect.body_json[1].second == Json(100));
  CHECK(expect.first_byte == 100ms);
  CHECK(requests[4]->captures.at(0).header == "Location");
  CHECK(requests[4]->captures.at(0).pattern != nullptr);
}

TEST_CASE("parse: the path of a target's URL stands before that of its steps") {
  const Scenario scenario =
      ParseScenario(Text("targets: {api: {kind: http, url: \"http://localhost:81/v1/\"}}\n"
                         "flows: {get: [{http: {target: api, path: \"/a?n=${seq}\"}}]}\n"
                         "load: [{flow: get, iterations: 1}]\n"));
  std::string path;
  Scope scope;
  scope.seq = 7;
  std::get<HttpStep>(First(scenario).action).path.Render(scope, path);
  CHECK(path == "/v1/a?n=7");
}

TEST_CASE("parse: loads, their order and their times") {
  const Scenario scenario = ParseScenario(File(kData + "good/everything.yaml"));
  REQUIRE(scenario.loads.size() == 5);
  const LoadSpec& rise = scenario.loads[0];
  CHECK(rise.kind == LoadSpec::Kind::kRate);
  CHECK(rise.arrivals.from == 0);
  CHECK(rise.arrivals.to == 3);
  CHECK(rise.arrivals.length == 10s);
  CHECK(rise.arrivals.spacing == Spacing::kPoisson);
  CHECK(rise.warmup == 1s);
  CHECK(rise.max_waiting == 5);
  CHECK(rise.drain == 1s);
  const LoadSpec& shared = scenario.loads[1];
  CHECK(shared.name == "shared");
  CHECK(shared.arrivals.from == 1);
  CHECK(shared.after == 0);
  CHECK(shared.arrivals.seed != rise.arrivals.seed);
  CHECK(scenario.PlannedStart(1) == Duration(10s));
  CHECK(scenario.PlannedEnd(1) == Duration(20s));
  CHECK(scenario.PlannedEnd(2) == Duration(65s));
  CHECK(scenario.loads[2].think == 10ms);
  CHECK(scenario.loads[2].pacing == 1s);
  const LoadSpec& count = scenario.loads[3];
  CHECK(count.kind == LoadSpec::Kind::kIterations);
  CHECK(count.iterations == 12);
  CHECK(count.users == 2);
  CHECK(count.length == 1h);
  CHECK_FALSE(scenario.PlannedEnd(3).has_value());
  CHECK_FALSE(scenario.PlannedStart(4).has_value());
}

TEST_CASE("parse: a profile scales times, counts, windows and rates; flags win over it") {
  ParseOptions options = File(kData + "good/everything.yaml");
  options.profile = "fast";
  Scenario scenario = ParseScenario(options);
  CHECK(scenario.loads[0].arrivals.length == 2s);
  CHECK(scenario.loads[0].warmup == 200ms);
  CHECK(scenario.loads[0].arrivals.to == 1.5);
  CHECK(scenario.loads[2].start == 1s);
  CHECK(scenario.loads[3].iterations == 2);
  CHECK(scenario.thresholds.back().window == Duration(2s));
  CHECK(*scenario.symbols.Constant("vars.guests") == Json(10));
  options.sets = {{"vars.guests", "7"}, {"load.0.for", "20s"}};
  options.seed = 9;
  scenario = ParseScenario(options);
  CHECK(*scenario.symbols.Constant("vars.guests") == Json(7));
  CHECK(scenario.loads[0].arrivals.length == 4s);
  CHECK(scenario.seed == 9);
  options.profile = "fats";
  CHECK_THROWS_WITH_AS(ParseScenario(options), doctest::Contains("did you mean 'fast'"),
                       ConfigError);
}

TEST_CASE("parse: load on a foreign host needs leave, from the file or a flag") {
  const std::string text =
      "targets: {api: {kind: http, url: \"http://Far.Example:80\"}}\n"
      "flows: {get: [{http: {target: api, path: /}}]}\n"
      "load: [{flow: get, iterations: 1}]\n";
  CHECK(FirstError(text).find("allow: [") != std::string::npos);
  CHECK(FirstError(text + "allow: [far.example]\n").empty());
  ParseOptions options = Text(text);
  options.allow_hosts = {"FAR.example"};
  CHECK(Errors(options).empty());
  options.allow_hosts = {"far.example:80"};
  CHECK(Errors(options).size() == 2);
}

TEST_CASE("parse: a conninfo without a host leads where PGHOST says") {
  const std::string text =
      "targets: {db: {kind: postgres, url: \"dbname=test\"}}\n"
      "flows: {get: [{sql: {target: db, query: select 1}}]}\n"
      "load: [{flow: get, iterations: 1}]\n";
  REQUIRE(setenv("PGHOST", "far.example", 1) == 0);
  const std::string error = FirstError(text);
  REQUIRE(setenv("PGHOST", "/run/postgresql", 1) == 0);
  const std::string none = FirstError(text);
  REQUIRE(unsetenv("PGHOST") == 0);
  REQUIRE(setenv("PGHOSTADDR", "192.0.2.1", 1) == 0);
  const std::string address = FirstError(text);
  REQUIRE(unsetenv("PGHOSTADDR") == 0);
  REQUIRE(setenv("PGSERVICE", "prod", 1) == 0);
  const std::string service = FirstError(text);
  REQUIRE(unsetenv("PGSERVICE") == 0);
  CHECK(address.find("'192.0.2.1'") != std::string::npos);
  CHECK(service.find("PGSERVICE") != std::string::npos);
  CHECK(error.find("'far.example'") != std::string::npos);
  CHECK(none.empty());
}

TEST_CASE("parse: topologies of private servers") {
  const Scenario scenario = ParseScenario(File(kData + "good/topologies.yaml"));
  REQUIRE(scenario.targets.size() == 5);
  CHECK(scenario.targets[0].topology == backends::Topology::kPrimaryReplica);
  CHECK(scenario.targets[1].topology == backends::Topology::kSingle);
  CHECK(scenario.targets[2].topology == backends::Topology::kSentinel);
  CHECK(scenario.targets[3].topology == backends::Topology::kCluster);
  CHECK(scenario.targets[4].topology == backends::Topology::kPrimaryReplica);
}

TEST_CASE("parse: `speech` is idle where the environment names another server") {
  ParseOptions options = Text(
      "targets: {api: {kind: http, url: \"${env.API:-private}\", speech: {first_byte: 5ms}}}\n"
      "flows: {get: [{http: {target: api, path: /}}]}\n"
      "load: [{flow: get, iterations: 1}]\n");
  CHECK(ParseScenario(options).targets[0].is_private);
  options.files.environment = [](const std::string&) { return std::string("http://localhost:8"); };
  CHECK(Errors(options).empty());
}

TEST_CASE("parse: the hash follows what the scenario does, not how it is written") {
  const auto hash = [](const std::string& text) { return ParseScenario(Text(text)).hash; };
  const std::string plain = hash(Minimal());
  CHECK(plain.size() == 64);
  CHECK(plain.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(hash("# a comment\n" + Minimal("description: other words\nprofiles: {a: {}}\n")) == plain);
  CHECK(hash("load: [{rate: 10/s, flow: get, for: 10s}]\n"
             "targets: {api: {url: private, kind: http}}\n"
             "flows: {get: [{http: {path: /, target: api}, name: page}]}\n") == plain);
  CHECK(hash(Minimal("vars: {a: 1}\n")) != plain);
  CHECK(hash(Minimal("seed: 2\n")) != plain);
  ParseOptions secret = Text(
      "targets: {kv: {kind: redis, url: \"redis://:${env.PW}@localhost\"}}\n"
      "flows: {get: [{redis: {target: kv, command: PING}}]}\n"
      "load: [{flow: get, iterations: 1}]\n");
  secret.files.environment = [](const std::string&) { return std::string("one"); };
  const std::string first = ParseScenario(secret).hash;
  secret.files.environment = [](const std::string&) { return std::string("two"); };
  CHECK(ParseScenario(secret).hash == first);
}

TEST_CASE("parse: the same statement has one number, another one another") {
  const Scenario scenario = ParseScenario(Text(
      "targets: {db: {kind: postgres, url: private}}\n"
      "flows: {get: [{sql: {target: db, query: select 1}}, {sql: {target: db, query: select 2}},"
      " {sql: {target: db, query: select 1}}]}\n"
      "load: [{flow: get, iterations: 1}]\n"));
  const auto id = [&](std::size_t step) {
    return std::get<SqlStep>(scenario.flows[0].steps[step].action).statement.id;
  };
  CHECK(id(0) == id(2));
  CHECK(id(0) != id(1));
}

TEST_CASE("parse: a name of one branch is unknown in the other and known after both") {
  const auto with = [](const std::string& second, const std::string& after) {
    return FirstError(
        "targets: {api: {kind: http, url: private}}\n"
        "flows:\n"
        "  get:\n"
        "    - choose:\n"
        "        - steps: [{http: {target: api, path: /}, capture: {left: /x}}]\n"
        "        - steps: [{http: {target: api, path: \"/${" +
        second +
        "}\"}, capture: {right: /x}}]\n"
        "    - http: {target: api, path: \"/${" +
        after +
        "}\"}\n"
        "load: [{flow: get, iterations: 1}]\n");
  };
  CHECK(with("seq", "left").empty());
  CHECK(with("seq", "right").empty());
  CHECK(with("left", "seq").starts_with("6:5"));
  CHECK(with("left", "seq").find("'left' is not known here") != std::string::npos);
}

TEST_CASE("parse: a flow of too many steps is refused once") {
  std::string steps;
  for (int i = 0; i < 1005; ++i) steps += "    - sleep: 1ms\n";
  const auto errors =
      Errors(Text("targets: {api: {kind: http, url: private}}\n"
                  "flows:\n  get:\n" +
                  steps + "load: [{flow: get, iterations: 1}]\n"));
  REQUIRE(errors.size() == 1);
  CHECK(errors[0] == "1004:7 a flow has at most 1000 steps");
}

TEST_CASE("parse: metric paths find run, load, flow and step") {
  const Scenario scenario = ParseScenario(
      Text("targets: {api: {kind: http, url: private}}\n"
           "flows:\n"
           "  get: [{name: page, http: {target: api, path: /}}, {name: only, http: {target: api, "
           "path: /}}]\n"
           "  put: [{name: page, http: {target: api, path: /}}]\n"
           "load: [{name: steady, flow: get, iterations: 1}, {flow: put, iterations: 1}]\n"));
  struct Case {
    std::string path;
    std::optional<std::size_t> load, flow, request;
    Metric metric;
  };
  const std::vector<Case> cases{
      {"latency", {}, {}, {}, Metric::kLatency},
      {"steady.wait", 0, 0, {}, Metric::kWait},
      {"get.duration", {}, 0, {}, Metric::kDuration},
      {"put.dropped", 1, 1, {}, Metric::kDropped},
      {"steady.page.service_time", 0, 0, 0, Metric::kServiceTime},
      {"put.page.first_byte", 1, 1, 0, Metric::kFirstByte},
      {"only.requests", {}, 0, 1, Metric::kRequests},
      {"only.errors.check", {}, 0, 1, Metric::kErrors},
  };
  for (const Case& expected : cases) {
    CAPTURE(expected.path);
    MetricPathError error;
    const auto path = ResolveMetric(scenario, expected.path, error);
    REQUIRE(path.has_value());
    CHECK(path->load == expected.load);
    CHECK(path->flow == expected.flow);
    CHECK(path->request == expected.request);
    CHECK(path->metric == expected.metric);
  }
  MetricPathError error;
  CHECK(ResolveMetric(scenario, "errors.check", error)->error == ErrorKind::kCheck);
  CHECK(ResolveMetric(scenario, "errors", error)->error == ErrorKind::kNone);
  for (const char* bad :
       {"", ".", "latency.", "get..latency", "page.latency", "steady.steady.latency",
        "latency.latency", "only.rate", "errors.", "a.b.c.d"}) {
    CAPTURE(bad);
    CHECK_FALSE(ResolveMetric(scenario, bad, error).has_value());
    CHECK_FALSE(error.message.empty());
  }
}

TEST_CASE("parse: limits of the language") {
  const auto target = [](const std::string& pool) {
    return FirstError("targets: {api: {kind: http, url: private, pool: {max: " + pool +
                      "}}}\n"
                      "flows: {get: [{http: {target: api, path: /}}]}\n"
                      "load: [{flow: get, iterations: 1}]\n");
  };
  CHECK(target("10000").empty());
  CHECK_FALSE(target("10001").empty());
  const auto load = [](const std::string& keys) {
    return FirstError(
        "targets: {api: {kind: http, url: private}}\n"
        "flows: {get: [{http: {target: api, path: /}}]}\n"
        "load: [{name: first, flow: get, " +
        keys + "}]\n");
  };
  CHECK(load("users: 100000, for: 168h").empty());
  CHECK_FALSE(load("users: 100000, for: 169h").empty());
  CHECK(load("rate: 10000000/s, for: 1ms").empty());
  CHECK_FALSE(load("rate: 10000001/s, for: 1s").empty());
  CHECK_FALSE(load("rate: 1/s, for: 100h}, {name: b, flow: get, rate: 1/s, for: 100h, after: first")
                  .empty());
}
