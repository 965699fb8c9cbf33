// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/access.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>

#include "libperf/base/error.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

constexpr const char* kGood = "correct-horse-battery";
constexpr const char* kOther = "staple-0123456789abc";

std::string Write(const test::ScratchDir& scratch, const std::string& text, mode_t mode = 0600) {
  const std::string path = scratch / "tokens";
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
  return path;
}

std::string ErrorOf(const std::string& path) {
  try {
    const Tokens tokens(path);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("tokens: names of tokens, and nobody else's") {
  const test::ScratchDir scratch;
  const Tokens tokens(Write(
      scratch, std::string("# who may\nops ") + kGood + "\n\n  ci\t" + kOther + "  # nightly\n"));
  CHECK(tokens.Size() == 2);
  CHECK(tokens.NameOf(kGood) == "ops");
  CHECK(tokens.NameOf(kOther) == "ci");
  for (const char* wrong : {"", "correct-horse-batter", "correct-horse-battery ", "ops", "x"}) {
    CHECK(tokens.NameOf(wrong).empty());
  }
}

TEST_CASE("tokens: a file that others may read, and bad lines, are refused without the token") {
  const test::ScratchDir scratch;
  const std::string line = std::string("ops ") + kGood + "\n";
  for (const mode_t mode : {0640, 0604, 0620, 0666}) {
    const std::string path = Write(scratch, line, mode);
    CHECK(ErrorOf(path).find("run: chmod 600 " + path) != std::string::npos);
  }
  ::chmod((scratch / "tokens").c_str(), 0600);
  struct Row {
    std::string text;
    const char* error;
  };
  for (const Row& row :
       {Row{std::string(kGood) + "\n", ":1: expected a name and a token"},
        {"ops short\n", ":1: expected a name and a token"},
        {"\no/s " + std::string(kGood) + "\n", ":2: expected a name and a token"},
        {line + line, ":2: the name of another line again"},
        {"ops " + std::string(kGood) + " more\n", ":1: expected a name and a token"}}) {
    const std::string error = ErrorOf(Write(scratch, row.text));
    CHECK(error.find(row.error) != std::string::npos);
    CHECK(error.find(kGood) == std::string::npos);
  }
  CHECK(ErrorOf(scratch / "none").find("No such file") != std::string::npos);
  CHECK(ErrorOf(scratch / "").find("no regular file") != std::string::npos);
}

TEST_CASE("rate limit: a burst, then one each interval; keys are bounded") {
  RateLimit limit(100ms, 3, 4);
  TimePoint now{1h};
  for (int i = 0; i < 3; ++i) CHECK(limit.Take("a", now) == 0ns);
  CHECK(limit.Take("a", now) == 100ms);
  CHECK(limit.Take("a", now + 40ms) == 60ms);  // what was refused does not count
  CHECK(limit.Take("b", now) == 0ns);
  CHECK(limit.Take("a", now + 100ms) == 0ns);
  CHECK(limit.Take("a", now + 100ms) == 100ms);
  // Four keys are kept; all further ones share one budget.
  for (const char* key : {"c", "d"}) CHECK(limit.Take(key, now) == 0ns);
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += limit.Take("x" + std::to_string(i), now) == 0ns ? 1 : 0;
  CHECK(passed == 3);
  CHECK(limit.Keys() == 4);
  // When the four are at rest, they make room.
  CHECK(limit.Take("y", now + 1h) == 0ns);
  CHECK(limit.Keys() == 1);
}

Request Ask(bool loopback, std::string token = {}, std::string host = "127.0.0.1:9464") {
  Request request;
  request.peer.loopback = loopback;
  request.peer.address = loopback ? "127.0.0.1" : "192.0.2.7";
  request.fields = {{"host", std::move(host)}};
  if (!token.empty()) request.fields.emplace_back("authorization", "Bearer " + token);
  return request;
}

std::shared_ptr<const Tokens> Two(const test::ScratchDir& scratch) {
  return std::make_shared<const Tokens>(
      Write(scratch, std::string("ops ") + kGood + "\nci " + kOther + "\n"));
}

TEST_CASE("access: who may do what") {
  const test::ScratchDir scratch;
  struct Row {
    Request request;
    bool changes;
    bool tokens;
    int status;  // 0: allowed
    const char* who;
  };
  Request local;
  local.peer.local = true;
  local.peer.uid = 1000;
  Request basic = Ask(true);
  basic.fields.emplace_back("authorization", "Basic b3BzOng=");
  Request lower = Ask(true);
  lower.fields.emplace_back("authorization", std::string("bearer ") + kGood);
  const Row rows[] = {
      {local, true, false, 0, "uid:1000"},
      {local, false, true, 0, "uid:1000"},
      {Ask(true), false, false, 0, "loopback"},
      {Ask(true, {}, "localhost"), false, true, 0, "loopback"},
      {Ask(true, {}, "[::1]:9464"), false, true, 0, "loopback"},
      {Ask(true, {}, "evil.example"), false, true, 421, "127.0.0.1"},
      {Ask(true, {}, ""), false, true, 421, "127.0.0.1"},
      {Ask(true), true, false, 403, "127.0.0.1"},
      {Ask(true), true, true, 401, "127.0.0.1"},
      {Ask(true, kGood), true, true, 0, "user:ops"},
      {lower, true, true, 0, "user:ops"},
      {basic, true, true, 401, "127.0.0.1"},
      {Ask(true, "wrong-wrong-wrong-wrong"), true, true, 401, "127.0.0.1"},
      {Ask(true, "wrong-wrong-wrong-wrong"), false, true, 401, "127.0.0.1"},
      {Ask(false), false, true, 401, "192.0.2.7"},
      {Ask(false), false, false, 403, "192.0.2.7"},
      {Ask(false, kOther, "evil.example"), false, true, 0, "user:ci"},
      {Ask(false, kOther), true, true, 0, "user:ci"},
  };
  for (const Row& row : rows) {
    Access access;
    if (row.tokens) access.Use(Two(scratch));
    const Verdict verdict = access.Judge(row.request, row.changes, TimePoint(1h));
    CAPTURE(row.who);
    CHECK(verdict.allowed == (row.status == 0));
    CHECK(verdict.status == row.status);
    CHECK(verdict.who == row.who);
  }
}

TEST_CASE("access: changes and refusals are limited in rate, reading over loopback is not") {
  const test::ScratchDir scratch;
  Access access;
  access.Use(Two(scratch));
  TimePoint now{1h};
  for (int i = 0; i < 10'000; ++i) CHECK(access.Judge(Ask(true), false, now).allowed);
  int changed = 0;
  for (int i = 0; i < 100; ++i)
    changed += access.Judge(Ask(true, kGood), true, now).allowed ? 1 : 0;
  CHECK(changed == 20);
  const Verdict late = access.Judge(Ask(true, kGood), true, now);
  CHECK(late.status == 429);
  CHECK(late.retry_after == 100ms);
  CHECK(access.Judge(Ask(true, kOther), true, now).allowed);  // another token has its own
  int refused = 0, limited = 0;
  for (int i = 0; i < 100; ++i) {
    const Verdict verdict = access.Judge(Ask(false, "wrong-wrong-wrong-wrong"), true, now);
    CHECK(verdict.reason == "wrong_token");
    refused += verdict.status == 401 ? 1 : 0;
    limited += verdict.status == 429 ? 1 : 0;
  }
  CHECK(refused == 10);
  CHECK(limited == 90);
  // Who guesses beside the owner does not lock the owner out.
  CHECK(access.Judge(Ask(false, kOther), true, now + 1s).allowed);
}

TEST_CASE("access: a token that a reload took away is worth nothing") {
  const test::ScratchDir scratch;
  Access access;
  access.Use(Two(scratch));
  CHECK(access.Judge(Ask(true, kGood), true, TimePoint(1h)).allowed);
  access.Use(std::make_shared<const Tokens>(Write(scratch, std::string("ci ") + kOther + "\n")));
  CHECK(access.Judge(Ask(true, kGood), true, TimePoint(1h)).status == 401);
  CHECK(access.Judge(Ask(true, kOther), true, TimePoint(1h)).allowed);
}

}  // namespace
}  // namespace perf::service
