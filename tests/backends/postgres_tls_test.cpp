// SPDX-License-Identifier: Apache-2.0
// TLS, certificates and passwords against a real PostgreSQL that listens on TCP.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/postgres.hpp"
#include "tests/backends/private_nginx.hpp"
#include "tests/backends/private_process.hpp"
#include "tests/backends/tls_dial.hpp"

namespace perf::test {
namespace {

namespace fs = std::filesystem;
using backends::EventLoop;
using backends::PostgresConfig;
using backends::PostgresConnection;
using backends::SqlReply;
using backends::SqlStatement;
using backends::test::Says;
using backends::test::Soon;
using backends::test::TryDial;

/// /usr/lib/postgresql/VERSION/bin
std::string PostgresBinary(const std::string& name) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    paths.push_back(entry.path() / "bin" / name);
  }
  return FirstProgram(paths);
}

void Write(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Made once for all cases, for initdb takes its time.
class TlsPostgres {
 public:
  explicit TlsPostgres(const std::string& initdb) {
    const std::string& directory = directory_.Path();
    REQUIRE(::chmod(directory.c_str(), 0755) == 0);
    data_ = directory + "/server";
    REQUIRE(fs::create_directory(data_));
    GiveTo("postgres", data_);
    const std::string password = data_ + "/password";
    Write(password, "right\n");
    GiveTo("postgres", password);
    REQUIRE(PrivateProcess(data_,
                           {initdb, "-D", data_ + "/data", "-U", "admin", "-N", "-A",
                            "scram-sha-256", "--pwfile=" + password, "--locale=C"},
                           SIGKILL)
                .Finish());
    port_ = FreePort();
    Write(data_ + "/data/pg_hba.conf",
          "hostssl all certified all cert\nhostssl all all all scram-sha-256\n");
    Put("ca.pem", authority_.CaFile());
  }
  /// Starts it with that certificate.
  void Serve(const Authority::Pair& pair) {
    server_.reset();
    fs::remove(data_ + "/data/postmaster.pid");
    Put("server.crt", pair.certificate);
    Put("server.key", pair.key);
    const std::string data = data_ + "/data";
    std::vector<std::string> arguments = {PostgresBinary("postgres"), "-D", data};
    for (const std::string& setting :
         {std::string("listen_addresses=127.0.0.1"), fmt::format("port={}", port_),
          std::string("unix_socket_directories="), std::string("ssl=on"),
          std::string("ssl_cert_file=server.crt"), std::string("ssl_key_file=server.key"),
          std::string("ssl_ca_file=ca.pem"), std::string("fsync=off"),
          std::string("dynamic_shared_memory_type=mmap"), std::string("max_connections=20")}) {
      arguments.insert(arguments.end(), {"-c", setting});
    }
    server_ = std::make_unique<PrivateProcess>(data_, arguments, SIGQUIT);
    // Line 8 of it, as pg_ctl reads it.
    const Deadline patience = Soon();
    while (ReadText(data + "/postmaster.pid").find("\nready") == std::string::npos) {
      REQUIRE(server_->Lives());
      REQUIRE_FALSE(patience.Passed(Clock::now()));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  Authority& Ca() { return authority_; }
  const std::string& Directory() const { return directory_.Path(); }
  int Port() const { return port_; }
  std::string Conninfo(const std::string& more, const std::string& host = "localhost") const {
    return fmt::format("host={} hostaddr=127.0.0.1 port={} dbname=postgres {}", host, port_, more);
  }

 private:
  void Put(const std::string& name, const std::string& from) {
    const std::string to = data_ + "/data/" + name;
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
    REQUIRE(::chmod(to.c_str(), 0600) == 0);
    GiveTo("postgres", to);
  }
  TemporaryDirectory directory_;
  Authority authority_{directory_.Path(), "good"};
  std::string data_;
  int port_ = 0;
  std::unique_ptr<PrivateProcess> server_;
};

TlsPostgres* Server() {
  static const std::string initdb = PostgresBinary("initdb");
  if (initdb.empty()) {
    MESSAGE("SKIPPED: initdb not found: install postgresql");
    return nullptr;
  }
  static TlsPostgres server(initdb);
  return &server;
}

/// Notes where a session is not encrypted.
Task<void> LookForTls(PostgresConnection& session, std::string& text) {
  SqlStatement statement;
  statement.text = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
  SqlReply reply;
  co_await session.Execute(statement, {}, reply, Soon());
  CHECK(reply.failure.text == "");
  if (reply.Value(0, 0) != "t") text = "not encrypted";
}

std::string Try(const std::string& conninfo) {
  CAPTURE(conninfo);
  PostgresConfig config;
  config.conninfo = conninfo;
  return TryDial([&](EventLoop& loop) { return backends::MakePostgresConnector(loop, config); },
                 LookForTls);
}

}  // namespace

TEST_CASE("postgres tls: a server whose certificate is good is trusted, up to its name") {
  TlsPostgres* const server = Server();
  if (server == nullptr) return;
  server->Serve(server->Ca().Issue("localhost"));
  const std::string user = " user=admin password=right";
  const std::string ca = " sslrootcert=" + server->Ca().CaFile();
  CHECK(Try(server->Conninfo("sslmode=verify-full" + ca + user)) == "");
  CHECK(Try(server->Conninfo("sslmode=verify-ca" + ca + user)) == "");
  CHECK(Try(server->Conninfo("sslmode=require" + user)) == "");
  // By its name alone, resolved here.
  CHECK(Try(fmt::format("host=localhost port={} dbname=postgres sslmode=verify-full{}{}",
                        server->Port(), ca, user)) == "");
  CHECK(Try(fmt::format("postgresql://admin:right@localhost:{}/postgres?sslmode=verify-full&"
                        "sslrootcert={}",
                        server->Port(), server->Ca().CaFile())) == "");
  Says(Try(server->Conninfo("sslmode=disable" + user)), "no encryption");
}

TEST_CASE("postgres tls: wrong authority, host name and expired certificate are told apart") {
  TlsPostgres* const server = Server();
  if (server == nullptr) return;
  const std::string user = " user=admin password=right";
  const std::string full = "sslmode=verify-full sslrootcert=";
  const std::string good = full + server->Ca().CaFile() + user;
  server->Serve(server->Ca().Issue("localhost"));
  const Authority other(server->Directory(), "other");
  Says(Try(server->Conninfo(full + other.CaFile() + user)), "certificate verify failed (self");
  Says(Try(server->Conninfo(full + "/nowhere/ca.pem" + user)), "/nowhere/ca.pem");
  Says(Try(server->Conninfo(good, "elsewhere.example")), "does not match host name");
  server->Serve(server->Ca().Issue("localhost", -60));
  Says(Try(server->Conninfo(good)), "certificate verify failed (certificate has expired)");
  CHECK(Try(server->Conninfo("sslmode=require" + user)) == "");
}

TEST_CASE("postgres tls: client certificates") {
  TlsPostgres* const server = Server();
  if (server == nullptr) return;
  server->Serve(server->Ca().Issue("localhost"));
  const std::string base =
      "sslmode=verify-full user=certified sslrootcert=" + server->Ca().CaFile();
  const auto with = [&](const Authority::Pair& pair) {
    REQUIRE(::chmod(pair.key.c_str(), 0600) == 0);
    return Try(server->Conninfo(base + " sslcert=" + pair.certificate + " sslkey=" + pair.key));
  };
  Says(Try(server->Conninfo(base)), "connection requires a valid client certificate");
  Says(with(server->Ca().Issue("somebody")), "certificate authentication failed");
  // The role is missing, which is looked at behind the certificate.
  Says(with(server->Ca().Issue("certified")), "role \"certified\" does not exist");
  Says(with(server->Ca().Issue("certified", -60)), "certificate expired");
  Authority other(server->Directory(), "stranger");
  Says(with(other.Issue("certified")), "unknown ca");
}

TEST_CASE("postgres tls: passwords, from the text and from password files") {
  TlsPostgres* const server = Server();
  if (server == nullptr) return;
  server->Serve(server->Ca().Issue("localhost"));
  const std::string base = "sslmode=require user=admin";
  Says(Try(server->Conninfo(base + " password=wrong-secret")), "password authentication failed");
  Says(Try(server->Conninfo(base + " passfile=/nowhere")), "no password supplied");
  const std::string good = server->Directory() + "/passes";
  const std::string bad = server->Directory() + "/other-passes";
  Write(good, fmt::format("other:*:*:*:wrong-secret\nlocalhost:{}:postgres:admin:right\n",
                          server->Port()));
  Write(bad, "localhost:*:*:*:wrong-secret\n");
  CHECK(Try(server->Conninfo(base + " passfile=" + good)) == "");
  Says(Try(server->Conninfo(base + " passfile=" + bad)), "password authentication failed");
  ::setenv("PGPASSFILE", good.c_str(), 1);
  CHECK(Try(server->Conninfo(base)) == "");
  CHECK(Try(fmt::format("host=localhost port={} dbname=postgres {}", server->Port(), base)) == "");
  ::unsetenv("PGPASSFILE");
  REQUIRE(::chmod(good.c_str(), 0644) == 0);
  // libpq ignores one that others can read.
  Says(Try(server->Conninfo(base + " passfile=" + good)), "no password supplied");
}

}  // namespace perf::test
