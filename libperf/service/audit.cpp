// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/audit.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/base/utc.hpp"

namespace perf::service {
namespace {

constexpr std::size_t kMostWord = 512;  // bytes of one word of an event

Json Line(WallTime at, std::string_view event) {
  Json line = Json::MakeObject();
  line["time"] = ToRfc3339(std::chrono::floor<std::chrono::milliseconds>(at));
  line["event"] = event;
  return line;
}

std::string Word(std::string_view text) { return MaskSecrets(Excerpt(text, kMostWord)); }

}  // namespace

AuditLog::AuditLog(std::string path, std::uint64_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {
  Open();
}

AuditLog::~AuditLog() {
  try {
    Flush();
  } catch (const Error&) {
    // Nobody is left to be told.
  }
  if (fd_ >= 0) ::close(fd_);
}

void AuditLog::Write(const AuditEvent& event, WallTime now) {
  Json line = Line(now, event.event);
  line["who"] = Word(event.who);
  line["action"] = Word(event.action);
  line["result"] = Word(event.result);
  if (!event.detail.IsNull()) line["detail"] = event.detail;
  const std::lock_guard lock(mutex_);
  Append(line.Dump());
}

void AuditLog::Refused(std::string_view peer, std::string_view reason, WallTime now) noexcept try {
  Tick(now);
  const std::lock_guard lock(mutex_);
  if (refused_.empty()) second_ = std::chrono::floor<std::chrono::seconds>(now);
  Key key(Excerpt(peer, kMostWord), reason);
  if (refused_.size() >= kMostLines && refused_.find(key) == refused_.end()) key.first = "others";
  ++refused_[key];
} catch (...) {
  // Out of memory: there is no place to count in.
}

void AuditLog::Tick(WallTime now) noexcept try {
  const std::lock_guard lock(mutex_);
  if (refused_.empty() || std::chrono::floor<std::chrono::seconds>(now) == second_) return;
  Flush();
} catch (...) {
  // Trouble() tells; what is counted stays, and is written with the next.
}

std::string AuditLog::Trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void AuditLog::Flush() {
  while (!refused_.empty()) {
    const auto first = refused_.begin();
    Json line = Line(second_, "refused");
    line["who"] = first->first.first;
    line["reason"] = first->first.second;
    line["count"] = first->second;
    Append(line.Dump());
    refused_.erase(first);
  }
}

void AuditLog::Append(const std::string& line) {
  try {
    struct stat info{}, named{};
    // Agents and runs of one user share the file: another one's rotation took ours away, or what
    // another one wrote belongs to its size.
    if (fd_ < 0 || ::fstat(fd_, &info) != 0 || ::lstat(path_.c_str(), &named) != 0 ||
        info.st_ino != named.st_ino || info.st_dev != named.st_dev) {
      Open();
    } else {
      size_ = static_cast<std::uint64_t>(info.st_size);
    }
    if (size_ > 0 && size_ + line.size() + 1 > max_bytes_) Rotate();
    const std::string text = line + "\n";
    const ssize_t wrote = ::write(fd_, text.data(), text.size());
    if (wrote == static_cast<ssize_t>(text.size())) {
      size_ += text.size();
      trouble_.clear();
      return;
    }
    const int code = wrote < 0 ? errno : ENOSPC;
    // Half a line would spoil the next one, too.
    if (wrote > 0 && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0)
      ::close(std::exchange(fd_, -1));
    throw OutputError(fmt::format("audit log {}: {}", path_, std::strerror(code)));
  } catch (const Error& error) {
    trouble_ = error.what();
    throw;
  }
}

void AuditLog::Open() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
               0600);
  struct stat info{};
  if (fd_ < 0 || ::fstat(fd_, &info) != 0) {
    throw OutputError(fmt::format("audit log {}: {}", path_, std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(std::exchange(fd_, -1));
    throw OutputError(fmt::format("audit log {}: it is no regular file", path_));
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

void AuditLog::Rotate() {
  for (int i = kKept - 1; i >= 1; --i) {
    ::rename(fmt::format("{}.{}", path_, i).c_str(), fmt::format("{}.{}", path_, i + 1).c_str());
  }
  // Without a file at the path another process has rotated it just now.
  if (::rename(path_.c_str(), (path_ + ".1").c_str()) != 0 && errno != ENOENT) {
    throw OutputError(fmt::format("audit log {}: cannot rotate: {}", path_, std::strerror(errno)));
  }
  Open();
}

}  // namespace perf::service
