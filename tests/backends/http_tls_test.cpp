// SPDX-License-Identifier: Apache-2.0
// TLS and HTTP/2 against a real nginx.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "libperf/backends/http.hpp"
#include "libperf/base/error.hpp"
#include "tests/backends/http_user.hpp"
#include "tests/backends/private_nginx.hpp"
#include "tests/backends/private_process.hpp"

namespace perf::test {
namespace {

using backends::HttpConfig;
using backends::HttpReply;
using backends::HttpRequest;
using backends::HttpVersion;

std::string Serve(const Authority::Pair& pair, const std::string& more = "") {
  return "ssl_certificate " + pair.certificate + "; ssl_certificate_key " + pair.key + ";\n" +
         more +
         "location / { return 200 \"$server_protocol $ssl_client_verify $connection\"; }\n"
         "location /echo { return 200 \"$request_method\"; }\n";
}

HttpConfig ConfigFor(const PrivateNginx& nginx, const std::string& ca_file) {
  HttpConfig config;
  config.base = Url::Parse("https://localhost:" + std::to_string(nginx.Port()));
  config.ca_file = ca_file;
  return config;
}

HttpRequest KeepAll() {
  HttpRequest request;
  request.keep_body = request.keep_headers = true;
  return request;
}

bool Skipped() {
  if (PrivateNginx::Installed()) return false;
  MESSAGE("skipped: nginx is not installed");
  return true;
}

struct Fixture {
  TemporaryDirectory directory;
  Authority authority{directory.Path(), "good"};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "tls: HTTP/2 where both can, HTTP/1.1 where asked for") {
  if (Skipped()) return;
  const PrivateNginx nginx(directory.Path(), "ssl http2", Serve(authority.Issue("localhost")));
  HttpConfig config = ConfigFor(nginx, authority.CaFile());
  int version = 20;
  std::string protocol = "HTTP/2.0 ";
  SUBCASE("auto") {}
  SUBCASE("h2") { config.version = HttpVersion::k2; }
  SUBCASE("h1") {
    config.version = HttpVersion::k11;
    version = 11;
    protocol = "HTTP/1.1 ";
  }
  HttpUser user(config);
  CHECK_FALSE(user.Probe());
  std::string first;
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Run(KeepAll());
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.status == 200);
    CHECK(reply.version == version);
    CHECK(reply.body.find(protocol) == 0);
    CHECK(reply.Header("Server") != nullptr);
    CHECK(reply.timing.sent <= reply.timing.first_byte);
    CHECK(reply.timing.first_byte <= reply.timing.done);
    // $connection is nginx's number of the connection: one for all.
    if (i == 0) first = reply.body;
    CHECK(reply.body == first);
  }
}

TEST_CASE_FIXTURE(Fixture, "tls: transfers share HTTP/2 connections") {
  if (Skipped()) return;
  const PrivateNginx nginx(
      directory.Path(), "ssl http2",
      Serve(authority.Issue("localhost")) + "location /status { stub_status; }\n");
  const HttpConfig config = ConfigFor(nginx, authority.CaFile());
  HttpUser user(config);
  CHECK_FALSE(user.Get().failure);
  CHECK(user.RunMany(20, 40) == 20 * 40);  // nginx gives a connection up after 1,000
  HttpRequest request = KeepAll();
  request.target = "/status";
  const HttpReply reply = user.Run(request);
  // "server accepts handled requests\n 1 1 1002": so many connections in all.
  const std::size_t at = reply.body.find("requests\n ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stoi(reply.body.substr(at + 10)) == 1);
}

TEST_CASE_FIXTURE(Fixture, "tls: a connection that the server gives up is replaced") {
  if (Skipped()) return;
  const PrivateNginx nginx(directory.Path(), "ssl http2",
                           Serve(authority.Issue("localhost")) + "keepalive_requests 10;\n");
  HttpConfig config = ConfigFor(nginx, authority.CaFile());
  SUBCASE("h2") { config.version = HttpVersion::k2; }
  SUBCASE("h1") { config.version = HttpVersion::k11; }
  HttpUser user(config);
  for (int i = 0; i < 45; ++i) {
    const HttpReply reply = user.Get();
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
  }
}

TEST_CASE_FIXTURE(Fixture, "tls: bodies, HEAD and methods over HTTP/2") {
  if (Skipped()) return;
  const PrivateNginx nginx(directory.Path(), "ssl http2",
                           Serve(authority.Issue("localhost"),
                                 "location /kept/ { dav_methods PUT; root " + directory.Path() +
                                     "; create_full_put_path on; client_max_body_size 64m; }\n"));
  HttpConfig config = ConfigFor(nginx, authority.CaFile());
  config.version = HttpVersion::k2;
  HttpUser user(config);
  HttpRequest request = KeepAll();
  request.target = "/echo";
  request.headers = {{"X-Some", "value"}};
  for (const char* method : {"GET", "PUT", "POST", "DELETE", "PATCH", "GET"}) {
    CAPTURE(method);
    request.method = method;
    request.body = request.method == "POST" ? std::string(1 << 10, 'b') : "";
    const HttpReply reply = user.Run(request);
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body == method);
  }
  request.method = "PUT";
  request.target = "/kept/large";
  request.body.assign(5 << 20, 'b');
  const HttpReply put = user.Run(request);
  CHECK_MESSAGE(!put.failure, put.failure.text);
  CHECK(put.status == 201);
  request.method = "GET";
  request.body.clear();
  CHECK(user.Run(request).body_bytes == 5 << 20);
  request.method = "HEAD";
  const HttpReply reply = user.Run(request);
  CHECK_MESSAGE(!reply.failure, reply.failure.text);
  CHECK(reply.status == 200);
  CHECK(reply.body_bytes == 0);
}

TEST_CASE_FIXTURE(Fixture, "tls: a server without HTTP/2 where it is asked for") {
  if (Skipped()) return;
  const PrivateNginx nginx(directory.Path(), "ssl", Serve(authority.Issue("localhost")));
  HttpConfig config = ConfigFor(nginx, authority.CaFile());
  config.version = HttpVersion::k2;
  CHECK(HttpUser(config).Get().failure.kind == ErrorKind::kProtocol);
  config.version = HttpVersion::kAuto;
  const HttpReply reply = HttpUser(config).Get();
  CHECK_FALSE(reply.failure);
  CHECK(reply.version == 11);
}

TEST_CASE_FIXTURE(Fixture, "tls: who cannot be trusted is refused while connecting") {
  if (Skipped()) return;
  const Authority other(directory.Path(), "other");
  Authority::Pair pair = authority.Issue("localhost");
  std::string ca_file = authority.CaFile();
  std::string why;
  SUBCASE("another authority") {
    ca_file = other.CaFile();
    why = "unable to get local issuer certificate";
  }
  SUBCASE("another host") {
    pair = authority.Issue("elsewhere.example");
    // curl 8 goes on with "hostname", 7 with "host name".
    why = "no alternative certificate subject name matches target host";
  }
  SUBCASE("expired") {
    pair = authority.Issue("localhost", -60);
    why = "certificate has expired";
  }
  SUBCASE("no authority given") {
    ca_file.clear();
    // A machine without the package ca-certificates trusts nobody, and curl says so.
    const bool any = std::filesystem::exists("/etc/ssl/certs/ca-certificates.crt");
    why = any ? "unable to get local issuer certificate" : "error setting certificate file";
  }
  const PrivateNginx nginx(directory.Path(), "ssl http2", Serve(pair));
  HttpConfig config = ConfigFor(nginx, ca_file);
  HttpUser user(config);
  const HttpReply reply = user.Get();
  CHECK(reply.failure.kind == ErrorKind::kConnect);
  CHECK_MESSAGE(reply.failure.text.find(why) != std::string::npos, reply.failure.text);
  CHECK_FALSE(user.Reusable());
  CHECK(user.Probe().kind == ErrorKind::kConnect);

  config.verify = false;
  const HttpReply trusting = HttpUser(config).Get();
  CHECK_MESSAGE(!trusting.failure, trusting.failure.text);
}

TEST_CASE_FIXTURE(Fixture, "tls: a client certificate where one is required") {
  if (Skipped()) return;
  const PrivateNginx nginx(
      directory.Path(), "ssl http2",
      Serve(authority.Issue("localhost"),
            "ssl_verify_client on; ssl_client_certificate " + authority.CaFile() + ";\n"));
  HttpConfig config = ConfigFor(nginx, authority.CaFile());
  // nginx finishes the handshake and answers 400.
  CHECK(HttpUser(config).Get().status == 400);
  const Authority::Pair own = authority.Issue("client");
  config.cert_file = own.certificate;
  config.key_file = own.key;
  const HttpReply reply = HttpUser(config).Run(KeepAll());
  CHECK_MESSAGE(!reply.failure, reply.failure.text);
  CHECK(reply.status == 200);
  CHECK(reply.body.find("SUCCESS") != std::string::npos);
}

/// A server that refuses in the handshake, where nginx answers 400.
struct StrictServer {
  StrictServer(const Authority& authority, const Authority::Pair& pair, const std::string& version,
               const std::string& directory)
      : port(FreePort()),
        process(directory,
                {"/usr/bin/openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(port),
                 "-cert", pair.certificate, "-key", pair.key, "-CAfile", authority.CaFile(),
                 "-Verify", "1", "-verify_return_error", "-www", "-quiet", version},
                SIGKILL) {
    REQUIRE(AwaitListener(port, process));
  }
  int port;
  PrivateProcess process;
};

TEST_CASE_FIXTURE(Fixture, "tls: client certificates that a server refuses in the handshake") {
  if (FirstProgram({"/usr/bin/openssl"}).empty()) {
    MESSAGE("SKIPPED: openssl not found: install openssl");
    return;
  }
  Authority other(directory.Path(), "stranger");
  const auto pair = authority.Issue("localhost");
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const StrictServer server(authority, pair, version, directory.Path());
    HttpConfig config;
    config.base = Url::Parse("https://localhost:" + std::to_string(server.port));
    config.ca_file = authority.CaFile();
    const auto refused = [&](const std::string& why) {
      const HttpReply reply = HttpUser(config).Get();
      CHECK(reply.failure.kind == ErrorKind::kConnect);
      CHECK_MESSAGE(reply.failure.text.find(why) != std::string::npos, reply.failure.text);
    };
    // TLS 1.2 has no word for it.
    refused(version == "-tls1_3" ? "certificate required" : "handshake failure");
    const auto own = other.Issue("client");
    config.cert_file = own.certificate;
    config.key_file = own.key;
    refused("unknown ca");
    const auto old = authority.Issue("client", -60);
    config.cert_file = old.certificate;
    config.key_file = old.key;
    refused("certificate expired");
    const auto good = authority.Issue("client");
    config.cert_file = good.certificate;
    config.key_file = good.key;
    const HttpReply reply = HttpUser(config).Get();
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.status == 200);
  }
}

TEST_CASE_FIXTURE(Fixture, "tls: a plain server behind https") {
  if (Skipped()) return;
  const PrivateNginx nginx(directory.Path(), "", "location / { return 200 plain; }\n");
  const HttpConfig config = ConfigFor(nginx, authority.CaFile());
  HttpUser user(config);
  CHECK(user.Get().failure.kind == ErrorKind::kConnect);
  CHECK(user.Probe().kind == ErrorKind::kConnect);
}

TEST_CASE_FIXTURE(Fixture, "http: both clients against a real server") {
  if (Skipped()) return;
  const PrivateNginx nginx(directory.Path(), "", "location / { return 200 plain; }\n");
  HttpConfig config;
  config.base = Url::Parse("http://localhost:" + std::to_string(nginx.Port()));
  SUBCASE("native") { config.client = backends::HttpClient::kNative; }
  SUBCASE("curl") { config.client = backends::HttpClient::kCurl; }
  HttpUser user(config);
  CHECK(user.Run(KeepAll()).body == "plain");
  CHECK(user.RunMany(16, 100) == 16 * 100);
}

}  // namespace perf::test
