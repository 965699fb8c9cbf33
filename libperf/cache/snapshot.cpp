// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/snapshot.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/base/file.hpp"
#include "libperf/cache/bytes.hpp"
#include "libperf/cache/compression.hpp"
#include "libperf/cache/snapshot_format.hpp"

namespace perf::cache {
namespace {

constexpr std::size_t kBufferBytes = 1U << 20;

/// A file that appears under its name only when it is complete.
class PartFile {
 public:
  explicit PartFile(std::string path)
      : path_(std::move(path)), part_(fmt::format("{}.{}.part", path_, ::getpid())) {
    fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) Fail("opened");
    XXH3_64bits_reset(hash_.get());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(part_.c_str());
  }

  void Write(std::string_view bytes) {
    XXH3_64bits_update(hash_.get(), bytes.data(), bytes.size());
    WriteRaw(bytes);
  }
  void Commit() {
    std::string checksum;
    ByteWriter(checksum).Put(static_cast<std::uint64_t>(XXH3_64bits_digest(hash_.get())));
    WriteRaw(checksum);
    if (::fsync(fd_) != 0) Fail("written");
    if (std::rename(part_.c_str(), path_.c_str()) != 0) Fail("renamed");
    ::close(std::exchange(fd_, -1));
  }

 private:
  struct FreeState {
    void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
  };

  void WriteRaw(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) Fail("written");
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  [[noreturn]] void Fail(const char* what) const {
    throw OutputError(
        fmt::format("the snapshot '{}' can't be {}: {}", path_, what, std::strerror(errno)));
  }

  const std::string path_;
  const std::string part_;
  int fd_ = -1;
  std::unique_ptr<XXH3_state_t, FreeState> hash_{XXH3_createState()};
};

Duration Left(TimePoint until, TimePoint now) noexcept {
  return until == TimePoint::max() ? kForever : until - now;
}

TimePoint Until(Duration left, Duration age, TimePoint now) noexcept {
  if (left == kForever) return TimePoint::max();
  // Bounds first: a snapshot may say anything.
  const Duration rest = left <= age ? Duration::zero() : left - age;
  return Saturated(now, rest);
}

/// The entry as it is saved; nothing for one that cannot be: its tags' names are not known.
std::optional<SnapshotEntry> EntryOf(const Handle& handle, TimePoint now, const Parts& parts,
                                     std::string& packed) {
  const RecordView record(handle.Meta(), handle.Expires());
  if (!record.Valid(parts.tags) || now >= record.FreshUntil()) return std::nullopt;
  SnapshotEntry entry;
  entry.key = handle.Key();
  entry.negative = record.Negative();
  entry.old = record.Old();
  entry.fresh = Left(record.FreshUntil(), now);
  entry.renew = Left(record.RenewUntil(), now);
  entry.rescue = Left(record.RescueUntil(), now);
  entry.load_time = record.LoadTime();
  entry.stamp = record.Stamp();
  for (LocalMark& mark : record.Marks()) {
    if (mark.tag.empty()) return std::nullopt;
    entry.tags.push_back({std::move(mark.tag), mark.generation});
  }
  entry.raw_length = handle.Value().size();
  entry.bytes = handle.Value();
  if (std::optional<std::string> smaller = Pack(entry.bytes, parts.options.compression)) {
    packed = std::move(*smaller);
    entry.codec = parts.options.compression.codec;
    entry.bytes = packed;
  }
  return entry;
}

std::string ReadWhole(const std::string& path) {
  try {
    // Neither a directory nor a pipe that nobody writes to.
    InputFile file(path);
    std::string bytes;
    std::vector<std::byte> chunk(kBufferBytes);
    while (const std::size_t got = file.Read(chunk)) {
      bytes.append(reinterpret_cast<const char*>(chunk.data()), got);
    }
    return bytes;
  } catch (const ConfigError& error) {
    throw IoError(fmt::format("the snapshot can't be read: {}", error.what()));
  }
}

/// The generations of now, by tag; nothing when the tier does not tell.
std::optional<std::unordered_map<std::string, std::uint64_t>> Generations(
    Parts& parts, std::vector<std::string> tags) {
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    bool ended = false;
    bool ok = false;
    std::vector<TagMark> marks;
  };
  const auto wait = std::make_shared<Wait>();
  const Deadline deadline = parts.HardDeadline();
  parts.tag_reader->Read(std::move(tags), Duration::zero(), deadline,
                         [wait](bool ok, std::vector<TagMark> marks) {
                           const std::lock_guard lock(wait->mutex);
                           wait->ended = true;
                           wait->ok = ok;
                           wait->marks = std::move(marks);
                           wait->changed.notify_all();
                         });
  std::unique_lock lock(wait->mutex);
  wait->changed.wait_until(lock, deadline.At(), [&wait] { return wait->ended; });
  if (!wait->ok) return std::nullopt;
  std::unordered_map<std::string, std::uint64_t> known;
  for (TagMark& mark : wait->marks) known.emplace(std::move(mark.tag), mark.generation);
  return known;
}

class Restorer {
 public:
  Restorer(Parts& parts, const SnapshotHeader& header)
      : parts_(parts),
        now_(parts.time.Now()),
        // A clock that went back makes nothing younger.
        age_(std::chrono::microseconds(std::clamp<std::int64_t>(
            parts.time.WallMicros() - header.wall_micros, 0, std::int64_t{1} << 52))) {}

  bool Put(const SnapshotEntry& entry) {
    if (entry.raw_length > parts_.options.tier.max_value_bytes && entry.codec != Codec::kNone) {
      return false;
    }
    Record record;
    record.negative = entry.negative;
    record.old = entry.old;
    record.fresh_until = Until(entry.fresh, age_, now_);
    record.renew_until = std::max(record.fresh_until, Until(entry.renew, age_, now_));
    record.rescue_until = std::max(record.renew_until, Until(entry.rescue, age_, now_));
    if (record.fresh_until <= now_) return false;
    record.load_time = std::max(entry.load_time, Duration::zero());
    record.stamp = entry.stamp;
    for (const TagMark& mark : entry.tags) {
      const std::uint32_t slot = Tags::SlotOf(mark.tag);
      record.marks.push_back({slot, parts_.tags.Local(slot), mark.generation, mark.tag});
    }
    const std::uint64_t hash = HashKey(entry.key);
    std::optional<std::string> raw = Unpack(entry.codec, entry.bytes, entry.raw_length);
    if (!raw) return false;
    const std::lock_guard lock(parts_.table.Of(hash).mutex);
    // What is there is newer than any snapshot.
    if (parts_.memory.Look(entry.key, hash, now_, parts_.tags)) return false;
    return parts_.memory.Put(entry.key, hash, *raw, record, now_);
  }

 private:
  Parts& parts_;
  const TimePoint now_;
  const Duration age_;
};

}  // namespace

std::size_t WriteSnapshot(const Parts& parts, const std::string& path) {
  PartFile file(path);
  SnapshotHeader header;
  header.wall_micros = parts.time.WallMicros();
  header.generation = parts.tags.Floor(kWholeCache);
  file.Write(BeginSnapshot(header));
  const TimePoint now = parts.time.Now();
  std::size_t count = 0;
  std::string buffer, packed;
  parts.memory.ForEach(now, [&](const Handle& handle) {
    if (const std::optional<SnapshotEntry> entry = EntryOf(handle, now, parts, packed)) {
      AppendEntry(buffer, *entry);
      ++count;
    }
    if (buffer.size() >= kBufferBytes) {
      file.Write(buffer);
      buffer.clear();
    }
    return true;
  });
  file.Write(buffer);
  file.Write(EndSnapshot(count));
  file.Commit();
  return count;
}

std::size_t ReadSnapshot(Parts& parts, const std::string& path) {
  const std::string bytes = ReadWhole(path);
  std::vector<std::string> tags{std::string(kWholeCache)};
  const SnapshotHeader header = ParseSnapshot(bytes, [&tags](const SnapshotEntry& entry) {
    for (const TagMark& mark : entry.tags) tags.push_back(mark.tag);
  });
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  std::unordered_map<std::string, std::uint64_t> known;
  if (parts.TierUp() && header.generation != 0) {
    // What other processes have invalidated meanwhile; when that cannot be found out, nothing is
    // believed that has a tag.
    if (auto found = Generations(parts, tags)) known = std::move(*found);
  }
  const auto valid = [&](const TagMark& mark) {
    if (header.generation == 0 || !parts.tier) return true;
    const auto found = known.find(mark.tag);
    return found != known.end() && found->second <= mark.generation;
  };
  const std::string whole(kWholeCache);
  if (!known.empty() && !valid({whole, header.generation})) return 0;
  Restorer restorer(parts, header);
  std::size_t count = 0;
  ParseSnapshot(bytes, [&](const SnapshotEntry& entry) {
    if (std::all_of(entry.tags.begin(), entry.tags.end(), valid) && restorer.Put(entry)) ++count;
  });
  return count;
}

}  // namespace perf::cache
