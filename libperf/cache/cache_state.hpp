// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"
#include "libperf/cache/answer.hpp"
#include "libperf/cache/cache_stats.hpp"
#include "libperf/cache/flight.hpp"
#include "libperf/cache/parts.hpp"
#include "libperf/cache/second_tier.hpp"
#include "libperf/cache/warm.hpp"

namespace perf::cache {

/// What all faces of a cache do with its parts: look up, join or begin flights, write, invalidate;
/// and what the tier tells it. Thread safety: all methods.
class CacheState final : public TierListener {
 public:
  CacheState(CacheOptions options, std::shared_ptr<SecondTier> tier);
  ~CacheState() override;

  Parts& Its() noexcept { return parts_; }
  std::shared_ptr<const EntryOptions> OptionsOr(const EntryOptions* options) const;
  CacheStats Stats() const;

  /// What memory has to say.
  struct Look {
    bool answered = false;
    bool fresh = false;
    bool refresh = false;  ///< A load in the background is due.
    Answer answer;
    std::optional<Candidate> candidate;
  };
  /// `counted` false: a second look at the same thing. `loader`: of a get_or_set.
  Look LookUp(std::string_view key, std::uint64_t hash, const EntryOptions& options, bool loader,
              bool counted = true);
  /// Boards the key's flight, or begins one. An answer, or the flight (to be started if `began`).
  struct Boarded {
    std::optional<Answer> answer;
    std::shared_ptr<Flight> flight;
    bool began = false;
  };
  Boarded Board(const std::string& key, std::uint64_t hash, Rider rider);
  /// A load in the background, unless one is under way.
  void Refresh(const std::string& key, std::uint64_t hash, std::function<void(LoadDone)> background,
               std::shared_ptr<const EntryOptions> options);
  /// `loader` as a load on the background threads.
  std::function<void(LoadDone)> InBackground(Loader loader) const;
  static void Run(const Loader& loader, const LoadDone& done);

  // Writes: memory at once; `done` (may be empty) when the tier has answered, also inside the call.
  using TierDone = std::function<void(Written::Tier)>;
  bool Set(const std::string& key, std::string bytes, const EntryOptions& options, TierDone done);
  void Remove(const std::string& key, TierDone done);
  void InvalidateTag(const std::string& tag, TierDone done);
  void RemovePrefix(const std::string& prefix, TierDone done);
  void Clear(TierDone done);

  void OnKeys(std::span<const std::string> keys) override;
  void OnTags(std::span<const std::string> tags) override;
  void OnEverything() override;
  void OnState() override;

  // The patterns of Warm.
  void Register(std::string pattern, WarmFunction function);
  WarmFunction FunctionFor(std::string_view key) const;

 private:
  void OvertakeAll(std::string_view prefix);
  void VoidAll(std::string_view prefix);
  void Flush();
  void Drop(const std::string& key, std::optional<std::uint64_t> stamp);
  static void Overtake(FlightTable::Stripe& stripe, const std::string& key);
  void FinishPrefix(const std::string& prefix, TierStatus status, const TierDone& done);

  Parts parts_;
  const std::shared_ptr<const EntryOptions> defaults_;
  mutable std::mutex warm_mutex_;
  std::vector<std::pair<std::string, WarmFunction>> warm_;
};

/// '*' is any run of bytes, '?' any one.
bool MatchesPattern(std::string_view pattern, std::string_view text) noexcept;

}  // namespace perf::cache
