// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_rtp.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/file.hpp"
#include "libperf/base/random.hpp"
#include "libperf/bench/audio_rig.hpp"
#include "libperf/bench/audio_run.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/heard_rows.hpp"
#include "libperf/bench/rtp_ends.hpp"

namespace perf::bench {
namespace {

constexpr Duration kDrain = std::chrono::milliseconds(300);
constexpr Duration kLook = std::chrono::milliseconds(50);
constexpr std::size_t kMostStreams = 100'000, kBatch = 128;
constexpr std::uint32_t kFirstSsrc = 0x7065'0000;

audio::Endpoint Allowed(const std::string& text, const AudioRtpOptions& options) {
  const audio::Endpoint endpoint = backends::ResolveEndpoint(text);
  const std::string host = text.substr(0, text.rfind(':'));
  const auto& hosts = options.allow_hosts;
  if (backends::IsLoopback(endpoint) ||
      std::find(hosts.begin(), hosts.end(), host) != hosts.end()) {
    return endpoint;
  }
  throw UsageError(fmt::format("{} is not this machine: --allow-host {} allows it", host, host));
}

void Check(const AudioRtpOptions& options) {
  if (!options.send && !options.receive) throw UsageError("rtp: --send, --receive or both");
  if (options.streams < 1 || options.streams > kMostStreams) {
    throw UsageError(fmt::format("--streams: from 1 to {}", kMostStreams));
  }
  if (options.send &&
      (!options.shape.payload.Decodable() || options.shape.Frames() == 0 ||
       options.shape.period % kRtpTick != Duration::zero() || options.shape.Bytes() > 60'000)) {
    throw UsageError(
        "rtp: sent can be PCMU, PCMA and L16, in periods of whole milliseconds that "
        "fit into a datagram");
  }
}

/// Any address and port from which a peer can be reached.
audio::Endpoint Unbound(const audio::Endpoint& peer) {
  audio::Endpoint local;
  local.family = peer.family;
  return local;
}

std::uint16_t Above(std::uint16_t port) {
  if (port > 65'533) throw UsageError("--sockets per-stream: there are not so many ports");
  return static_cast<std::uint16_t>(port + 2);
}

/// More sockets than a shell usually allows.
void RaiseDescriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// All sockets and both ends of them; what falls to a core is on its threads of the rig.
class Traffic {
 public:
  Traffic(const AudioRtpOptions& options, const Context& context);

  /// For as long as was asked for; what is under way still comes in.
  void Run();
  load::Result Finish(Findings& findings);

 private:
  backends::RtpSocket& Open(const audio::Endpoint& local, bool share = false);
  void Listen(backends::RtpSocket& socket, std::size_t core);
  void OpenPairs();
  void OpenEnds();
  /// A stream of this core.
  void Send(std::size_t core, backends::RtpSocket& socket, std::uint32_t stream);
  bool Silent(TimePoint now);
  std::vector<const HeardStream*> Heard();
  void Describe(Json& row, const RigFigures& figures) const;
  void Judge(const load::AudioResult& audio, std::uint64_t came, Findings& findings) const;
  std::uint64_t Sum(std::uint64_t (RtpSendBatch::*of)() const noexcept) const;
  std::uint64_t Sum(std::uint64_t (RtpEar::*of)() const noexcept) const;
  std::uint64_t RcvbufErrors() const;

  const AudioRtpOptions& options_;
  const Context& context_;
  const bool to_ourselves_;
  const RtpContent content_;
  HearOptions hear_;
  const TimePoint start_ = Clock::now();
  const std::size_t ticks_;  // of a period
  std::vector<std::unique_ptr<backends::RtpInbox>> inboxes_;
  std::vector<std::unique_ptr<backends::RtpOutbox>> outboxes_;
  std::vector<std::unique_ptr<backends::RtpSocket>> sockets_;
  std::vector<std::unique_ptr<RtpEar>> ears_;
  std::vector<std::unique_ptr<RtpListener>> listeners_;  // one a core
  std::vector<std::unique_ptr<RtpSendBatch>> batches_;   // of a tick and a core
  std::optional<backends::UdpCounters> before_;
  std::uint64_t seen_ = 0;
  TimePoint seen_at_{};
  AudioRig rig_;  // behind all that its threads use
};

std::size_t Cores(const AudioRtpOptions& options) {
  return options.threads == 0 && !options.send ? 1 : options.threads;
}

RtpContent Content(const AudioRtpOptions& options, bool to_ourselves) {
  return to_ourselves && options.file.empty() ? RtpContent::Test(TestPackets(options.shape.Bytes()))
                                              : RtpContent::Sound(options.shape, options.file);
}

Traffic::Traffic(const AudioRtpOptions& options, const Context& context)
    : options_(options),
      context_(context),
      to_ourselves_(options.send && options.receive && options.to.empty()),
      content_(Content(options, to_ourselves_)),
      ticks_(static_cast<std::size_t>(options.shape.period / kRtpTick)),
      rig_(Cores(options), context) {
  if (options.socket_per_stream) RaiseDescriptors();
  hear_.play = options.play;
  hear_.test = content_.AsTest();
  hear_.first_ssrc = kFirstSsrc;
  if (to_ourselves_) hear_.most_played = 0;
  for (std::size_t core = 0; core < rig_.Cores(); ++core) {
    inboxes_.push_back(std::make_unique<backends::RtpInbox>());
    outboxes_.push_back(std::make_unique<backends::RtpOutbox>(kBatch, content_.Room()));
    listeners_.push_back(std::make_unique<RtpListener>());
  }
  for (std::size_t i = 0; options.send && i < ticks_ * rig_.Cores(); ++i) {
    batches_.push_back(
        std::make_unique<RtpSendBatch>(*outboxes_[i % rig_.Cores()], options.shape, content_));
  }
  if (to_ourselves_) {
    OpenPairs();
  } else {
    OpenEnds();
  }
  const std::string& remark = sockets_.front()->BufferRemark();
  if (!remark.empty()) context.Phase(remark);
}

backends::RtpSocket& Traffic::Open(const audio::Endpoint& local, bool share) {
  backends::RtpSocketOptions options;
  options.local = local;
  options.share_port = share;
  sockets_.push_back(std::make_unique<backends::RtpSocket>(options));
  return *sockets_.back();
}

void Traffic::Listen(backends::RtpSocket& socket, std::size_t core) {
  ears_.push_back(
      std::make_unique<RtpEar>(socket, *inboxes_[core], options_.payloads, hear_, start_));
  listeners_[core]->Add(socket, *ears_.back());
}

void Traffic::Send(std::size_t core, backends::RtpSocket& socket, std::uint32_t stream) {
  const std::size_t tick = stream / rig_.Cores() % ticks_;
  Random random = Random(context_.seed).Fork(stream);
  batches_[tick * rig_.Cores() + core]->Add(socket, stream, kFirstSsrc + stream,
                                            static_cast<std::uint32_t>(random.Next()));
}

/// Two sockets that are each other's peers on each core, or for each stream, which goes both ways.
void Traffic::OpenPairs() {
  const audio::Endpoint any = backends::ResolveEndpoint("127.0.0.1:0");
  const std::size_t cores = rig_.Cores();
  const std::size_t pairs = options_.socket_per_stream ? options_.streams : cores;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    backends::RtpSocket& one = Open(any);
    backends::RtpSocket& other = Open(any);
    one.Connect(other.Local());
    other.Connect(one.Local());
    Listen(one, pair % cores);
    Listen(other, pair % cores);
  }
  // All there and then all back: what follows one another over the same socket is sent at once.
  for (const std::size_t back : {0U, 1U}) {
    for (std::size_t i = 0; i < options_.streams; ++i) {
      const std::size_t pair = options_.socket_per_stream ? i : i % cores;
      Send(i % cores, *sockets_[2 * pair + back],
           static_cast<std::uint32_t>(back * options_.streams + i));
    }
  }
}

/// One socket on each core, or for each stream with a port of its own, two above the one before.
void Traffic::OpenEnds() {
  const std::size_t cores = rig_.Cores();
  const std::size_t count = options_.socket_per_stream ? options_.streams : cores;
  audio::Endpoint local = backends::ResolveEndpoint("127.0.0.1:0"), peer;
  if (options_.receive) local = Allowed(options_.listen, options_);
  if (options_.send) {
    peer = Allowed(options_.to.empty() ? options_.listen : options_.to, options_);
    if (peer.port == 0) throw UsageError("rtp: port 0 is nobody's: where is it to send?");
    if (!options_.receive) local = Unbound(peer);
  }
  for (std::size_t i = 0; i < count; ++i) {
    backends::RtpSocket& socket =
        Open(local, options_.receive && !options_.socket_per_stream && cores > 1);
    if (options_.send) socket.Connect(peer);
    if (options_.receive) Listen(socket, i % cores);
    if (!options_.socket_per_stream) continue;
    if (options_.receive) local.port = Above(local.port);
    peer.port = options_.send ? Above(peer.port) : peer.port;
  }
  if (options_.receive) {
    context_.Phase(fmt::format("listening on {}", sockets_.front()->Local().ToString()));
  }
  for (std::size_t i = 0; options_.send && i < options_.streams; ++i) {
    Send(i % cores, *sockets_[i % count], static_cast<std::uint32_t>(i));
  }
}

bool Traffic::Silent(TimePoint now) {
  const std::uint64_t packets = Sum(&RtpEar::Packets);
  if (packets != seen_) seen_at_ = now;
  seen_ = packets;
  return options_.idle > Duration::zero() && packets > 0 && now - seen_at_ > options_.idle;
}

void Traffic::Run() {
  std::vector<audio::Paced*> senders, listeners;
  for (const auto& batch : batches_) senders.push_back(batch.get());
  for (const auto& listener : listeners_) listeners.push_back(listener.get());
  before_ = backends::ReadUdpCounters();
  // Who only sends is what is measured.
  if (!options_.receive) {
    rig_.Add(senders, options_.shape.period, {}, kRtpTick);
  } else {
    rig_.Add(listeners, kRtpTick, senders, options_.shape.period);
  }
  rig_.Begin();
  const TimePoint end = Saturated(Clock::now(), options_.duration);
  for (TimePoint now = Clock::now(); now < end && !context_.Stopped() && !Silent(now);
       now = Clock::now()) {
    rig_.Run(std::min(kLook, end - now));
  }
  rig_.End();
  rig_.Remove(options_.receive ? std::vector<audio::Paced*>() : senders, senders);
  if (options_.receive && options_.send) std::this_thread::sleep_for(kDrain);
}

template <typename Ends, typename Count>
std::uint64_t SumOf(const Ends& ends, Count count) {
  std::uint64_t sum = 0;
  for (const auto& end : ends) sum += ((*end).*count)();
  return sum;
}
std::uint64_t Traffic::Sum(std::uint64_t (RtpSendBatch::*of)() const noexcept) const {
  return SumOf(batches_, of);
}
std::uint64_t Traffic::Sum(std::uint64_t (RtpEar::*of)() const noexcept) const {
  return SumOf(ears_, of);
}

std::uint64_t Traffic::RcvbufErrors() const {
  const auto now = backends::ReadUdpCounters();
  return now && before_ ? now->rcvbuf_errors - before_->rcvbuf_errors : 0;
}

std::vector<const HeardStream*> Traffic::Heard() {
  std::vector<const HeardStream*> heard;
  for (const auto& ear : ears_) {
    for (const auto& stream : ear->Streams()) {
      stream->Finish();
      heard.push_back(stream.get());
    }
  }
  return heard;
}

void Traffic::Describe(Json& row, const RigFigures& figures) const {
  std::uint64_t drops = 0;
  for (const auto& socket : sockets_) drops += socket->Drops().value_or(0);
  const audio::PaceTally& late = options_.receive ? figures.writers_late : figures.late;
  const stats::Summary summary = stats::Summarize(late.LateUs());
  const std::uint64_t sent = Sum(&RtpSendBatch::Sent), came = Sum(&RtpEar::Packets);
  row["streams"] = std::uint64_t{options_.send ? options_.streams : 0};
  row["sent"] = sent;
  row["unsent"] = Sum(&RtpSendBatch::Unsent);
  row["rcvbuf_errors"] = before_ ? Json(RcvbufErrors()) : Json();
  row["socket_drops"] = drops;
  row["sockets"] = std::uint64_t{sockets_.size()};
  row["receive_buffer_bytes"] = std::uint64_t{sockets_.front()->ReceiveBuffer()};
  row["rtcp_packets"] = Sum(&RtpEar::Rtcp);
  row["other_packets"] = Sum(&RtpEar::Other);
  row["cut_packets"] = Sum(&RtpEar::CutPackets);
  row["send_late_p99_ms"] = summary.p99;
  row["send_late_max_ms"] = summary.max;
  row["starved_ms"] = ToMs(figures.starved);
  row["cpu_us_per_packet"] =
      sent + came > 0
          ? Json(static_cast<double>(figures.cpu.count()) / 1e3 / static_cast<double>(sent + came))
          : Json();
}

void Traffic::Judge(const load::AudioResult& audio, std::uint64_t came, Findings& findings) const {
  const std::uint64_t sent = Sum(&RtpSendBatch::Sent);
  if (options_.send) findings.Never("packets that were not sent", Sum(&RtpSendBatch::Unsent), sent);
  if (!options_.receive) return;
  findings.Never("packets lost by sequence", audio.lost, came);
  findings.Never("growth of the kernel's RcvbufErrors", RcvbufErrors(), came);
  if (!to_ourselves_) return;
  findings.Never("packets that did not come", sent > came ? sent - came : 0, sent);
  findings.Never("torn packets", audio.torn, came);
  findings.Never("packets of another stream", audio.leaked, came);
}

load::Result Traffic::Finish(Findings& findings) {
  const RigFigures figures = rig_.Stop();
  const std::vector<const HeardStream*> heard = Heard();
  std::vector<Json> rows = HeardRows(heard);
  rows.resize(to_ourselves_ || heard.empty() ? 1 : std::min(rows.size(), hear_.most_played + 1));
  Describe(rows.front(), figures);
  load::AudioResult audio;
  audio.streams = options_.send ? options_.streams : heard.size();
  audio.frames = std::max(Sum(&RtpSendBatch::Sent), Sum(&RtpEar::Packets));
  const audio::PaceTally& late = options_.receive ? figures.writers_late : figures.late;
  audio.late = stats::Summarize(late.LateUs());
  audio.over_period = late.OverPeriod();
  audio.starved_ms = ToMs(figures.starved);
  for (const HeardStream* stream : heard) {
    audio.lost += stream->Reception().lost;
    audio.repeated += stream->Reception().duplicates;
  }
  for (const auto& ear : ears_) {
    audio.torn += ear->Tally().torn;
    audio.leaked += ear->Tally().leaked;
  }
  SayUndecodable(heard, context_);
  for (Json& row : rows) findings.AddRow(std::move(row));
  Judge(audio, Sum(&RtpEar::Packets), findings);
  if (options_.send) JudgeStarved(figures, findings);
  findings.SetAudio(audio);
  return findings.Finish(context_.Stopped());
}

}  // namespace

std::string SessionDescription(const RtpShape& shape, const std::string& to) {
  const audio::Endpoint peer = backends::ResolveEndpoint(to);
  const std::string where = peer.ToString().substr(0, peer.ToString().rfind(':'));
  const std::string address = peer.family == 6 ? where.substr(1, where.size() - 2) : where;
  const char* const family = peer.family == 6 ? "IP6" : "IP4";
  return fmt::format(
      "v=0\r\no=- 0 0 IN {0} {1}\r\ns=audiostress\r\nc=IN {0} {1}\r\nt=0 0\r\n"
      "m=audio {2} RTP/AVP {3}\r\na=rtpmap:{3} {4}\r\na=ptime:{5}\r\n",
      family, address, peer.port, shape.type, shape.payload.ToString(),
      shape.period / std::chrono::milliseconds(1));
}

load::Result AudioRtp(const AudioRtpOptions& options, const Context& context) {
  Check(options);
  if (!options.sdp.empty()) {
    OutputFile file(options.sdp);
    const std::string text =
        SessionDescription(options.shape, options.to.empty() ? options.listen : options.to);
    file.Write(std::as_bytes(std::span(text)));
    file.Commit();
  }
  Findings findings("audiostress", "rtp", context.seed);
  Traffic traffic(options, context);
  traffic.Run();
  return traffic.Finish(findings);
}

}  // namespace perf::bench
