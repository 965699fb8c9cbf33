// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/value_codec.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

using namespace perf;
using namespace perf::cache;

namespace {

template <typename T>
std::string Encoded(const T& value) {
  std::string out = "left over";
  ValueCodec<T>().Encode(value, out);
  return out;
}

template <typename T>
void RoundTrip(const T& value) {
  const auto back = ValueCodec<T>().Decode(Encoded(value));
  REQUIRE(back);
  CHECK(*back == value);
}

enum class Colour : std::uint8_t { kRed = 1, kBlue = 200 };

static_assert(CodecOf<ValueCodec<std::string>, std::string>);
static_assert(CodecOf<ValueCodec<Json>, Json>);
static_assert(CodecOf<ValueCodec<double>, double>);

}  // namespace

TEST_CASE("value codec: what goes in comes out") {
  RoundTrip(std::string());
  RoundTrip(std::string("a\0b", 3));
  RoundTrip(Json::TryParse(R"({"a": [1, null, "x"]})").value());
  RoundTrip(std::int64_t{-1});
  RoundTrip(std::numeric_limits<std::int64_t>::min());
  RoundTrip(std::numeric_limits<std::uint64_t>::max());
  RoundTrip(std::int32_t{-7});
  RoundTrip(true);
  RoundTrip(1.5F);
  RoundTrip(-0.25);
  RoundTrip(Colour::kBlue);
}

TEST_CASE("value codec: numbers have one form on every machine") {
  CHECK(Encoded(std::uint32_t{0x01020304}) == std::string("\x14\x04\x03\x02\x01", 5));
  CHECK(Encoded(std::int16_t{-2}) == std::string("\x22\xfe\xff", 3));
}

TEST_CASE("value codec: bytes of another type are no value") {
  CHECK(!ValueCodec<Json>().Decode("{\"a\":"));
  CHECK(!ValueCodec<std::int64_t>().Decode(""));
  CHECK(!ValueCodec<std::int64_t>().Decode("12345678"));
  CHECK(!ValueCodec<std::int64_t>().Decode(Encoded(std::uint64_t{1})));
  CHECK(!ValueCodec<std::int64_t>().Decode(Encoded(std::int32_t{1})));
  CHECK(!ValueCodec<double>().Decode(Encoded(std::int64_t{1})));
  CHECK(!ValueCodec<std::int64_t>().Decode(Encoded(std::int64_t{1}) + "x"));
  CHECK(!ValueCodec<bool>().Decode(std::string("\x11\x02", 2)));
}
