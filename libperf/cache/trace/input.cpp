// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/trace/input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "libperf/base/error.hpp"

namespace perf::cache {

namespace {
constexpr std::size_t kBuffer = 256 << 10;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
}  // namespace

Input::Input(std::unique_ptr<ByteSource> bytes, std::string name)
    : bytes_(std::move(bytes)), name_(std::move(name)), buffer_(kBuffer) {}

/// More bytes behind those that were not taken; false when there are none, or no place for them.
bool Input::Fill() {
  if (ended_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) return false;
  const std::size_t got = bytes_->Read(std::span(buffer_).subspan(end_));
  ended_ = got == 0;
  end_ += got;
  return !ended_;
}

std::string_view Input::Head(std::size_t most) {
  most = std::min(most, kBuffer / 2);
  while (end_ - begin_ < most && Fill()) {
  }
  return {buffer_.data() + begin_, std::min(most, end_ - begin_)};
}

bool Input::Line(std::string_view& line) {
  std::size_t searched = 0;
  const char* stop = nullptr;
  while (true) {
    const char* from = buffer_.data() + begin_;
    stop = static_cast<const char*>(std::memchr(from + searched, '\n', end_ - begin_ - searched));
    if (stop != nullptr) break;
    searched = end_ - begin_;
    if (searched > kMaxLine || !Fill()) break;
  }
  const char* from = buffer_.data() + begin_;
  const std::size_t size = stop != nullptr ? static_cast<std::size_t>(stop - from) : end_ - begin_;
  if (size == 0 && stop == nullptr) return false;
  ++line_;
  if (size > kMaxLine) FailLine(fmt::format("a line longer than {} bytes", kMaxLine));
  begin_ += size + (stop != nullptr ? 1 : 0);
  line = {from, size};
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  return true;
}

const char* Input::Record(std::size_t bytes) {
  offset_ += record_;
  record_ = bytes;
  while (end_ - begin_ < bytes && Fill()) {
  }
  if (end_ == begin_) return nullptr;
  if (end_ - begin_ < bytes) {
    FailRecord(fmt::format("ends within a record: {} of {} bytes", end_ - begin_, bytes));
  }
  const char* record = buffer_.data() + begin_;
  begin_ += bytes;
  return record;
}

void Input::FailLine(const std::string& what) const {
  throw ConfigError(fmt::format("{}:{}: {}", name_, line_, what));
}

void Input::FailRecord(const std::string& what) const {
  throw ConfigError(fmt::format("{}: byte {}: {}", name_, offset_, what));
}

std::size_t FormatReader::Read(std::span<Request> into) {
  std::size_t most = into.size();
  if (options_.limit != 0) most = std::min<std::uint64_t>(most, options_.limit - read_);
  std::size_t count = 0;
  while (count < most && Next(into[count])) ++count;
  read_ += count;
  return count;
}

}  // namespace perf::cache
