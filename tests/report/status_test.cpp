// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/status.hpp"

#include <doctest/doctest.h>

#include <string>

#include "libperf/base/error.hpp"
#include "tests/report/status_example.hpp"

using namespace perf;
using namespace perf::report;

TEST_CASE("status: JSON and back is the same") {
  StatusDocument document = test::StatusExample();
  document.notes = {"a sentence"};
  document.machine_only = true;
  document.source = "self";
  const std::string text = document.ToJson().Dump();
  CHECK(StatusDocument::FromJson(Json::Parse(text)).ToJson().Dump() == text);
  // A gap in a series is null, for JSON has no NaN.
  CHECK(text.find("0.5,null,0.41") != std::string::npos);
}

TEST_CASE("status: the exit code is that of monitoring plugins for the worst that is seen") {
  StatusDocument document;
  CHECK(PluginCode(document.Overall()) == 3);  // nothing is not "all is well"
  StatusAgent agent;
  agent.name = "a";
  agent.sampled_age_s = 1;
  agent.sampled_every_s = 1;
  document.agents = {agent};
  CHECK(PluginCode(document.Overall()) == 0);
  document.rows = {{"pools", "a", StatusState::kInfo, "p", {}, "", {}}};
  CHECK(PluginCode(document.Overall()) == 0);
  document.rows[0].state = StatusState::kWarning;
  CHECK(PluginCode(document.Overall()) == 1);
  document.rows[0].state = StatusState::kCritical;
  CHECK(PluginCode(document.Overall()) == 2);
}

TEST_CASE("status: what a stale or mute agent said does not count, that it is one does") {
  StatusDocument document = test::StatusExample();
  CHECK(document.Overall() == StatusState::kCritical);
  document.agents[0].sampled_age_s = 30;
  CHECK(document.Overall() == StatusState::kCritical);  // three steps, not more
  document.agents[0].sampled_age_s = 30.5;
  CHECK(document.Overall() == StatusState::kUnknown);
  document.agents[0].sampled_age_s.reset();
  CHECK(document.Overall() == StatusState::kUnknown);
  // What another agent sees now still comes first.
  StatusAgent other;
  other.name = "other";
  other.sampled_age_s = 0;
  document.agents.push_back(other);
  document.rows.push_back({"pools", "other", StatusState::kCritical, "p", {}, "", {}});
  CHECK(document.Overall() == StatusState::kCritical);
  // At steps below a second a busy machine is given five seconds.
  other.sampled_every_s = 0.5;
  other.sampled_age_s = 4.9;
  CHECK(!other.Stale());
}

TEST_CASE("status: alerts count while they fire") {
  StatusDocument document = test::StatusExample();
  for (StatusRow& row : document.rows) row.state = StatusState::kOk;
  CHECK(document.Overall() == StatusState::kCritical);
  for (const char* const state : {"pending", "silenced", "inhibited"}) {
    document.alerts[0].state = state;
    CHECK(document.Overall() == StatusState::kOk);
  }
}

TEST_CASE("status: a newer agent's members are passed over, a wrong kind is named") {
  Json json = test::StatusExample().ToJson();
  json["news"] = 1;
  (*json.Find("rows")).AsArray()[0]["news"] = "x";
  (*json.Find("rows")).AsArray()[0]["readings"].AsArray()[0]["unit"] = "furlongs";
  CHECK(StatusDocument::FromJson(json).rows.size() == 7);
  const auto thrown = [](const Json& bad) -> std::string {
    try {
      StatusDocument::FromJson(bad);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  json["rows"].AsArray()[2]["name"] = 7;
  CHECK(thrown(json) == "status document: /rows/2/name is not a text");
  json["rows"] = "none";
  CHECK(thrown(json) == "status document: /rows is not an array");
  json["schema"] = "perfkit.status/2";
  CHECK(thrown(json) ==
        "status document: its schema is 'perfkit.status/2', expected 'perfkit.status/1'");
  CHECK(thrown(Json(3)) == "status document: the whole is not an object");
}

TEST_CASE("status: what is read is bounded") {
  Json json = StatusDocument().ToJson();
  Json row = test::StatusExample().ToJson()["rows"].AsArray()[0];
  for (int i = 0; i < 2'000; ++i) row["spark"].Append(i);
  for (int i = 0; i < 10'500; ++i) json["rows"].Append(i == 0 ? row : Json::MakeObject());
  const StatusDocument document = StatusDocument::FromJson(json);
  CHECK(document.rows.size() == 10'000);
  CHECK(document.rows[0].spark.size() == 1'000);
}
