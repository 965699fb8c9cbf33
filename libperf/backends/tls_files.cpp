// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/tls_files.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kMostBytes = std::size_t{16} << 20;  // the system's own bundle has 0.2 MiB

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

/// Tells OpenSSL that there is no passphrase, and remembers that it asked: by default it would
/// read one from the terminal.
int NoPassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Certificate ReadCertificate(BIO* reader) {
  bool asked = false;
  return Certificate(PEM_read_bio_X509_AUX(reader, nullptr, NoPassphrase, &asked));
}

/// Whether reading ended because no further block begins; clears the errors.
bool AtEnd() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

constexpr std::string_view kCertificateRemedy =
    "expected PEM, text with -----BEGIN CERTIFICATE----- (DER can be converted: openssl x509 "
    "-inform DER -in FILE -out FILE.pem)";

}  // namespace

std::string CertificateFault(const std::string& path) {
  std::string text;
  try {
    text = ReadFile(path, kMostBytes);
  } catch (const ConfigError& error) {
    return error.what();
  }
  const Bio reader = Reader(text);
  std::size_t found = 0;
  ERR_clear_error();
  while (ReadCertificate(reader.get()) != nullptr) ++found;
  if (!AtEnd()) {
    return fmt::format("{}: certificate {} cannot be read: {}", path, found + 1,
                       kCertificateRemedy);
  }
  if (found == 0) return fmt::format("{}: holds no certificate: {}", path, kCertificateRemedy);
  return {};
}

std::string KeyFault(const std::string& path, const std::string& certificate_path) {
  std::string text;
  std::string certificate_text;
  try {
    text = ReadFile(path, kMostBytes);
    certificate_text = ReadFile(certificate_path, kMostBytes);
  } catch (const ConfigError& error) {
    return error.what();
  }
  const Bio reader = Reader(text);
  bool asked = false;
  const Key key(PEM_read_bio_PrivateKey(reader.get(), nullptr, NoPassphrase, &asked));
  ERR_clear_error();
  if (asked) {
    return fmt::format(
        "{}: the private key is encrypted, and nobody is there to type its passphrase: openssl "
        "pkey -in FILE -out FILE.plain",
        path);
  }
  if (key == nullptr) {
    return fmt::format(
        "{}: holds no private key that can be read: expected PEM, text with -----BEGIN PRIVATE "
        "KEY-----",
        path);
  }
  const Bio beside = Reader(certificate_text);
  const Certificate certificate = ReadCertificate(beside.get());
  const bool fits =
      certificate != nullptr && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (certificate == nullptr || fits) return {};  // a bad certificate is another complaint
  return fmt::format("{}: the private key is not that of the certificate in {}", path,
                     certificate_path);
}

}  // namespace perf::backends
