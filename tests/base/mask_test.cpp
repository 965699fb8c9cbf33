// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <utility>

#include "libperf/base/random.hpp"
#include "libperf/base/url.hpp"

namespace perf {

TEST_CASE("mask: secrets in foreign text") {
  const std::pair<const char*, const char*> kCases[] = {
      {"cannot reach postgres://me:s3cret@h:5432/db now",
       "cannot reach postgres://me:***@h:5432/db now"},
      {"redis://:s3cret@h", "redis://:***@h"},
      {"'http://u:s3cret@h/'", "'http://u:***@h/'"},
      {"postgres://u:s3/cr@et@h/db", "postgres://u:***@h/db"},
      {"postgres://u:s3cr@et@h/db", "postgres://u:***@h/db"},
      {"two: a://u:s3cret@h b://v:s3cret@i", "two: a://u:***@h b://v:***@i"},
      {"host=h password=s3cret dbname=d", "host=h password=*** dbname=d"},
      {"password='s3 c\\'ret' user=u", "password='***' user=u"},
      {"password = s3cret", "password = ***"},
      {"PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"},
      {R"({"password": "s3cret", "x": 1})", R"({"password": "***", "x": 1})"},
      {R"({"client_secret":"s3\"cret"})", R"({"client_secret":"***"})"},
      {"access_token=s3cret&x=1", "access_token=***&x=1"},
      {"http://h/p?key=s3cret&x=1", "http://h/p?key=***&x=1"},
      {"http://h/p?x=1&auth=s3cret", "http://h/p?x=1&auth=***"},
      {"Authorization: Bearer s3cret.x-y", "Authorization: Bearer ***"},
      {"authorization: s3cret", "authorization: ***"},
      {"Authorization: Basic dTpw\r\nHost: h", "Authorization: Basic ***\r\nHost: h"},
      {"sent bearer s3cret to h", "sent bearer *** to h"},
      {"sent Basic dTpzM2NyZXQ= to h", "sent Basic *** to h"},
      {R"({"Authorization": "Bearer s3cret"})", R"({"Authorization": "Bearer ***"})"},
      {"password=\"s3cret", "password=\"***"},
      {"p%61ssword=s3cret", "p%61ssword=***"}};
  for (const auto& [text, masked] : kCases) CHECK(MaskSecrets(text) == masked);
}

TEST_CASE("mask: other text stays as it is") {
  for (const char* text :
       {"", "plain", "http://h:8080/a/b?x=1", "http://me@h/", "a@b.example: hello", "12:30:45",
        "duplicate key value violates unique constraint \"t_pkey\"", "Key (id)=(5) already exists.",
        "password authentication failed for user \"me\"", "the token expired", "monkey=1",
        "author=x", "basic authentication required", "bearer token missing", "see ://",
        "http://[::1]:80/", "password=", "http://h:80/mail?to=a@b"}) {
    CHECK(MaskSecrets(text) == text);
  }
}

TEST_CASE("mask: any bytes are walked to their end") {
  Random random(6);
  constexpr std::string_view kPieces[] = {
      "://", "@",       ":",      "/", "password", "=",  "'",   "\"", "\\",   " ",
      "%",   "bearer ", "Basic ", "?", "&",        "\n", "key", "a1", "\xff", "Authorization",
      "%4"};
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::int64_t n = random.Int(0, 12); n > 0; --n) {
      text += kPieces[random.Int(0, std::ssize(kPieces) - 1)];
    }
    CAPTURE(text);
    // Each mask takes the place of at least one byte.
    CHECK(MaskSecrets(text).size() <= text.size() * 3);
  }
}

TEST_CASE("mask: a long text takes time in proportion") {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "://";
  CHECK(MaskSecrets(text) == text);
}

}  // namespace perf
