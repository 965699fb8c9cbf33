// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/heard_rows.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kMostStreams = 1024;

/// All streams of a file, and what else it held.
class Replay {
 public:
  explicit Replay(const AudioReplayOptions& options) : options_(options) {}

  /// `is_rtp`: the file holds nothing else but RTCP; what looks like it is.
  void Add(const audio::CapturedPacket& captured, bool is_rtp) {
    const audio::Datagram& datagram = captured.datagram;
    if (captured.control || audio::IsRtcp(datagram.bytes)) {
      ++rtcp_;
      return;
    }
    audio::RtpPacket packet;
    const bool whole = !captured.Cut();
    if (audio::ParseRtp(datagram.bytes, packet, whole) != audio::RtpFault::kNone) {
      ++other_;
      return;
    }
    if (!whole) ++cut_;
    HeardStream* const stream =
        StreamOf({datagram.source, datagram.destination, packet.ssrc}, is_rtp);
    if (stream == nullptr) {
      ++other_;
      return;
    }
    const std::size_t missing = datagram.size - datagram.bytes.size();
    stream->Add(packet, packet.payload.size() + missing, captured.at);
  }

  /// Plays what is left, and forgets what was no RTP after all.
  void Finish(bool is_rtp) {
    std::erase_if(streams_, [&](const std::unique_ptr<HeardStream>& stream) {
      if (is_rtp || stream->Confirmed()) return false;
      other_ += stream->Reception().packets;
      return true;
    });
    for (const auto& stream : streams_) stream->Finish();
  }

  const std::vector<std::unique_ptr<HeardStream>>& Streams() const noexcept { return streams_; }
  std::uint64_t Rtcp() const noexcept { return rtcp_; }
  std::uint64_t Other() const noexcept { return other_; }
  std::uint64_t CutPackets() const noexcept { return cut_; }

 private:
  HeardStream* StreamOf(const StreamKey& key, bool is_rtp) {
    const auto known = by_key_.find(key);
    if (known != by_key_.end()) return known->second;
    if (streams_.size() == kMostStreams && !DropStrangest(is_rtp)) return nullptr;
    streams_.push_back(std::make_unique<HeardStream>(key, options_.payloads, options_.play));
    return by_key_[key] = streams_.back().get();
  }

  /// Makes room by the one that was silent for longest, of those that may be no RTP at all.
  bool DropStrangest(bool is_rtp) {
    auto oldest = streams_.end();
    for (auto at = streams_.begin(); at != streams_.end() && !is_rtp; ++at) {
      if ((*at)->Confirmed()) continue;
      if (oldest == streams_.end() || (*at)->Last() < (*oldest)->Last()) oldest = at;
    }
    if (oldest == streams_.end()) return false;
    other_ += (*oldest)->Reception().packets;
    by_key_.erase((*oldest)->Key());
    streams_.erase(oldest);
    return true;
  }

  const AudioReplayOptions& options_;
  std::vector<std::unique_ptr<HeardStream>> streams_;  // in the order of their first packets
  std::map<StreamKey, HeardStream*> by_key_;
  std::uint64_t rtcp_ = 0, other_ = 0, cut_ = 0;
};

/// What the file held beside packets that count.
void AppendRest(Json& row, const Replay& replay, const audio::CaptureReader& capture) {
  const audio::CaptureCounts& counts = capture.Counts();
  row["format"] = capture.Format();
  row["streams"] = std::uint64_t{replay.Streams().size()};
  row["rtcp_packets"] = replay.Rtcp();
  row["cut_packets"] = replay.CutPackets();
  row["other_packets"] = replay.Other();
  row["other_frames"] = counts.not_udp + counts.other_links + counts.headless;
  row["fragments"] = counts.fragments;
  row["ends_early"] = counts.ends_early;
}

}  // namespace

load::Result AudioReplay(const AudioReplayOptions& options, const Context& context) {
  Findings findings("audiostress", "replay", context.seed);
  AudioReplayOptions told = options;
  auto capture = OpenReplay(told.file, told.payloads);
  if (told.impairment.Any()) {
    told.impairment.seed = context.seed;
    capture = Impaired(std::move(capture), told.impairment);
  }
  const bool is_rtp = capture->Format() != "pcap" && capture->Format() != "pcapng";
  Replay replay(told);
  audio::CapturedPacket packet;
  while (!context.Stopped() && capture->Next(packet)) replay.Add(packet, is_rtp);
  replay.Finish(is_rtp);
  if (replay.Streams().empty() && !context.Stopped()) {
    throw ConfigError(fmt::format("{}: a {} without an RTP stream ({} records, {} RTCP packets)",
                                  told.file, capture->Format(), capture->Counts().records,
                                  replay.Rtcp()));
  }
  if (capture->Counts().ends_early) context.Phase("the file ends within a record");
  std::vector<const HeardStream*> streams;
  for (const auto& stream : replay.Streams()) streams.push_back(stream.get());
  SayUndecodable(streams, context);
  std::vector<Json> rows = HeardRows(streams);
  AppendRest(rows.front(), replay, *capture);
  for (Json& row : rows) findings.AddRow(std::move(row));
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
