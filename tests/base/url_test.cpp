// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/url.hpp"

#include <doctest/doctest.h>

#include "libperf/base/error.hpp"

namespace perf {

TEST_CASE("url: all parts") {
  const Url url =
      Url::Parse("PostgreSQL://us%65r:p%40ss%3A@db.example:6432/app?sslmode=require&a=b");
  CHECK(url.scheme == "postgresql");
  CHECK(url.user == "user");
  CHECK(url.password == "p@ss:");
  CHECK(url.host == "db.example");
  CHECK(url.port == 6432);
  CHECK(url.path == "/app");
  CHECK(url.query == "sslmode=require&a=b");
  CHECK(url.Authority() == "db.example:6432");
}

TEST_CASE("url: shapes that are read") {
  CHECK(Url::Parse("http://localhost").path.empty());
  CHECK(Url::Parse("http://localhost:8080/a%20b?q").path == "/a%20b");
  CHECK(Url::Parse("http://localhost?q=/x@y").query == "q=/x@y");
  CHECK(Url::Parse("http://localhost/a@b:c").host == "localhost");
  CHECK(Url::Parse("http://h:/").port == 0);
  CHECK(Url::Parse("redis://:pw@h/0").password == "pw");
  CHECK(Url::Parse("redis://:pw@h/0").user.empty());
  CHECK(Url::Parse("unix:///run/redis.sock").path == "/run/redis.sock");
  CHECK(Url::Parse("unix:/run/redis.sock").path == "/run/redis.sock");
  CHECK(Url::Parse("unix:///run/redis.sock").host.empty());
  CHECK(Url::Parse("postgres:///db?host=/run/pg").host.empty());
  CHECK(Url::Parse("postgres://%2Frun%2Fpg/db").host == "/run/pg");
  CHECK(Url::Parse("https://[::1]:443/").host == "::1");
  CHECK(Url::Parse("https://[::1]:443/").Authority() == "[::1]:443");
  CHECK(Url::Parse("https://[2001:db8::1]").Authority() == "[2001:db8::1]");
}

TEST_CASE("url: what is wrong is said without the password") {
  for (const char* text : {"",
                           "localhost",
                           "localhost:80",
                           "ftp://h",
                           "htp://h",
                           "http:h",
                           "http:/h",
                           "http://",
                           "http:///x",
                           "http://h:0",
                           "http://h:65536",
                           "http://h:-1",
                           "http://h:+80",
                           "http://h:80x",
                           "http://h:8 0",
                           "http://a b",
                           "http://h/a b",
                           "http://h/\n",
                           "http://[::1",
                           "http://[::1]x",
                           "http://[zz]",
                           "http://[]",
                           "http://h#f",
                           "redis:///0",
                           "unix://",
                           "unix:///",
                           "unix://h/x",
                           "http://%2Frun",
                           "postgres://%41/db",
                           "http://h\\x/",
                           "http://<h>/",
                           "redis://u@",
                           "postgres://u:s3cret@a@b/db",
                           "postgres://u:s3cret/x@h/db",
                           "postgres://u:s3cret#x@h/db",
                           "postgres://u:s3cret?x@h/db",
                           "http://u:s3cret@h:port",
                           "http://u:s3cret@[x]",
                           "http://a%00b@h",
                           "postgres://%2Fa%00b/db",
                           "postgres://a,b/db",
                           "postgres://a:1,b:2/db"}) {
    CAPTURE(text);
    std::string message;
    try {
      Url::Parse(text);
    } catch (const ConfigError& error) {
      message = error.what();
    }
    CHECK_FALSE(message.empty());
    CHECK(message.find("s3cret") == std::string::npos);
  }
  CHECK_THROWS_WITH_AS(Url::Parse("htp://h"), "invalid URL: unknown scheme; did you mean http?",
                       ConfigError);
}

TEST_CASE("url: masking keeps all but the secret") {
  CHECK(Url::Parse("postgres://me:pw@h:1/db?sslmode=require&sslpassword=x&options=y").Masked() ==
        "postgres://me:***@h:1/db?sslmode=require&sslpassword=***&options=y");
  CHECK(Url::Parse("redis://:pw@h").Masked() == "redis://:***@h");
  CHECK(Url::Parse("http://me@h/").Masked() == "http://me@h/");
  CHECK(Url::Parse("http://h/p?api_key=1&Access-Token=2&x=3&p%61ssword=4&AUTH=5").Masked() ==
        "http://h/p?api_key=***&Access-Token=***&x=3&p%61ssword=***&AUTH=***");
  CHECK(Url::Parse("unix:/run/s").Masked() == "unix:///run/s");
  CHECK(Url::Parse("postgres://%2Frun%2Fpg/db").Masked() == "postgres://%2Frun%2Fpg/db");
  CHECK(Url::Parse("http://u%40x:p@h").Masked() == "http://u%40x:***@h");
}

TEST_CASE("url: loopback hosts") {
  for (const char* host : {"", "localhost", "LOCALHOST", "127.0.0.1", "127.255.0.9", "::1",
                           "0:0:0:0:0:0:0:1", "/run/postgresql"}) {
    CAPTURE(host);
    CHECK(IsLoopback(host));
  }
  for (const char* host :
       {"localhost.example", "example", "128.0.0.1", "127.1", "0177.0.0.1", "2130706433",
        "127.0.0.1.example", "127.0.0.1 ", " 127.0.0.1", "127.0.0.256", "0.0.0.0", "::", "::2",
        "[::1]", "10.0.0.1", "127.0.0.1\n", "localhost.", "::ffff:127.0.0.1"}) {
    CAPTURE(host);
    CHECK_FALSE(IsLoopback(host));
  }
  CHECK_FALSE(IsLoopback(std::string_view("127.0.0.1\0x", 11)));
  CHECK_FALSE(IsLoopback(std::string(10'000, '1')));
}

TEST_CASE("url: percent encoding") {
  CHECK(PercentEncode("a-Z_0.~ /ä%") == "a-Z_0.~%20%2F%C3%A4%25");
  CHECK(PercentDecode("a%20%2f%C3%A4") == "a /ä");
  CHECK(PercentDecode("%") == "%");
  CHECK(PercentDecode("%4") == "%4");
  CHECK(PercentDecode("%zz%41") == "%zzA");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(PercentDecode(PercentEncode(all)) == all);
}

}  // namespace perf
