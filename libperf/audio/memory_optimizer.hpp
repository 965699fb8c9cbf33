// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "libperf/audio/audio_config.hpp"
#include "libperf/audio/cold_backlog.hpp"
#include "libperf/audio/streams.hpp"
#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::audio {

/// One stream's memory.
struct StreamUsage {
  std::uint64_t id = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t used_bytes = 0;        // itself, and the packets that wait
  std::uint64_t cold_bytes = 0;        // of its backlog, packed, in memory
  std::uint64_t cold_audio_bytes = 0;  // what that would be as plain audio
};

struct OptimizerUsage {
  StreamsUsage streams;
  std::uint64_t cold_bytes = 0, cold_audio_bytes = 0;
  // Since the beginning, also of streams that are gone:
  std::uint64_t cold_lost_bytes = 0, spilled_blocks = 0, spill_failures = 0;
  std::uint64_t trims = 0, trimmed_bytes = 0;
};

/// The streams of a service by id, under one budget, and their upkeep: a thread feeds streams from
/// their backlogs, ends waits, closes idle streams and gives free memory back, at once when it is
/// more than gc_threshold_mb, and what was free for half a second otherwise, down to a sixteenth of
/// what is used. Streams that do not play keep their packets where they are: of their memory whole
/// free pages go back, and no more.
/// Thread safety: all methods; ProcessAudioData one thread for each stream.
class PERF_EXPORT AudioMemoryOptimizer {
 public:
  struct Options {
    BufferConfig buffers;
    std::uint64_t budget_bytes = 512U << 20U;
    Duration tick = std::chrono::milliseconds(50);  // of the upkeep
    Duration idle_timeout{};                        // 0: never
    std::string spill_directory = "/var/tmp";
    bool own_thread = true;  // false: Tick is called by somebody else
  };
  struct Created {
    std::uint64_t id = 0;
    StreamRef stream;
    std::string refusal;  // for people, with figures; empty when there is a stream
    explicit operator bool() const noexcept { return static_cast<bool>(stream); }
  };
  /// Changes a chunk of whole frames; gives the same or another length of them.
  using Hook = std::function<std::vector<std::byte>(std::span<const std::byte> chunk)>;

  /// Throws: ConfigError.
  explicit AudioMemoryOptimizer(Options options);
  AudioMemoryOptimizer() : AudioMemoryOptimizer(Options{}) {}
  ~AudioMemoryOptimizer();
  AudioMemoryOptimizer(const AudioMemoryOptimizer&) = delete;
  AudioMemoryOptimizer& operator=(const AudioMemoryOptimizer&) = delete;

  /// Opens one, until CloseStream. With `cold`, what does not fit into its buffer waits packed like
  /// that (plain where compression is off) up to max_buffer_size_mb and what the budget has left,
  /// and only ProcessAudioData writes. Throws: ConfigError for options that make no sense.
  Created CreateOptimizedStream(const StreamOptions& options,
                                std::optional<ColdKind> cold = std::nullopt);
  /// Cuts `audio` into chunks of chunk_size_bytes or a little less (whole frames), hands each to
  /// the hook, if there is one, and writes what it gives. Returns how many bytes were not lost.
  /// Throws: Error for an unknown id or half a frame; what the hook throws.
  std::size_t ProcessAudioData(std::uint64_t id, std::span<const std::byte> audio,
                               const Hook& hook = {});
  /// Nothing follows. Throws: Error for an unknown id.
  void FinishStream(std::uint64_t id);
  /// Empty for an unknown id.
  StreamRef GetAudioStream(std::uint64_t id) const;
  /// False: unknown.
  bool CloseStream(std::uint64_t id);

  OptimizerUsage Usage() const;
  std::vector<StreamUsage> UsageByStream() const;
  /// Gives all free memory back now.
  std::uint64_t Trim();
  /// One step of the upkeep.
  void Tick(TimePoint now);
  /// Collector "audio"; the registration goes before the optimizer.
  [[nodiscard]] metrics::Registry::Registration RegisterMetrics(metrics::Registry& registry);

 private:
  struct Held {
    StreamRef stream;
    std::shared_ptr<ColdBacklog> cold;
  };
  Held Find(std::uint64_t id) const;
  Held Known(std::uint64_t id) const;
  std::vector<Held> All() const;
  std::shared_ptr<ColdBacklog> BacklogFor(const StreamRef& stream, ColdKind cold) const;
  void TrimIfWorthIt();
  void Run();

  const Options options_;
  Streams streams_;
  mutable std::mutex mutex_;
  std::vector<Held> held_;  // by the place in the id
  std::size_t cold_ = 0;
  const std::shared_ptr<ColdTotals> cold_totals_ = std::make_shared<ColdTotals>();
  // Of the upkeep:
  std::mutex tick_mutex_;
  std::uint64_t least_free_ = ~std::uint64_t{0};
  std::uint32_t ticks_ = 0, trimming_ = 0;
  std::atomic<std::uint64_t> trims_{0}, trimmed_bytes_{0};
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::thread thread_;
};

/// Adds the families perfkit_audio_…; perfkit-metrics(7) lists them.
PERF_EXPORT void AddAudioMetrics(const OptimizerUsage& usage, metrics::Collection& collection);

}  // namespace perf::audio
