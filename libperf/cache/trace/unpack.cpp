// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <new>

#include "libperf/base/error.hpp"
#include "libperf/cache/trace/input.hpp"

namespace perf::cache {

namespace {

constexpr std::size_t kChunk = 64 << 10;
/// Of the dictionary of xz (its -9 takes 65 MiB) and, as a power of two, the window of zstd.
constexpr std::uint64_t kMostXz = 128 << 20;
constexpr int kMostZstdWindow = 27;

/// First the bytes that were looked at, then the rest.
class Prefixed final : public ByteSource {
 public:
  Prefixed(std::string prefix, std::unique_ptr<ByteSource> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}
  std::size_t Read(std::span<char> into) override {
    if (taken_ == prefix_.size()) return rest_->Read(into);
    const std::size_t count = std::min(into.size(), prefix_.size() - taken_);
    std::copy_n(prefix_.data() + taken_, count, into.data());
    taken_ += count;
    return count;
  }

 private:
  std::string prefix_;
  std::size_t taken_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

/// Feeds a decompressor chunk by chunk.
class Unpacker : public ByteSource {
 public:
  Unpacker(std::unique_ptr<ByteSource> packed, std::string name, std::string_view kind)
      : name_(std::move(name)), kind_(kind), packed_(std::move(packed)), chunk_(kChunk) {}

 protected:
  /// What was read and not consumed yet; reads more when that is nothing. Empty at the end.
  std::span<const char> Ahead() {
    if (begin_ == end_) {
      begin_ = 0;
      end_ = packed_->Read(chunk_);
    }
    return std::span<const char>(chunk_).subspan(begin_, end_ - begin_);
  }
  void Consume(std::size_t count) noexcept {
    begin_ += count;
    consumed_ += count;
  }
  [[noreturn]] void Fail(std::string_view what) const {
    throw ConfigError(fmt::format("{}: byte {} of the {} data: {}", name_, consumed_, kind_, what));
  }
  [[noreturn]] void FailShort() const { Fail("the file ends in the middle; it was cut off"); }

 private:
  std::string name_;
  std::string_view kind_;
  std::unique_ptr<ByteSource> packed_;
  std::vector<char> chunk_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t consumed_ = 0;
};

class Gunzip final : public Unpacker {
 public:
  Gunzip(std::unique_ptr<ByteSource> packed, const std::string& name)
      : Unpacker(std::move(packed), name, "gzip") {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~Gunzip() override { inflateEnd(&stream_); }

  std::size_t Read(std::span<char> into) override {
    while (!done_) {
      const auto ahead = Ahead();
      if (ended_ && !NextMember(ahead)) break;
      if (ahead.empty()) FailShort();
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(ahead.data()));
      stream_.avail_in = static_cast<uInt>(ahead.size());
      stream_.next_out = reinterpret_cast<Bytef*>(into.data());
      stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(into.size(), 1 << 30));
      const int result = inflate(&stream_, Z_NO_FLUSH);
      Consume(ahead.size() - stream_.avail_in);
      if (result == Z_STREAM_END) {
        ended_ = true;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        Fail(stream_.msg != nullptr ? stream_.msg : "damaged");
      }
      const auto got =
          static_cast<std::size_t>(reinterpret_cast<char*>(stream_.next_out) - into.data());
      if (got > 0) return got;
    }
    return 0;
  }

 private:
  /// Behind a member another one may follow, or zeros that fill a block of a tape.
  bool NextMember(std::span<const char> ahead) {
    done_ = ahead.empty() || ahead[0] == 0;
    if (done_) return false;
    if (ahead[0] != '\x1f') Fail("there is something else behind the end of the gzip data");
    inflateReset(&stream_);
    ended_ = false;
    return true;
  }

  z_stream stream_{};
  bool ended_ = false, done_ = false;
};

class Unxz final : public Unpacker {
 public:
  Unxz(std::unique_ptr<ByteSource> packed, const std::string& name)
      : Unpacker(std::move(packed), name, "xz") {
    if (lzma_stream_decoder(&stream_, kMostXz, LZMA_CONCATENATED) != LZMA_OK)
      throw std::bad_alloc();
  }
  ~Unxz() override { lzma_end(&stream_); }

  std::size_t Read(std::span<char> into) override {
    stream_.next_out = reinterpret_cast<std::uint8_t*>(into.data());
    stream_.avail_out = into.size();
    while (!done_ && stream_.avail_out == into.size()) {
      const auto ahead = Ahead();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(ahead.data());
      stream_.avail_in = ahead.size();
      const lzma_ret result = lzma_code(&stream_, ahead.empty() ? LZMA_FINISH : LZMA_RUN);
      Consume(ahead.size() - stream_.avail_in);
      if (result == LZMA_STREAM_END) {
        done_ = true;
      } else if (result == LZMA_MEMLIMIT_ERROR) {
        Fail("needs a dictionary of more than 128 MiB; pack it again with xz -9 or less");
      } else if (result == LZMA_BUF_ERROR && ahead.empty()) {
        FailShort();
      } else if (result == LZMA_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (result != LZMA_OK && result != LZMA_BUF_ERROR) {
        Fail("damaged");
      }
    }
    return into.size() - stream_.avail_out;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool done_ = false;
};

class Unzstd final : public Unpacker {
 public:
  Unzstd(std::unique_ptr<ByteSource> packed, const std::string& name)
      : Unpacker(std::move(packed), name, "zstd"), context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMostZstdWindow);
  }
  ~Unzstd() override { ZSTD_freeDCtx(context_); }

  std::size_t Read(std::span<char> into) override {
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    while (out.pos == 0) {
      const auto ahead = Ahead();
      // The decoder may hold output that did not fit; only a call shows.
      if (ahead.empty() && frame_done_) break;
      ZSTD_inBuffer in{ahead.data(), ahead.size(), 0};
      const std::size_t result = ZSTD_decompressStream(context_, &out, &in);
      Consume(in.pos);
      if (ZSTD_isError(result) != 0) Fail(ZSTD_getErrorName(result));
      frame_done_ = result == 0;
      if (ahead.empty() && out.pos == 0 && !frame_done_) FailShort();
    }
    return out.pos;
  }

 private:
  ZSTD_DCtx* context_;
  bool frame_done_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> Unpacked(std::unique_ptr<ByteSource> packed, const std::string& name) {
  std::array<char, 6> first{};
  std::size_t size = 0;
  while (size < first.size()) {
    const std::size_t got = packed->Read(std::span(first).subspan(size));
    if (got == 0) break;
    size += got;
  }
  const std::string prefix(first.data(), size);
  auto whole = std::make_unique<Prefixed>(prefix, std::move(packed));
  if (prefix.starts_with("\x1f\x8b\x08")) return std::make_unique<Gunzip>(std::move(whole), name);
  if (prefix.starts_with(std::string_view("\xfd"
                                          "7zXZ\0",
                                          6))) {
    return std::make_unique<Unxz>(std::move(whole), name);
  }
  if (prefix.starts_with("\x28\xb5\x2f\xfd")) {
    return std::make_unique<Unzstd>(std::move(whole), name);
  }
  return whole;
}

}  // namespace perf::cache
