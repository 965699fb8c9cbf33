// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/digest.hpp"

#include <openssl/evp.h>

#include <array>

#include "libperf/base/error.hpp"

namespace perf::backends {

namespace {

std::string Hex(std::string_view text, const EVP_MD* algorithm) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, algorithm, nullptr) != 1) {
    throw Error("OpenSSL cannot compute a digest");
  }
  std::string hex;
  hex.reserve(std::size_t{2} * size);
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

}  // namespace

std::string Sha256Hex(std::string_view text) { return Hex(text, EVP_sha256()); }

std::string Sha1Hex(std::string_view text) { return Hex(text, EVP_sha1()); }

}  // namespace perf::backends
