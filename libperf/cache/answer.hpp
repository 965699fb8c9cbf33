// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/value.hpp"

namespace perf::cache {

enum class AnswerStatus : std::uint8_t {
  kFound,
  kAbsent,    ///< Get: a miss.
  kNegative,  ///< The source said, now or before, that there is no such thing.
  kError,     ///< The loader failed and no old value may stand in for it.
  kTimeout,   ///< The deadline passed.
};
enum class AnswerFrom : std::uint8_t { kNowhere, kMemory, kTier, kLoader };

/// "found", "absent", "negative", "error" or "timeout"; "nowhere", "memory", "tier" or "loader".
PERF_EXPORT std::string_view Name(AnswerStatus status) noexcept;
PERF_EXPORT std::string_view Name(AnswerFrom from) noexcept;

/// What a look-up came to. A value: copies share the bytes.
struct Answer {
  AnswerStatus status = AnswerStatus::kAbsent;
  AnswerFrom from = AnswerFrom::kNowhere;
  /// The value is past its TTL (stale-while-revalidate or fail-safe).
  bool stale = false;
  /// Another caller's load was waited for.
  bool coalesced = false;
  Value value;
  /// With kError, and with a stale value that stands in for a failed load.
  std::exception_ptr error;

  bool Found() const noexcept { return status == AnswerStatus::kFound; }
};

/// What became of a write.
struct Written {
  /// In memory: false when it was refused (too heavy, or a TTL that is not positive).
  bool memory = false;
  enum class Tier : std::uint8_t {
    kNone,     ///< There is no second tier, or it was not to be written.
    kWritten,  ///< Acknowledged.
    kPending,  ///< Later: the soft timeout passed, or the tier is down. Newest wins.
  } tier = Tier::kNone;
};

/// What a loader gives: the bytes, or nothing when the source has no such thing.
struct Loaded {
  std::optional<std::string> bytes;
  /// Instead of the TTL of the options, where the source knows better.
  std::optional<Duration> ttl;
};

/// Reads the source; throws what it likes when that fails. Runs with no lock held, and may use the
/// cache (not for the same key: it would wait for itself until its deadline).
using Loader = std::function<Loaded()>;

/// How an asynchronous load ends: call one of them once, from any thread; further calls do nothing.
/// When every copy is destroyed without a call, the load has failed.
class PERF_EXPORT LoadDone {
 public:
  struct Outcome {
    Loaded loaded;
    std::exception_ptr error;
  };
  explicit LoadDone(std::function<void(Outcome)> then);
  void Give(Loaded loaded) const;
  void Fail(std::exception_ptr error) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Starts to read the source and returns; whoever ends it calls the LoadDone. May throw instead.
using AsyncLoader = std::function<void(LoadDone)>;

}  // namespace perf::cache
