// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/frame.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "libperf/base/random.hpp"
#include "libperf/cache/compression.hpp"
#include "libperf/cache/second_tier.hpp"

namespace perf::cache {
namespace {

Frame Example(std::string bytes) {
  Frame frame;
  frame.stamp = 0x0102030405060708ULL;
  frame.ttl = std::chrono::seconds(60);
  frame.stale_while_revalidate = std::chrono::seconds(5);
  frame.stale_if_error = std::chrono::hours(100);
  frame.load_time = std::chrono::milliseconds(3);
  frame.tags = {{"", 7}, {"guests", 1'700'000'000'000'000ULL}};
  frame.bytes = std::move(bytes);
  return frame;
}

constexpr std::size_t kMost = 1 << 20;

TEST_CASE("a frame comes back as it was, with each codec") {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += "guest " + std::to_string(i % 7) + ";";
  for (const Codec codec : {Codec::kNone, Codec::kLz4, Codec::kZstd}) {
    for (const std::string& value :
         {bytes, std::string(), std::string("x"), std::string(1, '\0')}) {
      const Frame frame = Example(value);
      const std::string encoded = EncodeFrame("key", frame, {codec, 100, 3});
      const auto decoded = DecodeFrame("key", encoded, kMost);
      REQUIRE(decoded);
      CHECK(decoded->bytes == value);
      CHECK(decoded->stamp == frame.stamp);
      CHECK(decoded->ttl == frame.ttl);
      CHECK(decoded->stale_while_revalidate == frame.stale_while_revalidate);
      CHECK(decoded->stale_if_error == frame.stale_if_error);
      CHECK(decoded->load_time == frame.load_time);
      CHECK(decoded->tags == frame.tags);
    }
    const std::string encoded = EncodeFrame("key", Example(bytes), {codec, 100, 3});
    CHECK((encoded.size() < bytes.size() / 4) == (codec != Codec::kNone));
  }
}

TEST_CASE("what does not get smaller, or is below the threshold, is not packed") {
  Random random(4);
  std::string noise;
  for (int i = 0; i < 5000; ++i) noise.push_back(static_cast<char>(random.Next()));
  CHECK_FALSE(Pack(noise, {Codec::kZstd, 100, 3}));
  CHECK_FALSE(Pack(noise, {Codec::kLz4, 100, 3}));
  CHECK_FALSE(Pack(std::string(99, 'a'), {Codec::kLz4, 100, 3}));
  CHECK(Pack(std::string(100, 'a'), {Codec::kLz4, 100, 3}));
}

TEST_CASE("the stamp stands where the tier compares it, big endian") {
  const std::string encoded = EncodeFrame("key", Example("v"), {});
  CHECK(encoded.substr(kStampOffset, 8) == std::string("\1\2\3\4\5\6\7\10"));
}

TEST_CASE("TTLs of all lengths: for ever stays so, less than a microsecond is nothing") {
  Frame frame = Example("v");
  frame.ttl = Duration::max();
  CHECK(DecodeFrame("k", EncodeFrame("k", frame, {}), kMost)->ttl == Duration::max());
  frame.ttl = Duration(1);
  CHECK(DecodeFrame("k", EncodeFrame("k", frame, {}), kMost)->ttl == Duration(0));
  frame.ttl = Duration(-5);
  CHECK(DecodeFrame("k", EncodeFrame("k", frame, {}), kMost)->ttl == Duration(0));
}

TEST_CASE("bug 8: every truncation and every flipped bit of a frame is noticed") {
  for (const Codec codec : {Codec::kNone, Codec::kLz4, Codec::kZstd}) {
    const std::string encoded = EncodeFrame("key", Example(std::string(300, 'a')), {codec, 10, 1});
    for (std::size_t length = 0; length < encoded.size(); ++length) {
      CHECK_FALSE(DecodeFrame("key", encoded.substr(0, length), kMost));
    }
    for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
      std::string bad = encoded;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      CHECK_FALSE(DecodeFrame("key", bad, kMost));
    }
    CHECK_FALSE(DecodeFrame("key", encoded + "x", kMost));
    CHECK_FALSE(DecodeFrame("other", encoded, kMost));
  }
}

/// With the checksum made right again, so that what is behind it is tried.
std::string Forged(std::string encoded, const std::string& key, std::size_t at, std::uint64_t value,
                   std::size_t length) {
  std::memcpy(encoded.data() + at, &value, length);
  const std::uint64_t of_key = Checksum(key, key.size());
  const std::uint64_t of_head = Checksum(std::string_view(encoded).substr(0, 56), of_key);
  const std::uint64_t sum = Checksum(std::string_view(encoded).substr(64), of_head);
  std::memcpy(encoded.data() + 56, &sum, sizeof(sum));
  return encoded;
}

TEST_CASE("bug 8: another version, another codec, and bombs, all with a right checksum") {
  const std::string good = EncodeFrame("k", Example(std::string(300, 'a')), {Codec::kLz4, 10, 1});
  REQUIRE(DecodeFrame("k", Forged(good, "k", 8, 5, 8), kMost));  // Another stamp: a frame.
  CHECK_FALSE(DecodeFrame("k", Forged(good, "k", 4, 2, 1), kMost));
  CHECK_FALSE(DecodeFrame("k", Forged(good, "k", 5, 9, 1), kMost));
  CHECK_FALSE(DecodeFrame("k", Forged(good, "k", 5, 2, 1), kMost));  // LZ4 said to be zstd.
  CHECK_FALSE(DecodeFrame("k", Forged(good, "k", 6, 9, 1), kMost));
  CHECK_FALSE(DecodeFrame("k", Forged(good, "k", 7, 200, 1), kMost));
  for (const std::uint64_t length : {std::uint64_t{299}, std::uint64_t{301}, std::uint64_t{kMost},
                                     std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    CHECK_FALSE(DecodeFrame("k", Forged(good, "k", 16, length, 8), ~std::size_t{0}));
  }
  const std::string bomb =
      EncodeFrame("k", Example(std::string(8U << 20, 'a')), {Codec::kZstd, 10, 19});
  CHECK(bomb.size() < 10'000);
  CHECK_FALSE(DecodeFrame("k", bomb, kMost));
  CHECK(DecodeFrame("k", bomb, 8U << 20));
}

TEST_CASE("tags that do not fit make a tombstone, not a value without tags") {
  Frame frame = Example("v");
  frame.tags.emplace_back(TagMark{std::string(70000, 't'), 1});
  const auto decoded = DecodeFrame("k", EncodeFrame("k", frame, {}), kMost);
  REQUIRE(decoded);
  CHECK(decoded->kind == Frame::Kind::kTombstone);
  CHECK(decoded->bytes.empty());
}

}  // namespace
}  // namespace perf::cache
