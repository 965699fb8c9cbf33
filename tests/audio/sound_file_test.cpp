// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/sound_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "libperf/audio/samples.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/base/text.hpp"
#include "tests/audio/shared_audio.hpp"
#include "tests/audio/tone.hpp"
#include "tests/support/scratch_dir.hpp"

using namespace perf::audio;
using test::Bytes;

namespace {

Bytes ReadAll(SoundReader& reader, std::size_t chunk = 5000) {
  Bytes all, some(chunk);
  for (;;) {
    const std::size_t got = reader.Read(some);
    REQUIRE(reader.Info().format.IsWhole(got));
    if (got == 0) return all;
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got));
  }
}

Bytes Noise(const AudioFormat& format, std::size_t frames) {
  perf::Random random(frames);
  std::vector<float> samples(frames * format.Channels());
  for (float& value : samples) value = static_cast<float>(random.Unit() - 0.5);
  Bytes bytes(format.BytesOf(frames));
  ConvertSamples(SampleType::kF32, std::as_bytes(std::span(samples)), format.Type(), bytes);
  return bytes;
}

void WriteSound(const std::string& path, SoundContainer container, const AudioFormat& format,
                const Bytes& pcm) {
  const auto writer = CreateSound(path, container, format);
  const std::size_t some = format.BytesOf(777);
  for (std::size_t at = 0; at < pcm.size(); at += some) {
    writer->Write(std::span(pcm).subspan(at, std::min(some, pcm.size() - at)));
  }
  writer->Close();
}

}  // namespace

// libsndfile 1.2 leaves behind what it had from libvorbis and libogg where a header is refused and
// where the disk is full, though it is closed. Its own memory, that of a file left open, is
// reported.
extern "C" const char* __lsan_default_suppressions() { return "leak:libvorbis\nleak:libogg\n"; }

TEST_CASE("lossless files give back what was written") {
  const test::ScratchDir dir;
  const auto check = [&](SoundContainer container, const char* text) {
    CAPTURE(Name(container));
    CAPTURE(text);
    const auto format = AudioFormat::Parse(text);
    const Bytes pcm = Noise(format, 10'001);
    WriteSound(dir / "sound", container, format, pcm);
    const auto reader = OpenSound(dir / "sound", format);
    CHECK(reader->Info().container == container);
    CHECK(reader->Info().format == format);
    CHECK(reader->Info().frames == 10'001);
    CHECK(ReadAll(*reader) == pcm);
    CHECK(SoundOf(container, format, pcm).size() == std::filesystem::file_size(dir / "sound"));
  };
  for (const char* text : {"s16:24000:1", "s24:48000:2", "s32:96000:1", "f32:44100:6",
                           "ulaw:8000:1", "alaw:8000:2", "s16:8000:32"}) {
    check(SoundContainer::kWav, text);
  }
  for (const char* text : {"s16:24000:1", "s24:48000:2", "s16:8000:8", "s16:11025:1"}) {
    check(SoundContainer::kFlac, text);
  }
  CHECK(dir.Count() == 1);
}

TEST_CASE("Ogg keeps the tone") {
  const test::ScratchDir dir;
  for (const SoundContainer container : {SoundContainer::kVorbis, SoundContainer::kOpus}) {
    CAPTURE(Name(container));
    const auto format = AudioFormat::Parse("s16:24000:1");
    const auto tone = test::Tone(1000, 24'000, 24'000);
    Bytes pcm(48'000);
    ConvertSamples(SampleType::kF32, std::as_bytes(std::span(tone)), SampleType::kS16, pcm);
    WriteSound(dir / "sound.ogg", container, format, pcm);
    // Without a sample type of its own any may be declared.
    const auto reader = OpenSound(dir / "sound.ogg", format);
    CHECK(reader->Info().container == container);
    CHECK(reader->Info().format.ToString() == "f32:24000:1");
    const auto back = test::SamplesOf<float>(ReadAll(*reader));
    CHECK(back.size() == tone.size());
    CHECK(test::HeightAt(1000, 24'000, back) == doctest::Approx(0.5).epsilon(0.05));
  }
}

TEST_CASE("a header that says another format than was declared is an error, not noise") {
  const test::ScratchDir dir;
  const auto format = AudioFormat::Parse("s16:24000:1");
  for (const SoundContainer container :
       {SoundContainer::kWav, SoundContainer::kFlac, SoundContainer::kOpus}) {
    CAPTURE(Name(container));
    WriteSound(dir / "sound", container, format, Noise(format, 2400));
    CHECK_THROWS_WITH_AS(
        OpenSound(dir / "sound", AudioFormat::Parse("s16:48000:1")),
        (dir / "sound: the header says s16:24000:1, declared is s16:48000:1").c_str(),
        perf::ConfigError);
    CHECK_THROWS_AS(OpenSound(dir / "sound", AudioFormat::Parse("s16:24000:2")), perf::ConfigError);
  }
  WriteSound(dir / "sound", SoundContainer::kWav, format, Noise(format, 2400));
  CHECK_THROWS_AS(OpenSound(dir / "sound", AudioFormat::Parse("f32:24000:1")), perf::ConfigError);
}

TEST_CASE("what is no sound file, or a damaged one, is an error that names it") {
  const auto format = AudioFormat::Parse("s16:24000:1");
  const auto open = [](const Bytes& bytes) { ReadAll(*OpenSound(bytes, "x.wav")); };
  CHECK_THROWS_WITH_AS(open({}), "x.wav: neither WAV, FLAC nor Ogg", perf::ConfigError);
  CHECK_THROWS_AS(open(test::BytesOf("ID3\x03 and more")), perf::ConfigError);
  CHECK_THROWS_AS(open(test::BytesOf("RIFF....WAVE")), perf::ConfigError);
  for (const SoundContainer container :
       {SoundContainer::kWav, SoundContainer::kFlac, SoundContainer::kVorbis}) {
    CAPTURE(Name(container));
    const Bytes good = SoundOf(container, format, Noise(format, 20'000));
    CHECK_NOTHROW(open(good));
    // Cut or changed anywhere it is read or refused, in bounded memory and time.
    perf::Random random(3);
    for (int round = 0; round < 300; ++round) {
      Bytes bad = good;
      if (round % 3 == 0) bad.resize(static_cast<std::size_t>(random.Int(0, std::ssize(good))));
      for (std::int64_t change = random.Int(0, 8); change > 0 && !bad.empty(); --change) {
        // Mostly in the header.
        const std::int64_t most = std::min<std::int64_t>(
            std::ssize(bad) - 1, random.Int(0, 3) == 0 ? std::ssize(bad) : 100);
        bad[static_cast<std::size_t>(random.Int(0, most))] = std::byte(random.Next() & 0xFF);
      }
      try {
        open(bad);
      } catch (const perf::ConfigError& error) {
        REQUIRE(std::string(error.what()).starts_with("x.wav: "));
      }
    }
  }
}

TEST_CASE("a FLAC file that ends early is an error") {
  const auto format = AudioFormat::Parse("s16:24000:1");
  Bytes bytes = SoundOf(SoundContainer::kFlac, format, Noise(format, 20'000));
  bytes.resize(bytes.size() / 2);
  CHECK_THROWS_AS(ReadAll(*OpenSound(bytes, "x.flac")), perf::ConfigError);
}

TEST_CASE("a header that promises more than there is costs no memory") {
  const auto format = AudioFormat::Parse("s16:24000:1");
  Bytes bytes = SoundOf(SoundContainer::kWav, format, Noise(format, 100));
  // The lengths of RIFF and of the data.
  for (const std::size_t at : {std::size_t{4}, bytes.size() - 204}) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = std::byte{0xFF};
  }
  CHECK(ReadAll(*OpenSound(bytes, "x.wav")).size() == 200);
}

TEST_CASE("raw samples, from files and pipes") {
  const test::ScratchDir dir;
  const auto format = AudioFormat::Parse("s24:24000:2");
  const Bytes pcm = Noise(format, 1000);
  const auto writer = CreateSound(dir / "sound.raw", SoundContainer::kRaw, format);
  writer->Write(pcm);
  CHECK_THROWS_AS(OpenRawSound(dir / "sound.raw", format), perf::ConfigError);
  writer->Close();
  const auto reader = OpenRawSound(dir / "sound.raw", format);
  CHECK(reader->Info().frames == 1000);
  CHECK(ReadAll(*reader, 1001) == pcm);
  const auto other = AudioFormat::Parse("s32:24000:32");
  CHECK_THROWS_WITH_AS(ReadAll(*OpenRawSound(dir / "sound.raw", other)),
                       doctest::Contains("ends in the middle of a frame of s32:24000:32"),
                       perf::ConfigError);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const auto piped = OpenRawSound("/dev/fd/" + std::to_string(ends[0]), format);
  CHECK_FALSE(piped->Info().frames);
  REQUIRE(::write(ends[1], pcm.data(), 6000) == 6000);
  ::close(ends[1]);
  CHECK(ReadAll(*piped) == pcm);
  CHECK_THROWS_WITH_AS(OpenSound("/dev/fd/" + std::to_string(ends[0])),
                       doctest::Contains("only raw samples can come from a pipe"),
                       perf::ConfigError);
  ::close(ends[0]);
}

TEST_CASE("what cannot be written says why, and leaves nothing") {
  const test::ScratchDir dir;
  const auto format = AudioFormat::Parse("s16:24000:1");
  const Bytes pcm = Noise(format, 100'000);
  for (const SoundContainer container : {SoundContainer::kRaw, SoundContainer::kWav,
                                         SoundContainer::kFlac, SoundContainer::kVorbis}) {
    CAPTURE(Name(container));
    const auto fill = [&] {
      const auto writer = CreateSound("/dev/full", container, format);
      writer->Write(pcm);
      writer->Close();
    };
    CHECK_THROWS_WITH_AS(fill(), "/dev/full: cannot be written: No space left on device",
                         perf::OutputError);
    CHECK_THROWS_AS(CreateSound(dir / "absent/x", container, format), perf::OutputError);
    {
      CreateSound(dir / "x", container, format)->Write(pcm);
    }
    CHECK(dir.Count() == 0);
  }
  CHECK_THROWS_WITH_AS(
      CreateSound(dir / "x", SoundContainer::kFlac, AudioFormat::Parse("f32:24000:1")),
      doctest::Contains("flac cannot hold f32:24000:1"), perf::ConfigError);
  CHECK_THROWS_AS(CreateSound(dir / "x", SoundContainer::kOpus, AudioFormat::Parse("s16:44100:1")),
                  perf::ConfigError);
  CHECK_THROWS_AS(CreateSound(dir / "x", SoundContainer::kFlac, AudioFormat::Parse("s16:8000:9")),
                  perf::ConfigError);
  CHECK(dir.Count() == 0);
}

TEST_CASE("real recordings") {
  const std::string mulaw = test::SharedAudio("audio_long8mulaw.wav");
  if (mulaw.empty()) return;
  const auto calls = OpenSound(mulaw);
  CHECK(calls->Info().format.ToString() == "ulaw:8000:1");
  const Bytes codes = ReadAll(*calls);
  CHECK(codes.size() == calls->Info().frames);
  // The codes lie in the file as they are.
  const std::string file = perf::ReadFile(mulaw, 64U << 20);
  const std::string_view all(reinterpret_cast<const char*>(codes.data()), codes.size());
  CHECK(file.find(all) != std::string::npos);

  const auto speech = OpenSound(test::SharedAudio("espeak_tts24k_s16_mono.wav"));
  CHECK(speech->Info().format.ToString() == "s16:24000:1");
  CHECK(ReadAll(*speech).size() == 2 * *speech->Info().frames);
  const auto vorbis = OpenSound(test::SharedAudio("enter_pin.ogg"));
  CHECK(vorbis->Info().container == SoundContainer::kVorbis);
  CHECK(vorbis->Info().format.ToString() == "f32:48000:1");
  CHECK(ReadAll(*vorbis).size() == 4 * *vorbis->Info().frames);
}
