// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::bench {
namespace {

/// Longer ones are cut: all streams share it.
constexpr std::size_t kMostSound = 16U << 20U;
constexpr std::size_t kMostDatagram = 60'000;
constexpr Duration kTrimLook = std::chrono::milliseconds(50);
constexpr Duration kTrimTime = std::chrono::seconds(1);

audio::StreamOptions StreamOptionsOf(const AudioTrialOptions& options) {
  audio::StreamOptions stream;
  stream.format = options.format;
  stream.period = options.period;
  stream.buffer = options.buffer;
  return stream;
}

}  // namespace

std::uint32_t AudioTrialOptions::Depth() const noexcept {
  return static_cast<std::uint32_t>((buffer + period - Duration(1)) / period);
}

FlowShape AudioTrialOptions::Shape() const noexcept {
  FlowShape shape;
  shape.producer = producer;
  shape.period = period;
  shape.depth = Depth();
  shape.fill = fill ? static_cast<std::uint32_t>(*fill / period) : std::max(1U, shape.depth / 2);
  return shape;
}

AudioProducer AudioProducerByName(std::string_view name) {
  if (name == "thread" || name == "file") return AudioProducer::kThread;
  if (name == "inline") return AudioProducer::kInline;
  if (name == "burst") return AudioProducer::kBurst;
  if (name == "rtp") return AudioProducer::kRtp;
  throw UsageError(
      fmt::format("--producer {}: thread, inline, burst, rtp or file", Excerpt(name, 40)));
}

void Check(const AudioTrialOptions& options) {
  if (!options.format.WholeFrames(options.period) ||
      options.period % std::chrono::milliseconds(1) != Duration::zero()) {
    throw UsageError(fmt::format("--period {}: a whole number of milliseconds and of frames of {}",
                                 FormatExact(options.period), options.format.ToString()));
  }
  if (options.buffer < 2 * options.period) {
    throw UsageError(fmt::format("--buffer {}: at least two periods", FormatExact(options.buffer)));
  }
  if (options.fill && (*options.fill < options.period || *options.fill > options.buffer)) {
    throw UsageError(
        fmt::format("--fill {}: from a period to the whole buffer", FormatExact(*options.fill)));
  }
  if (options.PacketBytes() < TestPackets::kLeast) {
    throw UsageError(fmt::format("--period {}: a test packet takes {} bytes, and this has {}",
                                 FormatExact(options.period), TestPackets::kLeast,
                                 options.PacketBytes()));
  }
  if (options.producer == AudioProducer::kRtp && options.PacketBytes() > kMostDatagram) {
    throw UsageError(
        fmt::format("--producer rtp: a period of {} bytes does not fit into a datagram",
                    options.PacketBytes()));
  }
}

std::vector<std::byte> LoadSound(const std::string& path, const audio::AudioFormat& format) {
  const auto reader = audio::OpenSound(path, format);
  std::vector<std::byte> sound(kMostSound);
  std::size_t size = 0;
  while (size < sound.size()) {
    const std::size_t more = reader->Read(std::span(sound).subspan(size));
    if (more == 0) break;
    size += more;
  }
  if (size == 0) throw ConfigError(fmt::format("{}: there is no sound in it", path));
  sound.resize(size);
  return sound;
}

TestPackets PacketsFor(const AudioTrialOptions& options) {
  if (options.input.empty()) return TestPackets(options.PacketBytes());
  return TestPackets(options.PacketBytes(), LoadSound(options.input, options.format));
}

OpenedStreams Open(audio::Streams& home, const AudioTrialOptions& options) {
  OpenedStreams opened;
  const audio::StreamOptions stream = StreamOptionsOf(options);
  opened.refs.reserve(options.streams);
  opened.streams.reserve(options.streams);
  for (std::size_t i = 0; i < options.streams; ++i) {
    audio::Opened one = home.Open(stream);
    if (!one) {
      opened.refusal = std::move(one.refusal);
      break;
    }
    opened.streams.push_back(one.stream.Get());
    opened.refs.push_back(std::move(one.stream));
  }
  return opened;
}

AudioTrial::AudioTrial(const AudioTrialOptions& options, const TestPackets& packets,
                       const Context& context)
    : context_(context),
      options_(options),
      home_({options.budget, options.budget}),
      rss_base_(ResidentBytes()),
      opened_(Open(home_, options)),
      count_(opened_.streams.size()),
      rig_(options.cores, context) {
  const std::uint64_t opened = ResidentBytes();
  lane_ = std::make_unique<AudioLane<audio::Stream>>(opened_.streams, packets, options.Shape(),
                                                     rig_.Cores());
  rss_tool_ = ResidentBytes() - opened;
  lane_->Prefill();
  if (options.producer == AudioProducer::kRtp) {
    feed_ = std::make_unique<RtpFeed>(opened_.streams, packets, options.period,
                                      options.Shape().fill, rig_.Cores());
  }
  rss_full_ = ResidentBytes();
}

void AudioTrial::Run(Duration warmup, Duration length) {
  const FlowShape shape = options_.Shape();
  if (feed_) {
    rig_.Add({}, shape.period, feed_->Listeners(), kRtpTick);
    rig_.Add(lane_->Readers(), shape.period, feed_->Senders(), shape.period);
  } else {
    rig_.Add(lane_->Readers(), shape.period, lane_->Writers(), shape.WritersPeriod());
  }
  rig_.Run(warmup);
  rig_.Begin();
  rig_.Run(length);
  rig_.End();
}

double AudioTrial::Close(double share, Random random) {
  std::vector<std::size_t> order(count_);
  for (std::size_t i = 0; i < count_; ++i) order[i] = i;
  for (std::size_t i = count_; i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(i) - 1))]);
  }
  order.resize(static_cast<std::size_t>(std::llround(share * static_cast<double>(count_))));
  std::vector<audio::Paced*> readers, writers;
  for (const std::size_t i : order) {
    readers.push_back(lane_->Readers()[i]);
    if (!lane_->Writers().empty()) writers.push_back(lane_->Writers()[i]);
  }
  const std::uint64_t before = ResidentBytes();
  const TimePoint end = Clock::now() + kTrimTime;
  rig_.Remove(readers, writers);
  for (const std::size_t i : order) opened_.refs[i] = {};
  const auto took = static_cast<double>(before) - static_cast<double>(rss_base_ + rss_tool_);
  double returned = 0;
  for (TimePoint now = Clock::now(); now < end && !context_.Stopped(); now = Clock::now()) {
    home_.Trim();
    returned = static_cast<double>(before) - static_cast<double>(ResidentBytes());
    std::this_thread::sleep_until(std::min(end, now + kTrimLook));
  }
  return took > 0 ? returned / took : 0;
}

load::AudioResult AudioTrial::Finish() {
  figures_ = rig_.Stop();
  load::AudioResult result;
  result.streams = count_;
  result.frames = figures_.late.LateUs().Count();
  lane_->Count(result);
  if (feed_) feed_->Count(result);
  result.late = stats::Summarize(figures_.late.LateUs());
  result.over_period = figures_.late.OverPeriod();
  if (context_.allocations != nullptr) result.hot_allocs = figures_.allocations;
  const auto grown = static_cast<double>(rss_full_) - static_cast<double>(rss_base_ + rss_tool_);
  if (count_ > 0) result.bytes_per_stream = grown / static_cast<double>(count_);
  result.starved_ms = ToMs(figures_.starved);
  if (result.frames > 0) {
    result.cpu_ns_per_frame =
        static_cast<double>(figures_.cpu.count()) / static_cast<double>(result.frames);
  }
  return result;
}

}  // namespace perf::bench
