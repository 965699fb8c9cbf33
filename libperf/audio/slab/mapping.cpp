// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slab/mapping.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {

std::size_t PageBytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

Mapping::Mapping(std::size_t bytes) : size_(RoundUp(bytes, PageBytes())) {
  void* const at = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    throw IoError(
        fmt::format("no address space for {} of audio: {}", FormatBytes(size_), strerror(errno)));
  }
  data_ = static_cast<std::byte*>(at);
}

Mapping::~Mapping() { munmap(data_, size_); }

void Mapping::Discard(std::size_t offset, std::size_t bytes) noexcept {
  madvise(data_ + offset, bytes, MADV_DONTNEED);
}

}  // namespace perf::audio
