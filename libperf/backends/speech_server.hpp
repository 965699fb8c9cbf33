// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "libperf/backends/delay_model.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// How the built-in speech server behaves.
struct SpeechConfig {
  /// From the whole request to the first byte of a /tts reply (head and first audio together).
  DelayModel first_byte;
  /// Audio per wall time: 1 is real time, in chunks of 20 ms against absolute deadlines; 0 is as
  /// fast as the socket takes it.
  double pace = 0;
  /// Characters (code points); a longer text is answered with 400.
  std::size_t max_text = 10000;
  std::uint64_t seed = 1;  // of first_byte's draws
};

/// What /tts renders: 24 kHz, signed 16 bit little endian, mono.
inline constexpr unsigned kSpeechRate = 24000;
inline constexpr unsigned kSpeechMsPerCharacter = 60;
inline constexpr unsigned kSpeechMinMs = 200;

/// Samples that /tts sends for a text of so many code points:
/// max(kSpeechMinMs, characters * kSpeechMsPerCharacter) of audio.
constexpr std::size_t SpeechSamples(std::size_t characters) noexcept {
  const std::size_t ms = characters * kSpeechMsPerCharacter;
  return (ms < kSpeechMinMs ? kSpeechMinMs : ms) * (kSpeechRate / 1000);
}

/// A bound and listening TCP socket on 127.0.0.1.
struct Listener {
  int descriptor = -1;
  std::uint16_t port = 0;
};
/// On `port`, or for 0 one of the kernel's choice. Throws: UnreachableError.
PERF_EXPORT Listener ListenOnLoopback(std::uint16_t port = 0);

/// The built-in speech server, HTTP/1.1 on one thread:
///   POST /tts {"text", "lang", "voice"} or GET /tts?text=…  chunked
///   audio/L16;rate=24000;channels=1 /echo the body, its Content-Type and, as X-Method, the method
///   /status/N (200 to 599)   /delay/MS (to 60000)   /health
///   /stats JSON counters: connections, requests (all, and by path)
/// Audio is a deterministic, voice-like tone, never silence; the same text, lang and voice give
/// the same bytes. Limits: head 16 KiB (431), body 1 MiB (413), 10 s for a whole request once
/// begun, 5 minutes idle, 10,000 connections.
/// Thread safety: Stop from any thread.
class PERF_EXPORT SpeechServer {
 public:
  /// Adopts the listening socket. Throws: IoError where it is none.
  SpeechServer(const SpeechConfig& config, int listener);
  ~SpeechServer();
  SpeechServer(const SpeechServer&) = delete;
  SpeechServer& operator=(const SpeechServer&) = delete;
  void Run();
  void Stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::backends
