// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/hdr_codec.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

#include "libperf/base/error.hpp"
#include "libperf/stats/base64.hpp"

namespace perf::stats {
namespace {

// The second lowest nibble of a cookie tells the width of a count; V2 has only "variable".
constexpr std::uint32_t kCookie = 0x1c849303 | 0x10;
constexpr std::uint32_t kCompressedCookie = 0x1c849304 | 0x10;
constexpr std::uint32_t kWidthNibble = 0xf0;
constexpr std::size_t kHeaderBytes = 40;
constexpr std::size_t kMostTextBytes = std::size_t{64} << 20;

[[noreturn]] void Fail(std::string_view reason) {
  throw ConfigError(fmt::format("encoded histogram: {}", reason));
}

void PutBig(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 255);
}

std::uint64_t GetBig(std::string_view bytes) noexcept {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

/// ZigZag LEB128; the ninth byte carries eight bits, so that 64 bits never need a tenth.
void PutVarint(std::string& out, std::int64_t value) {
  auto rest = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  for (int i = 0; i < 8 && rest > 127; ++i) {
    out += static_cast<char>((rest & 127) | 128);
    rest >>= 7;
  }
  out += static_cast<char>(rest);
}

std::string EncodeCounts(const Histogram& histogram) {
  std::string out;
  if (histogram.Count() == 0) return out;
  const std::size_t end = histogram.IndexOf(histogram.Max()) + 1;
  std::int64_t zeros = 0;
  for (std::size_t i = 0; i < end; ++i) {
    const std::uint64_t count = histogram.CountAt(i);
    if (count == 0) {
      ++zeros;
      continue;
    }
    // A single zero stands for itself, a run of them is a negative number.
    if (zeros != 0) PutVarint(out, zeros == 1 ? 0 : -zeros);
    zeros = 0;
    PutVarint(out, static_cast<std::int64_t>(count));
  }
  return out;
}

std::string Deflate(const std::string& plain) {
  uLongf size = compressBound(static_cast<uLong>(plain.size()));
  std::string out(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                             reinterpret_cast<const Bytef*>(plain.data()),
                             static_cast<uLong>(plain.size()), Z_DEFAULT_COMPRESSION);
  if (code != Z_OK) throw IoError(fmt::format("zlib: compress failed ({})", code));
  out.resize(size);
  return out;
}

/// Hands out the plain bytes of a zlib stream one by one, so that a small text that expands to
/// gigabytes costs no memory.
class Inflater {
 public:
  explicit Inflater(std::string_view packed) {
    // zlib's interface predates const.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    if (inflateInit(&stream_) != Z_OK) throw IoError("zlib: inflateInit failed");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Throws: ConfigError at the end of the stream.
  std::uint8_t Next() {
    if (at_ == end_) Fill();
    if (at_ == end_) Fail("it ends too early");
    return buffer_[at_++];
  }

 private:
  void Fill() {
    if (done_) return;
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<uInt>(buffer_.size());
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) Fail("its compressed part is damaged");
    done_ = code == Z_STREAM_END;
    at_ = 0;
    end_ = buffer_.size() - stream_.avail_out;
  }

  z_stream stream_{};
  std::array<Bytef, 8192> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool done_ = false;
};

/// The part of the plain bytes that the header announces.
class Payload {
 public:
  Payload(Inflater& source, std::uint64_t bytes) : source_(source), left_(bytes) {}

  bool AtEnd() const noexcept { return left_ == 0; }

  std::int64_t NextVarint() {
    std::uint64_t value = 0;
    for (int i = 0; i < 9; ++i) {
      if (left_ == 0) Fail("a count is cut off");
      --left_;
      const std::uint64_t byte = source_.Next();
      if (i == 8) {
        value |= byte << 56;
        break;
      }
      value |= (byte & 127) << (7 * i);
      if (byte < 128) break;
    }
    return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
  }

 private:
  Inflater& source_;
  std::uint64_t left_;
};

struct Header {
  HistogramConfig config;
  std::uint64_t payload_bytes = 0;
};

Header ReadHeader(Inflater& source) {
  std::array<char, kHeaderBytes> bytes;
  for (char& byte : bytes) byte = static_cast<char>(source.Next());
  const std::string_view view(bytes.data(), bytes.size());
  if ((GetBig(view.substr(0, 4)) & ~kWidthNibble) != (kCookie & ~kWidthNibble)) {
    Fail("its counts are not in version 2 of the format");
  }
  if (GetBig(view.substr(8, 4)) != 0) Fail("shifted histograms are not supported");
  Header header;
  header.payload_bytes = GetBig(view.substr(4, 4));
  const std::uint64_t digits = GetBig(view.substr(12, 4));
  header.config.digits = digits <= 5 ? static_cast<int>(digits) : -1;
  header.config.lowest = static_cast<std::int64_t>(GetBig(view.substr(16, 8)));
  header.config.highest = static_cast<std::int64_t>(GetBig(view.substr(24, 8)));
  return header;  // the last eight bytes scale values for display, which is not ours to do
}

void ReadCounts(Payload& payload, Histogram& histogram) {
  std::uint64_t index = 0;
  std::uint64_t total = 0;
  while (!payload.AtEnd()) {
    const std::int64_t number = payload.NextVarint();
    const std::uint64_t steps = number < 0 ? 0 - static_cast<std::uint64_t>(number) : 1;
    if (steps > histogram.BucketCount() - index) Fail("it has more counts than its range");
    if (number > 0) {
      const auto count = static_cast<std::uint64_t>(number);
      // The sum of all counts is what readers in other languages keep in a signed number.
      if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - total) {
        Fail("its counts are too large");
      }
      total += count;
      histogram.AddAt(index, count);
    }
    index += steps;
  }
}

}  // namespace

std::string Encode(const Histogram& histogram) {
  const HistogramConfig& config = histogram.Config();
  const std::string counts = EncodeCounts(histogram);
  std::string plain;
  plain.reserve(kHeaderBytes + counts.size());
  PutBig(plain, kCookie, 4);
  PutBig(plain, counts.size(), 4);
  PutBig(plain, 0, 4);  // no shift of the buckets
  PutBig(plain, static_cast<std::uint64_t>(config.digits), 4);
  PutBig(plain, static_cast<std::uint64_t>(config.lowest), 8);
  PutBig(plain, static_cast<std::uint64_t>(config.highest), 8);
  PutBig(plain, std::bit_cast<std::uint64_t>(1.0), 8);
  plain += counts;
  const std::string packed = Deflate(plain);
  std::string out;
  PutBig(out, kCompressedCookie, 4);
  PutBig(out, packed.size(), 4);
  out += packed;
  return EncodeBase64(out);
}

Histogram Decode(std::string_view base64) {
  if (base64.size() > kMostTextBytes) Fail("it is too long");
  while (base64.ends_with('\n') || base64.ends_with('\r')) base64.remove_suffix(1);
  const std::optional<std::string> bytes = DecodeBase64(base64);
  if (!bytes) Fail("it is not base64");
  const std::string_view view = *bytes;
  if (view.size() < 8 ||
      (GetBig(view.substr(0, 4)) & ~kWidthNibble) != (kCompressedCookie & ~kWidthNibble)) {
    Fail("it is not a compressed HdrHistogram of version 2");
  }
  if (GetBig(view.substr(4, 4)) != view.size() - 8) Fail("its length is not the one it names");
  Inflater source(view.substr(8));
  const Header header = ReadHeader(source);
  Histogram histogram(header.config);
  Payload payload(source, header.payload_bytes);
  ReadCounts(payload, histogram);
  return histogram;
}

}  // namespace perf::stats
