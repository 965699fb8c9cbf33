// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/cache/tags.hpp"

namespace perf::cache {

/// A tag of an entry in memory: its slot's counter when the load began, and, for a snapshot,
/// its name and the tier's generation then.
struct LocalMark {
  std::uint32_t slot = 0;
  std::uint64_t local = 0;
  std::uint64_t generation = 0;
  std::string tag;
};

/// What the front keeps with an entry in memory.
struct Record {
  bool negative = false;
  /// Had its life extended after a failed load: what is handed out is old.
  bool old = false;
  TimePoint fresh_until;
  /// stale_while_revalidate and stale_if_error end here; not before fresh_until.
  TimePoint renew_until;
  TimePoint rescue_until;
  /// A background load is due from here on; max: never.
  TimePoint eager_after = TimePoint::max();
  Duration load_time{};
  std::uint64_t stamp = 0;
  std::vector<LocalMark> marks;

  /// When memory may forget it.
  TimePoint End() const noexcept;
};

/// As the meta data of an entry: only what this one needs, since every entry pays for each byte
/// (none at all in the plainest case). Names of tags are left out where they do not fit.
std::string EncodeRecord(const Record& record);

/// Reads what EncodeRecord wrote, without copying: a hit looks at a few bytes of it.
/// Thread safety: a value. Lifetime: of the bytes.
class RecordView {
 public:
  /// `end`: when the entry expires. Requires: EncodeRecord wrote `meta`.
  RecordView(std::string_view meta, TimePoint end) noexcept;

  bool Negative() const noexcept;
  bool Old() const noexcept;
  TimePoint FreshUntil() const noexcept { return fresh_until_; }
  TimePoint RenewUntil() const noexcept { return renew_until_; }
  TimePoint RescueUntil() const noexcept { return rescue_until_; }
  TimePoint EagerAfter() const noexcept { return eager_after_; }
  Duration LoadTime() const noexcept { return load_time_; }
  std::uint64_t Stamp() const noexcept { return stamp_; }
  /// None of its tags was invalidated since.
  bool Valid(const Tags& tags) const noexcept;
  std::vector<LocalMark> Marks() const;
  Record Copy() const;

 private:
  std::uint8_t flags_ = 0;
  std::uint8_t marks_ = 0;
  TimePoint fresh_until_, renew_until_, rescue_until_;
  TimePoint eager_after_ = TimePoint::max();
  Duration load_time_{};
  std::uint64_t stamp_ = 0;
  std::string_view encoded_marks_;
};

}  // namespace perf::cache
