// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/spill_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "libperf/audio/slab/mapping.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {

SpillFile::SpillFile(std::string directory, std::uint64_t most)
    : directory_(std::move(directory)), most_(most) {}

SpillFile::~SpillFile() {
  if (file_ >= 0) close(file_);
}

bool SpillFile::Open() {
  if (file_ >= 0) return true;
  file_ = open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    // A file system without nameless files.
    std::string name = directory_ + "/.perfkit-audio-XXXXXX";
    file_ = mkostemp(name.data(), O_CLOEXEC);
    if (file_ >= 0) unlink(name.c_str());
  }
  if (file_ < 0) error_ = fmt::format("{}: {}", directory_, strerror(errno));
  return file_ >= 0;
}

bool SpillFile::Reserve(std::uint64_t bytes) {
  constexpr std::uint64_t kStep = 256U << 10U;
  if (bytes <= reserved_) return true;
  const std::uint64_t want = std::min<std::uint64_t>(RoundUp(bytes, kStep), most_);
  if (want < bytes) {
    error_ = fmt::format("the limit of {} is reached", FormatBytes(most_));
    return false;
  }
  const int failed = posix_fallocate(file_, 0, static_cast<off_t>(want));
  if (failed != 0) {
    error_ = fmt::format("{}: {}", directory_, strerror(failed));
    return false;
  }
  reserved_ = want;
  return true;
}

std::optional<std::uint64_t> SpillFile::Put(std::span<const std::byte> bytes) {
  if (!Open() || !Reserve(end_ + bytes.size())) return std::nullopt;
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote =
        pwrite(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(end_ + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      error_ = fmt::format("{}: {}", directory_, strerror(errno));
      return std::nullopt;
    }
    done += static_cast<std::size_t>(wrote);
  }
  return std::exchange(end_, end_ + bytes.size());
}

bool SpillFile::Get(std::uint64_t at, std::span<std::byte> out) {
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t got =
        pread(file_, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      error_ = fmt::format("{}: {}", directory_, got == 0 ? "it is too short" : strerror(errno));
      return false;
    }
    done += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace perf::audio
