// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/tls_files.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "libperf/base/text.hpp"
#include "private_nginx.hpp"

namespace perf::backends {
namespace {

struct Files {
  Files() : authority(directory.Path(), "perfkit test") {}
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory.Path() + "/" + name, std::ios::binary) << text;
    return directory.Path() + "/" + name;
  }
  test::TemporaryDirectory directory;
  test::Authority authority;
};

std::string Text(const std::string& path) { return ReadFile(path, 1 << 20); }

bool Says(const std::string& fault, const std::string& path, std::string_view part) {
  CAPTURE(fault);
  CHECK(fault.starts_with(path + ": "));
  return fault.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("tls files: a file of certificates") {
  Files files;
  const auto pair = files.authority.Issue("localhost");
  CHECK(CertificateFault(files.authority.CaFile()) == "");
  CHECK(CertificateFault(pair.certificate) == "");
  const std::string two = Text(pair.certificate) + "# a remark\n" + Text(files.authority.CaFile());
  CHECK(CertificateFault(files.Write("two", two)) == "");

  const auto refused = [&](const std::string& name, const std::string& text,
                           std::string_view part) {
    const std::string path = files.Write(name, text);
    return Says(CertificateFault(path), path, part);
  };
  CHECK(refused("empty", "", "holds no certificate"));
  CHECK(refused("text", "scenario: x\n", "-----BEGIN CERTIFICATE-----"));
  CHECK(refused("der", std::string("\x30\x82\x01\x0a\x02\x82", 6), "openssl x509"));
  CHECK(refused("key", Text(pair.key), "holds no certificate"));
  const std::string good = Text(pair.certificate);
  CHECK(refused("cut", good.substr(0, good.size() / 2), "certificate 1 cannot be read"));
  CHECK(refused("second", good + good.substr(0, good.size() / 2), "certificate 2 cannot be read"));
  CHECK(Says(CertificateFault("/nowhere/ca.pem"), "/nowhere/ca.pem", "No such file"));
  CHECK(Says(CertificateFault("/dev/zero"), "/dev/zero", "not a regular file"));
  CHECK(Says(CertificateFault(files.directory.Path()), files.directory.Path(), "directory"));
}

TEST_CASE("tls files: a key has to be readable and that of its certificate") {
  Files files;
  const auto pair = files.authority.Issue("localhost");
  const auto other = files.authority.Issue("localhost");
  CHECK(KeyFault(pair.key, pair.certificate) == "");
  const std::string both = files.Write("both", Text(pair.certificate) + Text(pair.key));
  CHECK(KeyFault(both, both) == "");
  CHECK(Says(KeyFault(other.key, pair.certificate), other.key, "is not that of the certificate"));
  CHECK(Says(KeyFault(pair.certificate, pair.certificate), pair.certificate, "no private key"));
  CHECK(Says(KeyFault("/nowhere", pair.certificate), "/nowhere", "No such file"));
  // Nobody is asked for a passphrase: the terminal would wait for ever.
  const std::string locked = files.Write(
      "locked",
      "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
      "-----END EC PRIVATE KEY-----\n");
  CHECK(Says(KeyFault(locked, pair.certificate), locked, "encrypted"));
}

}  // namespace perf::backends
