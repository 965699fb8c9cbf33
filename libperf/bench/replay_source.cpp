// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/replay_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <utility>
#include <vector>

#include "libperf/audio/rtp/packet.hpp"
#include "libperf/audio/samples.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::bench {
namespace {

constexpr std::uint8_t kSoundType = 127;  // the last of the dynamic ones
constexpr std::uint32_t kSoundSsrc = 1;
constexpr std::size_t kMostPayload = 60'000;
constexpr Duration kMostDelay = std::chrono::seconds(1);

/// A sound file as the packets of a sender that keeps time exactly.
class SoundCapture final : public audio::CaptureReader {
 public:
  SoundCapture(const std::string& path, audio::RtpPayloadMap& payloads)
      : reader_(audio::OpenSound(path)), format_(reader_->Info().format) {
    payload_ = {"L16", format_.Rate(), format_.Channels(), audio::RtpPayload::Codec::kL16};
    if (format_.Type() == audio::SampleType::kUlaw || format_.Type() == audio::SampleType::kAlaw) {
      const bool ulaw = format_.Type() == audio::SampleType::kUlaw;
      payload_.name = ulaw ? "PCMU" : "PCMA";
      payload_.codec = ulaw ? audio::RtpPayload::Codec::kPcmu : audio::RtpPayload::Codec::kPcma;
    }
    payloads.Set(kSoundType, payload_);
    const std::size_t most = kMostPayload / payload_.BytesPerFrame();
    frames_ = std::min<std::size_t>(format_.Rate() / 50, most);
    raw_.resize(format_.BytesOf(frames_));
  }

  bool Next(audio::CapturedPacket& packet) override {
    std::size_t got = 0;
    while (got < raw_.size()) {
      const std::size_t more = reader_->Read(std::span(raw_).subspan(got));
      if (more == 0) break;
      got += more;
    }
    if (got == 0) return false;
    const std::size_t frames = got / format_.BytesPerFrame();
    samples_.resize(frames * format_.Channels());
    audio::ConvertSamples(format_.Type(), std::span(raw_).first(got), audio::SampleType::kS16,
                          std::as_writable_bytes(std::span(samples_)));
    coded_.resize(frames * payload_.BytesPerFrame());
    audio::EncodePayload(payload_, samples_, coded_);
    audio::RtpPacket rtp;
    rtp.payload_type = kSoundType;
    rtp.marker = sent_ == 0;
    rtp.sequence = sequence_++;
    rtp.timestamp = static_cast<std::uint32_t>(sent_);
    rtp.ssrc = kSoundSsrc;
    rtp.payload = coded_;
    bytes_.resize(audio::RtpBytes(rtp));
    audio::BuildRtp(rtp, bytes_);
    packet = {};
    packet.at = format_.TimeOf(sent_);
    packet.datagram.bytes = bytes_;
    packet.datagram.size = bytes_.size();
    sent_ += frames;
    ++counts_.records;
    return true;
  }
  std::string_view Format() const noexcept override {
    return audio::Name(reader_->Info().container);
  }

 private:
  std::unique_ptr<audio::SoundReader> reader_;
  audio::AudioFormat format_;
  audio::RtpPayload payload_;
  std::size_t frames_ = 0;
  std::vector<std::byte> raw_, coded_, bytes_;
  std::vector<std::int16_t> samples_;
  std::uint64_t sent_ = 0;
  std::uint16_t sequence_ = 0;
};

class ImpairedCapture final : public audio::CaptureReader {
 public:
  ImpairedCapture(std::unique_ptr<audio::CaptureReader> source, const Impairment& impairment)
      : source_(std::move(source)), impairment_(impairment), random_(impairment.seed) {}

  bool Next(audio::CapturedPacket& packet) override {
    // No packet that is still to come arrives before it was sent.
    while (!ended_ && (waiting_.empty() || waiting_.top().packet.at > newest_)) Draw();
    if (waiting_.empty()) return false;
    arrived_ = std::move(const_cast<Held&>(waiting_.top()));
    waiting_.pop();
    packet = arrived_.packet;
    packet.datagram.bytes = arrived_.bytes;
    return true;
  }
  std::string_view Format() const noexcept override { return source_->Format(); }

 private:
  struct Held {
    audio::CapturedPacket packet;
    std::vector<std::byte> bytes;
    std::uint64_t number = 0;
  };
  struct Later {
    bool operator()(const Held& a, const Held& b) const noexcept {
      return a.packet.at != b.packet.at ? a.packet.at > b.packet.at : a.number > b.number;
    }
  };

  void Draw() {
    audio::CapturedPacket packet;
    ended_ = !source_->Next(packet);
    counts_ = source_->Counts();
    if (ended_) return;
    newest_ = std::max(newest_, packet.at);
    // Drawn for every packet: what is lost changes nothing for those behind it.
    const bool lost = random_.Unit() < impairment_.loss;
    const double delay = static_cast<double>(impairment_.jitter.count()) * random_.Exponential();
    if (lost) return;
    packet.at += Duration(
        static_cast<std::int64_t>(std::min(delay, static_cast<double>(kMostDelay.count()))));
    const auto& bytes = packet.datagram.bytes;
    waiting_.push({packet, {bytes.begin(), bytes.end()}, ++number_});
  }

  std::unique_ptr<audio::CaptureReader> source_;
  Impairment impairment_;
  Random random_;
  std::priority_queue<Held, std::vector<Held>, Later> waiting_;
  Held arrived_;
  Duration newest_ = Duration::min();
  std::uint64_t number_ = 0;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<audio::CaptureReader> OpenReplay(const std::string& path,
                                                 audio::RtpPayloadMap& payloads) {
  if (auto capture = audio::OpenCapture(path)) return capture;
  // What was looked at is gone from a pipe.
  if (path == "-") throw ConfigError("standard input: neither an rtpdump nor a pcap");
  try {
    return std::make_unique<SoundCapture>(path, payloads);
  } catch (const ConfigError& error) {
    throw ConfigError(
        fmt::format("neither an rtpdump nor a pcap nor a sound file: {}", error.what()));
  }
}

std::unique_ptr<audio::CaptureReader> Impaired(std::unique_ptr<audio::CaptureReader> source,
                                               const Impairment& impairment) {
  return std::make_unique<ImpairedCapture>(std::move(source), impairment);
}

}  // namespace perf::bench
