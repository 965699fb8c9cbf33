// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/backends/poller.hpp"
#include "libperf/base/task.hpp"
#include "libperf/load/audio_set.hpp"
#include "libperf/load/loop_wait.hpp"
#include "libperf/load/recorder.hpp"
#include "libperf/load/voice.hpp"

namespace perf::load {

/// Plays audio for one loop, without blocking it: fills the streams of all its voices in turns, a
/// few times within what they buffer, and hears from the pacer when one has ended.
/// Thread safety: none; the loop's thread. Lifetime: borrows the loop and `set`, which run or at
/// least live until it has gone.
class Player final : private backends::Poller::Watcher {
 public:
  using Wait = std::shared_ptr<LoopWait<TimePoint>>;

  /// `index`: of the loop. Throws: IoError.
  Player(backends::EventLoop& loop, AudioSet& set, std::size_t index);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  /// Where is counted until the next call; what came before is counted into the last one.
  void RecordInto(Interval* interval);
  /// Begins to play; `wait` is given the time of the end. Null, and why in `refusal`, where the
  /// budget has no room for it.
  Voice* Start(const audio::StreamOptions& options, Voice::Matter matter, const Voice::Place& where,
               Wait wait, std::string& refusal);
  /// Of one that has not ended: nobody waits for it any more.
  void Stop(Voice& voice) noexcept;

 private:
  struct Playing {
    Voice* voice;
    Wait wait;
  };

  void OnEvents(std::uint32_t events) override;
  Voice& TakeVoice(Duration period);
  Task<void> Feed();
  void Count(Voice& voice);

  backends::EventLoop& loop_;
  AudioSet& set_;
  audio::Pacer& pacer_;
  EndedVoices ended_;
  std::vector<std::unique_ptr<Voice>> voices_;
  std::map<Duration, std::vector<Voice*>> spare_;  // by period, which a voice keeps
  std::vector<Playing> playing_;
  Interval* interval_ = nullptr;
  std::string scratch_;
  bool feeding_ = false;
};

}  // namespace perf::load
