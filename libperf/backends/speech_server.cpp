// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/speech_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/backends/http_server.hpp"
#include "libperf/backends/speech_voice.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/random.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kAudioType = "audio/L16;rate=24000;channels=1";
constexpr std::string_view kJsonType = "application/json";
constexpr std::size_t kPacedSamples = kSpeechRate / 50;  // 20 ms
constexpr std::size_t kUnpacedSamples = 16384;
constexpr std::int64_t kMaxDelayMs = 60'000;

/// The audio of one reply, with its pace.
class SpeechStream final : public BodyStream {
 public:
  SpeechStream(SpokenText text, double pace, TimePoint start)
      : text_(std::move(text)), pace_(pace), start_(start) {}

  bool Next(std::string& piece) override {
    text_.Speak(piece, pace_ > 0 ? kPacedSamples : kUnpacedSamples);
    ++pieces_;
    return !text_.AtEnd();
  }

  /// Counted from the start: what one piece is late does not delay the others.
  TimePoint Due() const noexcept override {
    if (pace_ <= 0) return start_;
    const double ns = 20e6 / pace_ * static_cast<double>(pieces_);
    return Saturated(start_, Duration(static_cast<Duration::rep>(std::min(ns, 1e17))));
  }

 private:
  SpokenText text_;
  double pace_;
  TimePoint start_;
  std::uint64_t pieces_ = 0;
};

struct SpeechOrder {
  std::string text;
  std::string voice;  // and language
};

std::string DecodeQuery(std::string_view value) {
  std::string spaced(value);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return PercentDecode(spaced);
}

std::optional<SpeechOrder> OrderFromQuery(std::string_view query) {
  SpeechOrder order;
  bool found = false;
  for (const auto pair : Split(query, '&')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = pair.substr(0, equals);
    if (name == "text") {
      order.text = DecodeQuery(pair.substr(equals + 1));
      found = true;
    } else if (name == "lang" || name == "voice") {
      order.voice += fmt::format("{}={};", name, DecodeQuery(pair.substr(equals + 1)));
    }
  }
  return found ? std::optional(std::move(order)) : std::nullopt;
}

std::optional<SpeechOrder> OrderFromJson(std::string_view body) {
  const auto json = Json::TryParse(body);
  const Json* text = json ? json->Find("text") : nullptr;
  if (text == nullptr || !text->IsString()) return std::nullopt;
  SpeechOrder order;
  order.text = text->AsString();
  for (const std::string_view name : {"lang", "voice"})
    if (const Json* value = json->Find(name))
      order.voice += fmt::format("{}={};", name, value->ToText());
  return order;
}

void Refuse(ServedReply& reply, int status, std::string text) {
  reply.status = status;
  reply.own_body = std::move(text);
  reply.own_body += '\n';
}

}  // namespace

Listener ListenOnLoopback(std::uint16_t port) {
  Listener listener;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  listener.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A port that one asks for may have connections of an earlier server in TIME_WAIT.
  const int reuse = port != 0;
  ::setsockopt(listener.descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (listener.descriptor < 0 || ::bind(listener.descriptor, any, size) != 0 ||
      ::listen(listener.descriptor, 4096) != 0 ||
      ::getsockname(listener.descriptor, any, &size) != 0) {
    const int error = errno;
    if (listener.descriptor >= 0) ::close(listener.descriptor);
    throw UnreachableError(fmt::format("cannot listen on 127.0.0.1: {}", std::strerror(error)));
  }
  listener.port = ntohs(address.sin_port);
  return listener;
}

struct SpeechServer::Parts {
  enum Path { kTts, kEcho, kStatus, kDelay, kHealth, kStats, kOther, kPaths };
  static constexpr std::array<std::string_view, kPaths> kNames = {
      "tts", "echo", "status", "delay", "health", "stats", "other"};

  Parts(const SpeechConfig& wanted, int listener)
      : config(wanted),
        random(wanted.seed),
        server(listener, [this](const ServedRequest& request, ServedReply& reply) {
          const Path path = PathOf(request.path);
          ++counts[path];
          Answer(path, request, reply);
        }) {}

  static Path PathOf(std::string_view path) noexcept {
    if (path == "/echo") return kEcho;
    if (path == "/tts") return kTts;
    if (path.starts_with("/status/")) return kStatus;
    if (path.starts_with("/delay/")) return kDelay;
    if (path == "/health") return kHealth;
    return path == "/stats" ? kStats : kOther;
  }

  void Answer(Path path, const ServedRequest& request, ServedReply& reply) {
    switch (path) {
      case kTts: return Tts(request, reply);
      case kEcho: return Echo(request, reply);
      case kStatus: return Status(request.path.substr(8), reply);
      case kDelay: return Delay(request.path.substr(7), reply);
      case kHealth: reply.body = "ok\n"; return;
      case kStats:
        reply.content_type = kJsonType;
        reply.own_body = Stats().Dump();
        return;
      default: return Refuse(reply, 404, "try /tts /echo /status/N /delay/MS /health /stats");
    }
  }

  void Tts(const ServedRequest& request, ServedReply& reply) {
    const bool post = request.method == "POST";
    if (!post && request.method != "GET" && request.method != "HEAD") {
      reply.fields = "Allow: GET, HEAD, POST\r\n";
      return Refuse(reply, 405, "/tts takes GET, HEAD or POST");
    }
    const auto order = post ? OrderFromJson(request.body) : OrderFromQuery(request.query);
    if (!order) return Refuse(reply, 400, "no text: send {\"text\": \"...\"} or ?text=...");
    const std::size_t characters = CountCodePoints(order->text);
    if (characters == 0) return Refuse(reply, 400, "the text is empty");
    if (characters > config.max_text)
      return Refuse(reply, 400,
                    fmt::format("the text is longer than {} characters", config.max_text));
    reply.content_type = kAudioType;
    reply.at = Clock::now() + config.first_byte.Draw(random);
    reply.stream = std::make_unique<SpeechStream>(SpokenText(order->text, order->voice),
                                                  config.pace, reply.at);
  }

  static void Echo(const ServedRequest& request, ServedReply& reply) {
    reply.body = request.body;
    if (!request.content_type.empty()) reply.content_type = request.content_type;
    reply.fields = "X-Method: ";
    reply.fields += request.method;
    reply.fields += "\r\n";
  }

  static void Status(std::string_view number, ServedReply& reply) {
    const auto status = ParseInteger(number);
    if (!status || *status < 200 || *status > 599)
      return Refuse(reply, 404, "a status is a number from 200 to 599");
    reply.status = static_cast<int>(*status);
    reply.own_body = fmt::format("{}\n", *status);
  }

  static void Delay(std::string_view number, ServedReply& reply) {
    const auto ms = ParseInteger(number);
    if (!ms || *ms < 0 || *ms > kMaxDelayMs)
      return Refuse(reply, 404, fmt::format("a delay is a number of ms from 0 to {}", kMaxDelayMs));
    reply.at = Clock::now() + std::chrono::milliseconds(*ms);
    reply.own_body = fmt::format("{}\n", *ms);
  }

  Json Stats() const {
    const HttpServerCounters& all = server.Counters();
    Json stats = Json::MakeObject();
    Json& connections = stats["connections"];
    connections["accepted"] = all.accepted;
    connections["open"] = all.open;
    connections["refused"] = all.refused;
    connections["expired"] = all.expired;
    Json& requests = stats["requests"];
    requests["total"] = all.requests;
    requests["bad"] = all.bad;
    for (std::size_t i = 0; i < kPaths; ++i) requests[kNames[i]] = counts[i];
    return stats;
  }

  SpeechConfig config;
  Random random;
  std::array<std::uint64_t, kPaths> counts{};
  HttpServer server;
};

SpeechServer::SpeechServer(const SpeechConfig& config, int listener)
    : parts_(std::make_unique<Parts>(config, listener)) {}

SpeechServer::~SpeechServer() = default;

void SpeechServer::Run() { parts_->server.Run(); }

void SpeechServer::Stop() { parts_->server.Stop(); }

}  // namespace perf::backends
