// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/cold_codec.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "libperf/audio/samples.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/audio/shared_audio.hpp"
#include "tests/audio/tone.hpp"

using namespace perf::audio;
using test::Bytes;

namespace {

constexpr ColdKind kAll[] = {ColdKind::kNone, ColdKind::kFlac, ColdKind::kOpus, ColdKind::kG711};

/// Something like speech: tones that come and go, and a little noise.
Bytes Voice(const AudioFormat& format, std::size_t frames) {
  perf::Random random(frames);
  std::vector<float> samples;
  samples.reserve(frames * format.Channels());
  for (std::size_t i = 0; i < frames; ++i) {
    const double t = static_cast<double>(i) / format.Rate();
    const double value = 0.3 * std::sin(t * 900) * std::sin(t * 11) + 0.1 * std::sin(t * 5300) +
                         0.002 * random.Normal();
    samples.insert(samples.end(), format.Channels(), static_cast<float>(value));
  }
  Bytes bytes(format.BytesOf(frames));
  ConvertSamples(SampleType::kF32, std::as_bytes(std::span(samples)), format.Type(), bytes);
  return bytes;
}

/// How much of the signal is left over noise, in dB.
double Fidelity(const AudioFormat& format, std::span<const std::byte> was,
                std::span<const std::byte> is) {
  const auto floats = [&](std::span<const std::byte> pcm) {
    std::vector<float> samples(pcm.size() / BytesPerSample(format.Type()));
    ConvertSamples(format.Type(), pcm, SampleType::kF32,
                   std::as_writable_bytes(std::span(samples)));
    return samples;
  };
  const std::vector<float> before = floats(was), after = floats(is);
  std::vector<float> noise(before.size());
  std::transform(before.begin(), before.end(), after.begin(), noise.begin(), std::minus<>());
  return test::Decibel(test::Rms(before) / (test::Rms(noise) + 1e-9));
}

/// By how many milliseconds, of -0.5 to 0.5, `is` comes too late.
double BestShift(const AudioFormat& format, std::span<const std::byte> was,
                 std::span<const std::byte> is) {
  const std::size_t bytes = format.BytesPerFrame();
  const int most = static_cast<int>(format.Rate() / 2000);
  const auto middle = was.subspan(static_cast<std::size_t>(most) * bytes,
                                  was.size() - 2 * static_cast<std::size_t>(most) * bytes);
  int best = 0;
  double best_db = -1000;
  for (int shift = -most; shift <= most; ++shift) {
    const double db = Fidelity(
        format, middle, is.subspan(static_cast<std::size_t>(most + shift) * bytes, middle.size()));
    if (db > best_db) best_db = db, best = shift;
  }
  return best * 1000.0 / format.Rate();
}

std::vector<ColdCodec> Codecs(std::initializer_list<const char*> formats) {
  std::vector<ColdCodec> codecs;
  for (const char* text : formats) {
    for (const ColdKind kind : kAll) {
      try {
        codecs.emplace_back(kind, AudioFormat::Parse(text));
      } catch (const perf::ConfigError&) {
      }
    }
  }
  return codecs;
}

/// The 7 s of speech; empty where they are absent.
Bytes Speech() {
  const std::string path = test::SharedAudio("espeak_tts24k_s16_mono.wav");
  if (path.empty()) return {};
  const auto reader = OpenSound(path, AudioFormat::Parse("s16:24000:1"));
  Bytes pcm(2 * *reader->Info().frames);
  REQUIRE(reader->Read(pcm) == pcm.size());
  return pcm;
}

}  // namespace

TEST_CASE("cold blocks of any length come back, the lossless ones to the bit") {
  const auto codecs = Codecs({"s16:24000:1", "s24:48000:2", "f32:16000:2", "ulaw:8000:1",
                              "alaw:8000:2", "s16:44100:6", "s32:12000:1", "s16:8000:1"});
  CHECK(codecs.size() == 8 + 8 + 4 + 7);  // none, G.711; FLAC; Opus
  for (const ColdCodec& codec : codecs) {
    CAPTURE(Name(codec.Kind()));
    CAPTURE(codec.Format().ToString());
    for (const std::size_t frames : {0U, 1U, 7U, 160U, 479U, 481U, 12'000U, 24'001U}) {
      CAPTURE(frames);
      const Bytes pcm = Voice(codec.Format(), frames);
      const Bytes block = codec.Encode(pcm);
      CHECK(block.capacity() == block.size());
      Bytes back(pcm.size());
      REQUIRE(codec.Decode(block, back));
      if (codec.Lossless()) CHECK(back == pcm);
      if (!codec.Lossless() && frames > 400) {
        CHECK(Fidelity(codec.Format(), pcm, back) > 2);
        // SILK's own delay is not a whole number of frames.
        CHECK(std::abs(BestShift(codec.Format(), pcm, back)) < 0.3);
      }
      // Of another length it is none.
      Bytes other(pcm.size() + codec.Format().BytesPerFrame());
      CHECK_FALSE(codec.Decode(block, other));
    }
    if (codec.Format().BytesPerFrame() > 1) CHECK_THROWS_AS(codec.Encode(Bytes(1)), perf::Error);
  }
}

TEST_CASE("what a codec cannot hold is refused, with the reason") {
  CHECK_THROWS_WITH_AS(ColdCodec(ColdKind::kFlac, AudioFormat::Parse("f32:24000:1")),
                       "FLAC keeps s16 and s24 of up to 8 channels, not f32:24000:1",
                       perf::ConfigError);
  CHECK_THROWS_AS(ColdCodec(ColdKind::kFlac, AudioFormat::Parse("s16:24000:9")), perf::ConfigError);
  CHECK_THROWS_AS(ColdCodec(ColdKind::kOpus, AudioFormat::Parse("s16:44100:1")), perf::ConfigError);
  CHECK_THROWS_AS(ColdCodec(ColdKind::kOpus, AudioFormat::Parse("s16:48000:3")), perf::ConfigError);
  for (const ColdKind kind : kAll) CHECK(ColdKindByName(Name(kind)) == kind);
  CHECK_THROWS_AS(ColdKindByName("mp3"), perf::ConfigError);
}

TEST_CASE("speech takes less than half in FLAC, and is the same") {
  const Bytes pcm = Speech();
  if (pcm.empty()) return;
  for (const ColdKind kind : kAll) {
    const ColdCodec codec(kind, AudioFormat::Parse("s16:24000:1"));
    for (const std::uint64_t block_frames :
         {codec.BlockFrames() / 2, codec.BlockFrames(), codec.BlockFrames() * 2}) {
      const std::size_t block_bytes = codec.Format().BytesOf(block_frames);
      std::size_t packed = 0;
      Bytes all, heads, heads_back;
      for (std::size_t at = 0; at < pcm.size(); at += block_bytes) {
        const auto some = std::span(pcm).subspan(at, std::min(block_bytes, pcm.size() - at));
        const Bytes block = codec.Encode(some);
        packed += block.size();
        Bytes back(some.size());
        REQUIRE(codec.Decode(block, back));
        const auto head = static_cast<std::ptrdiff_t>(std::min<std::size_t>(960, back.size()));
        heads.insert(heads.end(), some.begin(), some.begin() + head);
        heads_back.insert(heads_back.end(), back.begin(), back.begin() + head);
        all.insert(all.end(), back.begin(), back.end());
      }
      const double ratio = static_cast<double>(packed) / static_cast<double>(pcm.size());
      const double whole_db = Fidelity(codec.Format(), pcm, all);
      const double heads_db = Fidelity(codec.Format(), heads, heads_back);
      MESSAGE(Name(kind) << " in blocks of " << block_frames << " frames: " << ratio << " of "
                         << pcm.size() << " bytes; " << whole_db << " dB, first 20 ms of blocks "
                         << heads_db << " dB");
      // A block begins as well as it goes on.
      CHECK(heads_db > whole_db - 3);
      if (codec.Lossless()) CHECK(all == pcm);
      if (kind == ColdKind::kFlac) CHECK(ratio < 0.5);
      if (kind == ColdKind::kG711) CHECK(ratio == 0.5);
      if (kind == ColdKind::kOpus) CHECK(ratio < 0.09);
    }
  }
}

TEST_CASE("a block that is damaged is refused or gives something else, never more") {
  perf::Random random(5);
  for (const ColdCodec& codec : Codecs({"s16:24000:1", "s24:48000:2"})) {
    CAPTURE(Name(codec.Kind()));
    const Bytes pcm = Voice(codec.Format(), 2400);
    const Bytes good = codec.Encode(pcm);
    for (int round = 0; round < 300; ++round) {
      Bytes bad = good;
      if (round % 3 == 0) bad.resize(static_cast<std::size_t>(random.Int(0, std::ssize(good))));
      for (std::int64_t change = random.Int(1, 8); change > 0 && !bad.empty(); --change) {
        bad[static_cast<std::size_t>(random.Int(0, std::ssize(bad) - 1))] =
            std::byte(random.Next() & 0xFF);
      }
      Bytes back(pcm.size());
      codec.Decode(bad, back);
    }
    Bytes back(pcm.size());
    CHECK_FALSE(codec.Decode({}, back));
    CHECK_FALSE(codec.Decode(test::BytesOf("RIFF\xff\xff\xff\xffWAVEfmt "), back));
  }
}

TEST_CASE("many threads pack and unpack at the same time") {
  const auto codecs = Codecs({"s16:24000:1", "s16:48000:2"});
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t round = 0; round < 16; ++round) {
        const ColdCodec& codec = codecs[(round + thread) % codecs.size()];
        const Bytes pcm = Voice(codec.Format(), 4800 + thread);
        const Bytes block = codec.Encode(pcm);
        Bytes back(pcm.size());
        if (!codec.Decode(block, back) || block != codec.Encode(pcm)) ++wrong;
        if (codec.Lossless() && back != pcm) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}
