// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/compression.hpp"

#include <memory>

#include <fmt/format.h>
#include <lz4.h>
#include <zstd.h>

#include "libperf/base/error.hpp"

namespace perf::cache {
namespace {

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

std::size_t PackZstd(std::string_view bytes, int level, std::string& out) {
  // Setting one up costs more than packing a kilobyte.
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeZstd> context(ZSTD_createCCtx());
  out.resize(ZSTD_compressBound(bytes.size()));
  if (!context) return 0;
  const std::size_t length =
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size(), level);
  return ZSTD_isError(length) != 0U ? 0 : length;
}

std::size_t PackLz4(std::string_view bytes, std::string& out) {
  if (bytes.size() > static_cast<std::size_t>(LZ4_MAX_INPUT_SIZE)) return 0;
  const int size = static_cast<int>(bytes.size());
  out.resize(static_cast<std::size_t>(LZ4_compressBound(size)));
  const int length =
      LZ4_compress_default(bytes.data(), out.data(), size, static_cast<int>(out.size()));
  return length <= 0 ? 0 : static_cast<std::size_t>(length);
}

std::optional<std::string> UnpackZstd(std::string_view packed, std::size_t raw_length) {
  // The frame tells its own length: another one is refused before anything is allocated.
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != raw_length) return std::nullopt;
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
  if (!context) return std::nullopt;
  std::string raw(raw_length, '\0');
  const std::size_t length =
      ZSTD_decompressDCtx(context.get(), raw.data(), raw.size(), packed.data(), packed.size());
  if (ZSTD_isError(length) != 0U || length != raw_length) return std::nullopt;
  return raw;
}

std::optional<std::string> UnpackLz4(std::string_view packed, std::size_t raw_length) {
  // A byte of LZ4 stands for 255 at most.
  if (packed.size() > static_cast<std::size_t>(LZ4_MAX_INPUT_SIZE) ||
      raw_length > static_cast<std::size_t>(LZ4_MAX_INPUT_SIZE) ||
      raw_length / 255 > packed.size()) {
    return std::nullopt;
  }
  std::string raw(raw_length, '\0');
  const int length = LZ4_decompress_safe(packed.data(), raw.data(), static_cast<int>(packed.size()),
                                         static_cast<int>(raw_length));
  if (length < 0 || static_cast<std::size_t>(length) != raw_length) return std::nullopt;
  return raw;
}

}  // namespace

std::optional<std::string> Pack(std::string_view bytes, const CompressionOptions& options) {
  if (options.codec == Codec::kNone || bytes.size() < options.threshold_bytes || bytes.empty()) {
    return std::nullopt;
  }
  std::string packed;
  const std::size_t length = options.codec == Codec::kZstd ? PackZstd(bytes, options.level, packed)
                                                           : PackLz4(bytes, packed);
  if (length == 0 || length > bytes.size() - bytes.size() / 8) return std::nullopt;
  packed.resize(length);
  return packed;
}

std::optional<std::string> Unpack(Codec codec, std::string_view packed, std::size_t raw_length) {
  switch (codec) {
    case Codec::kNone:
      if (packed.size() != raw_length) return std::nullopt;
      return std::string(packed);
    case Codec::kLz4: return UnpackLz4(packed, raw_length);
    case Codec::kZstd: return UnpackZstd(packed, raw_length);
  }
  return std::nullopt;
}

std::string_view Name(Codec codec) noexcept {
  switch (codec) {
    case Codec::kLz4: return "lz4";
    case Codec::kZstd: return "zstd";
    case Codec::kNone: break;
  }
  return "none";
}

Codec CodecByName(std::string_view name) {
  for (const Codec codec : {Codec::kNone, Codec::kLz4, Codec::kZstd}) {
    if (name == Name(codec)) return codec;
  }
  throw ConfigError(fmt::format("compression '{}' is not known: none, lz4 or zstd", name));
}

}  // namespace perf::cache
