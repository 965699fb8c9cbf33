// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/capture/input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/file.hpp"
#include "libperf/base/text.hpp"

namespace perf::audio {
namespace {

constexpr std::size_t kFirstBuffer = 64 << 10;

}  // namespace

CaptureInput::CaptureInput(PullBytes pull, std::string name)
    : pull_(std::move(pull)), name_(Excerpt(name, 200)), buffer_(kFirstBuffer) {}

std::span<const std::byte> CaptureInput::Peek(std::size_t count) {
  if (end_ - begin_ < count && !ended_) {
    if (buffer_.size() - begin_ < count) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      if (buffer_.size() < count) buffer_.resize(std::max(count, 2 * buffer_.size()));
    }
    while (end_ - begin_ < count && !ended_) {
      const std::size_t got = pull_(std::span(buffer_).subspan(end_));
      end_ += got;
      ended_ = got == 0;
    }
  }
  return std::span(buffer_).subspan(begin_, std::min(count, end_ - begin_));
}

std::span<const std::byte> CaptureInput::Take(std::size_t count) {
  const std::span<const std::byte> bytes = Peek(count);
  taken_ = offset_;
  begin_ += bytes.size();
  offset_ += bytes.size();
  cut_ = !bytes.empty() && bytes.size() < count;
  return bytes.size() < count ? std::span<const std::byte>() : bytes;
}

void CaptureInput::Fail(const std::string& what) const {
  throw ConfigError(fmt::format("{}: at byte {}: {}", name_, taken_, what));
}

PullBytes PullFile(const std::string& path) {
  // A shared pointer, since a std::function can be copied.
  return [file = std::make_shared<InputFile>(path)](std::span<std::byte> into) {
    return file->Read(into);
  };
}

PullBytes PullMemory(std::span<const std::byte> bytes) {
  return [bytes](std::span<std::byte> into) mutable {
    const std::size_t count = std::min(into.size(), bytes.size());
    if (count > 0) std::memcpy(into.data(), bytes.data(), count);
    bytes = bytes.subspan(count);
    return count;
  };
}

}  // namespace perf::audio
