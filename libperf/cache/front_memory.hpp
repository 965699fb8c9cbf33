// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/cache/cache_options.hpp"
#include "libperf/cache/memory/memory.hpp"
#include "libperf/cache/record.hpp"
#include "libperf/cache/tags.hpp"

namespace perf::cache {

/// The memory tier as the front uses it: entries with a Record; nothing at all where the options
/// say that nothing is kept. Thread safety: all methods.
class FrontMemory {
 public:
  struct Hit {
    Handle handle;
    RecordView record;
  };

  /// Throws: ConfigError for an unknown policy.
  explicit FrontMemory(const CacheOptions& options);

  /// An entry that is not expired and not void by its tags, if only for fail-safe.
  std::optional<Hit> Find(std::string_view key, std::uint64_t hash, TimePoint now,
                          const Tags& tags);
  /// Not counted, not told to the policy.
  std::optional<Hit> Look(std::string_view key, std::uint64_t hash, TimePoint now,
                          const Tags& tags);
  /// False: refused; what was there is gone.
  bool Put(std::string_view key, std::uint64_t hash, std::string_view bytes, const Record& record,
           TimePoint now);
  void Remove(std::string_view key, std::uint64_t hash);
  void RemovePrefix(std::string_view prefix);
  void Clear();
  std::uint64_t Expire(TimePoint now);
  void ForEach(TimePoint now, const std::function<bool(Handle)>& show) const;
  MemoryStats Stats() const;
  bool Present() const noexcept { return memory_.has_value(); }

 private:
  static std::optional<Hit> Check(Handle handle, const Tags& tags);

  std::optional<Memory> memory_;
};

}  // namespace perf::cache
