// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/record.hpp"

#include <algorithm>

#include "libperf/cache/bytes.hpp"
#include "libperf/cache/memory/handle.hpp"

namespace perf::cache {
namespace {

enum Flag : std::uint8_t {
  kNegative = 1,
  kOld = 2,
  kWindows = 4,
  kEager = 8,
  kStamped = 16,
  kMarked = 32,
};

TimePoint GetTime(ByteReader& reader) noexcept {
  return TimePoint(Duration(reader.Get<std::int64_t>()));
}

void PutTime(ByteWriter& writer, TimePoint time) { writer.Put(time.time_since_epoch().count()); }

std::uint8_t FlagsOf(const Record& record) noexcept {
  unsigned flags = 0;
  if (record.negative) flags |= kNegative;
  if (record.old) flags |= kOld;
  if (record.renew_until > record.fresh_until || record.rescue_until > record.fresh_until) {
    flags |= kWindows;
  }
  if (record.eager_after != TimePoint::max() || record.load_time > Duration::zero()) {
    flags |= kEager;
  }
  if (record.stamp != 0) flags |= kStamped;
  if (!record.marks.empty()) flags |= kMarked;
  return static_cast<std::uint8_t>(flags);
}

void PutMarks(ByteWriter& writer, const std::vector<LocalMark>& marks, bool names) {
  for (const LocalMark& mark : marks) {
    writer.Put(mark.slot);
    writer.Put(mark.local);
    writer.Put(mark.generation);
    writer.Short(names ? std::string_view(mark.tag) : std::string_view());
  }
}

}  // namespace

TimePoint Record::End() const noexcept {
  return std::max({fresh_until, renew_until, rescue_until});
}

std::string EncodeRecord(const Record& record) {
  const std::uint8_t flags = FlagsOf(record);
  std::string out;
  if (flags == 0) return out;
  ByteWriter writer(out);
  writer.Put(flags);
  if ((flags & kWindows) != 0) {
    PutTime(writer, record.fresh_until);
    PutTime(writer, record.renew_until);
    PutTime(writer, record.rescue_until);
  }
  if ((flags & kEager) != 0) {
    PutTime(writer, record.eager_after);
    writer.Put(record.load_time.count());
  }
  if ((flags & kStamped) != 0) writer.Put(record.stamp);
  if ((flags & kMarked) != 0) {
    writer.Put(static_cast<std::uint8_t>(record.marks.size()));
    const std::size_t before = out.size();
    PutMarks(writer, record.marks, true);
    if (out.size() > Entry::kMaxMeta) {
      out.resize(before);
      PutMarks(writer, record.marks, false);
    }
  }
  return out;
}

RecordView::RecordView(std::string_view meta, TimePoint end) noexcept
    : fresh_until_(end), renew_until_(end), rescue_until_(end) {
  if (meta.empty()) return;
  ByteReader reader(meta);
  flags_ = reader.Get<std::uint8_t>();
  if ((flags_ & kWindows) != 0) {
    fresh_until_ = GetTime(reader);
    renew_until_ = GetTime(reader);
    rescue_until_ = GetTime(reader);
  }
  if ((flags_ & kEager) != 0) {
    eager_after_ = GetTime(reader);
    load_time_ = Duration(reader.Get<std::int64_t>());
  }
  if ((flags_ & kStamped) != 0) stamp_ = reader.Get<std::uint64_t>();
  if ((flags_ & kMarked) != 0) {
    marks_ = reader.Get<std::uint8_t>();
    encoded_marks_ = reader.Rest();
  }
}

bool RecordView::Negative() const noexcept { return (flags_ & kNegative) != 0; }
bool RecordView::Old() const noexcept { return (flags_ & kOld) != 0; }

bool RecordView::Valid(const Tags& tags) const noexcept {
  ByteReader reader(encoded_marks_);
  for (int i = 0; i < marks_; ++i) {
    const auto slot = reader.Get<std::uint32_t>();
    const auto local = reader.Get<std::uint64_t>();
    if (tags.Local(slot) != local) return false;
    reader.Raw(sizeof(std::uint64_t));
    reader.Short();
  }
  return true;
}

std::vector<LocalMark> RecordView::Marks() const {
  std::vector<LocalMark> marks;
  marks.reserve(marks_);
  ByteReader reader(encoded_marks_);
  for (int i = 0; i < marks_; ++i) {
    LocalMark mark;
    mark.slot = reader.Get<std::uint32_t>();
    mark.local = reader.Get<std::uint64_t>();
    mark.generation = reader.Get<std::uint64_t>();
    mark.tag = reader.Short();
    marks.push_back(std::move(mark));
  }
  return marks;
}

Record RecordView::Copy() const {
  return {Negative(),   Old(),      fresh_until_, renew_until_, rescue_until_,
          eager_after_, load_time_, stamp_,       Marks()};
}

}  // namespace perf::cache
