// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/answer.hpp"
#include "libperf/cache/cache_options.hpp"
#include "libperf/cache/cache_stats.hpp"
#include "libperf/cache/entry_options.hpp"
#include "libperf/cache/warm.hpp"

namespace perf::cache {

class SecondTier;
class CacheState;

/// A cache of bytes in two levels: memory, and a second tier that processes share (or none).
///
/// A remove, a set or an invalidation that comes while a value is being loaded or fetched wins:
/// that value goes to those who waited for it and is not kept. Nothing that the second tier does or
/// says makes a call throw; its failures are counted, and the call goes on without it. The blocking
/// calls park the calling thread until their deadline. The asynchronous ones call `done` once, on
/// `executor` (on whatever thread ends the work when it is nullptr), and never inside the call.
/// Thread safety: all methods. Lifetime: destroy it when no call is running; waits for its own
/// background loads, and answers what still waits. Loaders must not destroy it.
class PERF_EXPORT Cache {
 public:
  using Done = std::function<void(Answer)>;
  using WriteDone = std::function<void(Written)>;

  /// Throws: ConfigError for options out of range or an unknown policy.
  explicit Cache(CacheOptions options, std::shared_ptr<SecondTier> tier = nullptr);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  const CacheOptions& Options() const noexcept;
  const EntryOptions& Defaults() const noexcept { return Options().entry; }
  CacheStats Stats() const;

  /// Memory only: never waits.
  Answer Peek(std::string_view key);
  /// kFound, kNegative, kAbsent or kTimeout.
  Answer Get(std::string_view key, Deadline deadline);
  /// The value, loaded at most once at a time whoever asks. `options` nullptr: the defaults.
  /// The loader runs in one of the calling threads (and, to renew a stale value, as a copy in the
  /// background: what it refers to must live as long as the cache). Throws: ConfigError for options
  /// with too many tags, as Set does; never what the loader throws.
  Answer GetOrSet(std::string_view key, const Loader& loader, Deadline deadline,
                  const EntryOptions* options = nullptr);
  Written Set(std::string_view key, std::string bytes, Deadline deadline,
              const EntryOptions* options = nullptr);
  Written Remove(std::string_view key, Deadline deadline);
  /// All entries with this tag, here and in the second tier, in O(1).
  Written InvalidateTag(std::string_view tag, Deadline deadline);
  /// All keys that begin with `prefix`: looks at every entry.
  Written RemovePrefix(std::string_view prefix, Deadline deadline);
  /// Everything of this cache, in all processes, in O(1) for the second tier.
  Written Clear(Deadline deadline);

  /// An answer at once from memory, or nothing: then `done` is called later.
  std::optional<Answer> GetAsync(std::string_view key, Deadline deadline, Executor* executor,
                                 Done done);
  std::optional<Answer> GetOrSetAsync(std::string_view key, AsyncLoader loader, Deadline deadline,
                                      Executor* executor, Done done,
                                      const EntryOptions* options = nullptr);
  void SetAsync(std::string_view key, std::string bytes, Deadline deadline, Executor* executor,
                WriteDone done, const EntryOptions* options = nullptr);
  void RemoveAsync(std::string_view key, Deadline deadline, Executor* executor, WriteDone done);
  void InvalidateTagAsync(std::string_view tag, Deadline deadline, Executor* executor,
                          WriteDone done);

  /// Takes what has expired out of memory now, instead of with the next writes; how many.
  std::uint64_t EvictExpired();

  /// Loads the keys that match `pattern` ('*' any run of bytes, '?' one; the pattern registered
  /// last wins) when Warm is asked for them. Throws: ConfigError when the pattern is empty.
  void RegisterWarmFunction(std::string pattern, WarmFunction function);
  /// Loads what is not fresh in memory, in calling order; returns when all is done or the deadline
  /// has passed.
  WarmReport Warm(std::span<const std::string> keys, const WarmOptions& options);

  /// Writes all entries that are fresh, with tags and what is left of their TTLs, to `path` (a
  /// temporary file beside it, then renamed). Returns how many. Throws: OutputError.
  std::size_t SaveSnapshot(const std::string& path) const;
  /// Puts them into memory; what has expired meanwhile, by the wall clock, stays out. Nothing is
  /// put in from a file that is damaged or of another version. Where there is a second tier, what
  /// others have invalidated by tag or cleared stays out, too; what they have written or removed by
  /// key is not looked for. Returns how many. Throws: ConfigError, IoError.
  std::size_t LoadSnapshot(const std::string& path);

 private:
  std::unique_ptr<CacheState> state_;
};

}  // namespace perf::cache
