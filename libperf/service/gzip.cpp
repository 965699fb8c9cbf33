// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/gzip.hpp"

#include <zlib.h>

#include <cstddef>

#include "libperf/base/error.hpp"

namespace perf::service {
namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's head and tail
constexpr int kMemoryLevel = 8;       // zlib's own default

class Deflater {
 public:
  Deflater() {
    good_ = deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                         Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Deflater() {
    if (good_) deflateEnd(&stream_);
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  std::string Run(std::string_view text) {
    if (!good_ || text.size() > UINT32_MAX) throw Error("gzip: no memory for it");
    deflateReset(&stream_);
    std::string out(deflateBound(&stream_, static_cast<uLong>(text.size())), '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END) throw Error("gzip: zlib failed");
    out.resize(static_cast<std::size_t>(stream_.total_out));
    return out;
  }

 private:
  z_stream stream_{};
  bool good_ = false;
};

}  // namespace

std::string Gzip(std::string_view text) {
  thread_local Deflater deflater;
  return deflater.Run(text);
}

}  // namespace perf::service
