// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/environment.hpp"

#include <doctest/doctest.h>

#include <map>

#include "libperf/base/error.hpp"

namespace perf::config {
namespace {

Environment With(std::map<std::string, std::string> values) {
  return Environment([values](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  });
}

}  // namespace

TEST_CASE("config: typed variables of the environment") {
  const Environment environment = With(
      {{"I", "5"}, {"N", "80.5"}, {"T", "True"}, {"F", "false"}, {"S", "text"}, {"EMPTY", ""}});
  CHECK(environment.Integer("I", {1, 10}) == 5);
  CHECK(environment.Number("N") == 80.5);
  CHECK(environment.Bool("T") == true);
  CHECK(environment.Bool("F") == false);
  CHECK(environment.Text("S") == "text");
  CHECK(!environment.Integer("ABSENT"));
  CHECK(!environment.Integer("EMPTY"));
  CHECK(!environment.Text("EMPTY"));
}

TEST_CASE("config: a bad variable is named, its value is not") {
  const Environment environment = With({{"DB_POOL_MAX_SIZE", "hunter2"}});
  CHECK_THROWS_WITH_AS(
      environment.Integer("DB_POOL_MAX_SIZE", {1, 1000}),
      "environment variable DB_POOL_MAX_SIZE: expected a whole number between 1 and 1000",
      ConfigError);
  CHECK_THROWS_WITH_AS(environment.Bool("DB_POOL_MAX_SIZE"),
                       "environment variable DB_POOL_MAX_SIZE: expected true or false",
                       ConfigError);
  CHECK_THROWS_AS(environment.Number("DB_POOL_MAX_SIZE", {0, 1}), ConfigError);
  CHECK_THROWS_AS(With({{"X", "1001"}}).Integer("X", {1, 1000}), ConfigError);
  CHECK_THROWS_AS(With({{"X", "nan"}}).Number("X"), ConfigError);
}

TEST_CASE("config: the environment of the process") {
  CHECK(Environment().Text("PATH").has_value());
}

}  // namespace perf::config
