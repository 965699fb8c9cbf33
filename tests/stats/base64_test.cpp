// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/base64.hpp"

#include <doctest/doctest.h>

#include "libperf/base/random.hpp"

namespace perf::stats {

TEST_CASE("base64: the vectors of RFC 4648") {
  const std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : kVectors) {
    CHECK(EncodeBase64(plain) == text);
    CHECK(DecodeBase64(text) == plain);
  }
}

TEST_CASE("base64: any bytes come back") {
  Random random(2);
  for (int length = 0; length < 200; ++length) {
    std::string bytes;
    for (int i = 0; i < length; ++i) bytes += static_cast<char>(random.Int(-128, 127));
    CHECK(DecodeBase64(EncodeBase64(bytes)) == bytes);
  }
}

TEST_CASE("base64: what is not canonical is refused") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zm8", "Zm9v\n", "Zm-v",
                           "Z===", "====", "Zh==", "Zm9=", "=Zg=", "Zg==Zg==", "Zm 9"}) {
    CAPTURE(text);
    CHECK_FALSE(DecodeBase64(text).has_value());
  }
}

}  // namespace perf::stats
