// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

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

/// Serves until SIGTERM on a listening TCP socket, which it adopts; one thread, HTTP/1.1:
///   POST /tts {"text", "lang", "voice"} or GET /tts?text=…  chunked
///   audio/L16;rate=24000;channels=1 /echo the body, its Content-Type and, as X-Method, the method
///   /status/N   /delay/MS /health   /stats (JSON counters of connections and of requests by path)
/// Audio is a deterministic, voice-like tone, never silence; the same text, lang and voice give the
/// same bytes. Limits: head 16 KiB (431), body 1 MiB (413), 10 s for a whole request once begun,
/// 5 minutes idle, 10,000 connections.
/// Thread safety: one per thread. Throws: IoError when the socket cannot be served.
PERF_EXPORT void ServeSpeech(int listener, const SpeechConfig& config);

}  // namespace perf::backends
