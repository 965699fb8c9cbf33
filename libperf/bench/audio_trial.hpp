// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/audio/format.hpp"
#include "libperf/audio/streams.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"
#include "libperf/bench/audio_lane.hpp"
#include "libperf/bench/audio_rig.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/rtp_feed.hpp"
#include "libperf/load/audio_result.hpp"

namespace perf::bench {

/// What streams are like, and how they are driven.
struct AudioTrialOptions {
  std::size_t streams = 1000;
  audio::AudioFormat format;
  Duration period = std::chrono::milliseconds(20);
  Duration buffer = std::chrono::milliseconds(200);
  std::optional<Duration> fill;  // that waits when it begins; half the buffer
  AudioProducer producer = AudioProducer::kThread;
  std::uint64_t budget = 512U << 20U;
  std::size_t cores = 0;  // with a pacer each; 0: all
  std::string input;      // a sound file that the packets carry; empty: noise

  std::size_t PacketBytes() const noexcept { return format.BytesOf(format.FramesIn(period)); }
  std::uint32_t Depth() const noexcept;
  FlowShape Shape() const noexcept;
};

/// "thread", "inline", "burst", "rtp" or "file" (which is a thread). Throws: UsageError.
PERF_EXPORT AudioProducer AudioProducerByName(std::string_view name);
/// Throws: UsageError for periods without whole frames or whole milliseconds, and the like.
PERF_EXPORT void Check(const AudioTrialOptions& options);
/// At most 16 MiB of a file. Throws: ConfigError for one that is none of this format.
std::vector<std::byte> LoadSound(const std::string& path, const audio::AudioFormat& format);
/// Packets for streams like these. Throws: ConfigError for a file that is none of this format.
TestPackets PacketsFor(const AudioTrialOptions& options);

/// As many as were asked for, or as the budget has room for.
struct OpenedStreams {
  std::vector<audio::StreamRef> refs;
  std::vector<audio::Stream*> streams;
  std::string refusal;  // of the first that was refused
};
OpenedStreams Open(audio::Streams& home, const AudioTrialOptions& options);

/// Streams that were opened, filled and driven by a rig.
/// Thread safety: none. Lifetime: borrows options, packets and context.
class AudioTrial {
 public:
  AudioTrial(const AudioTrialOptions& options, const TestPackets& packets, const Context& context);

  /// Drives all streams: `warmup` uncounted (but for what goes wrong), then `length`.
  void Run(Duration warmup, Duration length);
  /// Closes a share of the streams, drawn at random, while the others go on; returns which share of
  /// what all took the system has back a second later at the latest.
  double Close(double share, Random random);
  /// Ends it; what was found, without what is not known here. Called once.
  load::AudioResult Finish();

  const std::string& Refusal() const noexcept { return opened_.refusal; }
  /// After Finish.
  const RigFigures& Figures() const noexcept { return figures_; }

 private:
  const Context& context_;
  const AudioTrialOptions& options_;
  audio::Streams home_;
  std::uint64_t rss_base_ = 0, rss_tool_ = 0, rss_full_ = 0;
  OpenedStreams opened_;
  std::size_t count_ = 0;
  AudioRig rig_;
  std::unique_ptr<AudioLane<audio::Stream>> lane_;
  std::unique_ptr<RtpFeed> feed_;  // of AudioProducer::kRtp
  RigFigures figures_;
};

}  // namespace perf::bench
