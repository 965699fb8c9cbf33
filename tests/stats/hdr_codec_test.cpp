// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/hdr_codec.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <cmath>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/stats/base64.hpp"

namespace perf::stats {
namespace {

// Written by the independent Python implementation (hdrhistogram 0.10.8).
constexpr const char* kEmpty = "HISTFAAAABx4nJNpmSzMgADMUJoRRFybvITB/gNEAABQ2gSH";
// 0, 1, 2047, 2048, 2049, 1000000 and 3599999999 once, 5 a million times.
constexpr const char* kEdges =
    "HISTFAAAADJ4nJNpmSzMwMAgxAABzFCaEURcm7yEwf4DRICJibWhs+qjPBPL/j5GpsV7GJkA1zsJ7Q==";
// i * i * 200000 for i from 1 to 500; range 1000 to 60e9, two digits.
constexpr const char* kWide =
    "HISTFAAAANR4nI2NMQrCQBBFd/8mhBCChCAiKiIWYiEW1pLCIlfQA3gAz6CewENYeRSPYG9paSM4yaxJNlnRffv/vF"
    "kI6R9OsRC4CT7goe5U4TNdi+TBL0cXL4ULcJU4S+wldthgiwRLrJBigilmmGOBEXoYEEOyMSVGRInRzukQXdoChHmY"
    "Vp6MiAjhwad4evoGQZEMl1CVruMVXYbhbySFu7Tq/IZrmRypKcTQ3yiLq8amGpb9h8sQHVMNa1yL2paa6+NY7J8jrY"
    "u0Tms7GY4xKpjyKX3f2OAWIw==";
// 42 2^40 times, 77777 127 times, 99999 128 times.
constexpr const char* kLarge =
    "HISTFAAAAC14nJNpmSzMwMDAzwABzFCaEURcm7yEwf4DRCC4AQQclhf9Y9zM2sAEAM7cCvs=";

std::string Big(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 255);
  return out;
}

std::string Pack(const std::string& plain) {
  uLongf size = compressBound(plain.size());
  std::string packed(size, '\0');
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                   reinterpret_cast<const Bytef*>(plain.data()), plain.size()) == Z_OK);
  packed.resize(size);
  return EncodeBase64(Big(0x1c849314, 4) + Big(packed.size(), 4) + packed);
}

struct Plain {
  std::uint64_t cookie = 0x1c849313;
  std::uint64_t offset = 0;
  std::uint64_t digits = 3;
  std::uint64_t lowest = 1;
  std::uint64_t highest = 3'600'000'000;
  std::string counts{};
  std::uint64_t missing = 0;  // bytes that the header announces and that are not there

  std::string Text() const {
    return Pack(Big(cookie, 4) + Big(counts.size() + missing, 4) + Big(offset, 4) + Big(digits, 4) +
                Big(lowest, 8) + Big(highest, 8) + Big(0x3ff0000000000000, 8) + counts);
  }
};

void CheckSameCounts(const Histogram& a, const Histogram& b) {
  REQUIRE(a.BucketCount() == b.BucketCount());
  CHECK(a.Count() == b.Count());
  for (std::size_t i = 0; i < a.BucketCount(); ++i) REQUIRE(a.CountAt(i) == b.CountAt(i));
}

}  // namespace

TEST_CASE("hdr codec: reads what another implementation wrote") {
  const Histogram empty = Decode(kEmpty);
  CHECK(empty.Count() == 0);
  CHECK(empty.Config() == HistogramConfig{});

  Histogram edges;
  for (const std::int64_t value :
       std::initializer_list<std::int64_t>{0, 1, 2047, 2048, 2049, 1'000'000, 3'599'999'999}) {
    edges.Record(value);
  }
  edges.Record(5, 1'000'000);
  CheckSameCounts(Decode(kEdges), edges);

  const HistogramConfig wide_config{1000, 60'000'000'000, 2};
  Histogram wide(wide_config);
  for (std::int64_t i = 1; i <= 500; ++i) wide.Record(i * i * 200'000);
  const Histogram wide_read = Decode(kWide);
  CHECK(wide_read.Config() == wide_config);
  CheckSameCounts(wide_read, wide);
  CHECK(wide_read.ValueAtQuantile(0.5) == 12'549'357'567);
  CHECK(wide_read.ValueAtQuantile(0.99) == 49'123'688'447);

  Histogram large;
  large.Record(42, std::uint64_t{1} << 40);
  large.Record(77'777, 127);
  large.Record(99'999, 128);
  CheckSameCounts(Decode(kLarge), large);
}

TEST_CASE("hdr codec: the plain bytes are those that another implementation writes") {
  // The compressed bytes depend on zlib's version, so what is compared is read back.
  for (const char* golden : {kEmpty, kEdges, kWide, kLarge}) {
    const Histogram read = Decode(golden);
    CheckSameCounts(Decode(Encode(read)), read);
    CHECK(Encode(read).substr(0, 6) == std::string(golden).substr(0, 6));
  }
}

TEST_CASE("hdr codec: a copy has the same counts, and its extremes to the resolution") {
  Random random(9);
  for (const HistogramConfig& config :
       {HistogramConfig{}, HistogramConfig{1, 1'000'000, 2}, HistogramConfig{1, 1 << 30, 5},
        HistogramConfig{1000, 60'000'000'000, 4}}) {
    Histogram histogram(config);
    const double scale = 20'000.0 * static_cast<double>(config.lowest);
    for (int i = 0; i < 2000; ++i) {
      histogram.Record(static_cast<std::int64_t>(scale * std::exp(2 * random.Normal())),
                       static_cast<std::uint64_t>(random.Int(1, std::int64_t{1} << 40)));
    }
    const Histogram copy = Decode(Encode(histogram));
    CHECK(copy.Config() == config);
    CheckSameCounts(copy, histogram);
    CHECK(copy.Min() <= histogram.Min());
    CHECK(copy.Max() >= histogram.Max());
    CHECK(copy.IndexOf(copy.Max()) == histogram.IndexOf(histogram.Max()));
    CHECK(copy.Mean() == doctest::Approx(histogram.Mean()).epsilon(std::pow(10, -config.digits)));
    CHECK(Encode(copy) == Encode(histogram));
  }
}

TEST_CASE("hdr codec: a value in the last bucket survives") {
  Histogram histogram;
  histogram.Record(3'600'000'000, 2);
  const Histogram copy = Decode(Encode(histogram) + "\n");
  CheckSameCounts(copy, histogram);
  CHECK(copy.Max() == 3'600'000'000);
  CHECK(copy.Saturated() == 0);
}

TEST_CASE("hdr codec: damaged input is an error") {
  CHECK_THROWS_AS(Decode(""), ConfigError);
  CHECK_THROWS_AS(Decode("HIST"), ConfigError);
  CHECK_THROWS_AS(Decode("not base64!"), ConfigError);
  CHECK_THROWS_AS(Decode(std::string(kEdges) + "AAAA"), ConfigError);
  CHECK_THROWS_AS(Decode(EncodeBase64(Big(0x1c849313, 4) + Big(0, 4))), ConfigError);
  CHECK_THROWS_AS(Decode(EncodeBase64(Big(0x1c849314, 4) + Big(3, 4) + "abc")), ConfigError);
  const std::string good = kWide;
  for (std::size_t length = 0; length < good.size(); length += 4) {
    CHECK_THROWS_AS(Decode(good.substr(0, length)), ConfigError);
  }
  // A flipped bit is found by zlib's checksum or makes another valid text; it never crashes.
  std::string bytes = *DecodeBase64(good);
  int refused = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      Decode(EncodeBase64(damaged));
    } catch (const ConfigError&) {
      ++refused;
    }
  }
  CHECK(refused > static_cast<int>(bytes.size()) * 7);
}

TEST_CASE("hdr codec: a hostile header is refused") {
  CHECK_NOTHROW(Decode(Plain{}.Text()));
  CHECK_THROWS_AS(Decode(Plain{.cookie = 0x1c849301}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.offset = 1}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.digits = 0}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.digits = 0xffffffff}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.lowest = 0}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.lowest = ~std::uint64_t{0}}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.highest = ~std::uint64_t{0}}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.digits = 5, .highest = std::uint64_t{1} << 62}.Text()),
                  ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.counts = "\x02", .missing = 100}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.missing = 0xffffffff}.Text()), ConfigError);
}

TEST_CASE("hdr codec: hostile counts are refused") {
  const std::string most = "\xff\xff\xff\xff\xff\xff\xff\xff\xff";  // the smallest negative number
  CHECK_THROWS_AS(Decode(Plain{.counts = most}.Text()), ConfigError);
  const std::string largest = "\xfe\xff\xff\xff\xff\xff\xff\xff\xff";  // 2^63 - 1
  CHECK(Decode(Plain{.counts = largest}.Text()).Count() == 0x7fffffffffffffff);
  CHECK_THROWS_AS(Decode(Plain{.counts = largest + "\x02"}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.counts = "\x80"}.Text()), ConfigError);
  const std::size_t buckets = Histogram().BucketCount();
  CHECK(Decode(Plain{.counts = std::string(buckets, '\x02')}.Text()).Count() == buckets);
  CHECK_THROWS_AS(Decode(Plain{.counts = std::string(buckets + 1, '\x02')}.Text()), ConfigError);
  CHECK_THROWS_AS(Decode(Plain{.counts = std::string(10'000'000, '\0')}.Text()), ConfigError);
}

TEST_CASE("hdr codec: what lies above the range is kept as saturated") {
  // Bucket of 4e9, which other implementations fill although highest is 3.6e9.
  const Histogram layout;
  std::string counts(layout.IndexOf(4'000'000'000), '\0');
  counts += '\x0a';
  const Histogram read = Decode(Plain{.counts = counts}.Text());
  CHECK(read.Count() == 5);
  CHECK(read.Saturated() == 5);
  CHECK(read.Max() == 3'600'000'000);
}

}  // namespace perf::stats
