// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_convert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <memory>
#include <vector>

#include "libperf/audio/converter.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/findings.hpp"

namespace perf::bench {
namespace {

using audio::AudioFormat;
using audio::SampleType;
using audio::SoundContainer;

constexpr std::size_t kChunkBytes = 64U << 10;

struct Ending {
  std::string_view text;
  SoundKind kind;
};
constexpr std::array<Ending, 12> kEndings{{{".wav", {SoundContainer::kWav, {}}},
                                           {".flac", {SoundContainer::kFlac, {}}},
                                           {".ogg", {SoundContainer::kVorbis, {}}},
                                           {".opus", {SoundContainer::kOpus, {}}},
                                           {".ulaw", {SoundContainer::kRaw, SampleType::kUlaw}},
                                           {".alaw", {SoundContainer::kRaw, SampleType::kAlaw}},
                                           {".s16le", {SoundContainer::kRaw, SampleType::kS16}},
                                           {".s24le", {SoundContainer::kRaw, SampleType::kS24}},
                                           {".s32le", {SoundContainer::kRaw, SampleType::kS32}},
                                           {".f32le", {SoundContainer::kRaw, SampleType::kF32}},
                                           {".raw", {SoundContainer::kRaw, {}}},
                                           {".pcm", {SoundContainer::kRaw, {}}}}};

/// Telephony's, which needs no flag.
std::optional<AudioFormat> UsualFormat(const SoundKind& kind) {
  if (kind.type != SampleType::kUlaw && kind.type != SampleType::kAlaw) return std::nullopt;
  return AudioFormat(*kind.type, 8000, 1);
}

void RequireType(const char* flag, const std::optional<AudioFormat>& format, const SoundKind& kind,
                 const std::string& path) {
  if (!format || !kind.type || format->Type() == *kind.type) return;
  throw UsageError(fmt::format("{} {}: the name {} says {}", flag, format->ToString(),
                               Excerpt(path, 60), audio::Name(*kind.type)));
}

/// What the output is in when nothing was asked for.
AudioFormat OutputFormat(const SoundKind& kind, const AudioFormat& from) {
  if (const auto usual = UsualFormat(kind)) return *usual;
  SampleType type = kind.type.value_or(from.Type());
  std::uint32_t rate = from.Rate();
  if (kind.container == SoundContainer::kFlac) {
    const bool narrow = type == SampleType::kUlaw || type == SampleType::kAlaw;
    if (type != SampleType::kS16) type = narrow ? SampleType::kS16 : SampleType::kS24;
  }
  if (kind.container == SoundContainer::kOpus && !audio::Holds(kind.container, from)) {
    rate = 48'000;
  }
  return {type, rate, from.Channels()};
}

std::unique_ptr<audio::SoundReader> OpenInput(const AudioConvertOptions& options) {
  const SoundKind kind = SoundKindOf(options.in);
  if (kind.container != SoundContainer::kRaw) return audio::OpenSound(options.in, options.from);
  return audio::OpenRawSound(options.in, options.from ? *options.from : UsualFormat(kind).value());
}

/// Of a file; null of a pipe or a device.
Json FileBytes(const std::string& path) {
  std::error_code error;
  if (path == "-" || !std::filesystem::is_regular_file(path, error)) return {};
  return std::uint64_t{std::filesystem::file_size(path, error)};
}

double CpuMs() noexcept { return static_cast<double>(std::clock()) * 1e3 / CLOCKS_PER_SEC; }

struct Pumped {
  std::uint64_t read = 0, written = 0;  // frames
  bool whole = false;                   // to the end of the input
};

Pumped Pump(audio::SoundReader& reader, audio::Converter& converter, audio::SoundWriter& writer,
            const Context& context) {
  Pumped pumped;
  std::vector<std::byte> in(kChunkBytes), out;
  const auto write = [&] {
    writer.Write(out);
    pumped.written += converter.To().FramesIn(std::uint64_t{out.size()});
    out.clear();
  };
  while (!context.Stopped()) {
    const std::size_t got = reader.Read(in);
    if (got == 0) {
      converter.Finish(out);
      write();
      pumped.whole = true;
      break;
    }
    pumped.read += converter.From().FramesIn(std::uint64_t{got});
    converter.Convert(std::span(in).first(got), out);
    write();
  }
  return pumped;
}

/// The frames that the file says it has.
std::optional<std::uint64_t> FramesOf(const std::string& path, const AudioFormat& format) {
  if (FileBytes(path).IsNull()) return std::nullopt;
  const bool raw = SoundKindOf(path).container == SoundContainer::kRaw;
  return (raw ? audio::OpenRawSound(path, format) : audio::OpenSound(path))->Info().frames;
}

}  // namespace

SoundKind SoundKindOf(const std::string& path) {
  if (path == "-") return {};
  const std::string name = ToLower(path);
  for (const Ending& ending : kEndings) {
    if (name.ends_with(ending.text)) return ending.kind;
  }
  std::string known;
  for (const Ending& ending : kEndings) known.append(known.empty() ? "" : " ").append(ending.text);
  throw UsageError(fmt::format("{}: the ending is none of {}", Excerpt(path, 60), known));
}

void CheckConvert(const AudioConvertOptions& options) {
  const SoundKind in = SoundKindOf(options.in);
  const SoundKind out = SoundKindOf(options.out);
  RequireType("--from", options.from, in, options.in);
  RequireType("--to", options.to, out, options.out);
  if (in.container == SoundContainer::kRaw && !options.from && !UsualFormat(in)) {
    throw UsageError(
        fmt::format("convert {}: raw samples say nothing of themselves: --from, such "
                    "as --from s16:8000:1",
                    Excerpt(options.in, 60)));
  }
  if (options.to && !audio::Holds(out.container, *options.to)) {
    throw UsageError(fmt::format("--to {}: {} cannot hold that", options.to->ToString(),
                                 audio::Name(out.container)));
  }
}

load::Result AudioConvert(const AudioConvertOptions& options, const Context& context) {
  Findings findings("audiostress", "convert", context.seed);
  const double cpu = CpuMs();
  const auto reader = OpenInput(options);
  const audio::SoundInfo& info = reader->Info();
  const SoundKind kind = SoundKindOf(options.out);
  const AudioFormat to = options.to ? *options.to : OutputFormat(kind, info.format);
  audio::Converter converter(info.format, to, options.quality);
  const auto writer = audio::CreateSound(options.out, kind.container, to);
  context.Phase(fmt::format("{} {} to {} {}", audio::Name(info.container), info.format.ToString(),
                            audio::Name(kind.container), to.ToString()));
  const Pumped pumped = Pump(*reader, converter, *writer, context);
  if (pumped.whole) writer->Close();
  const Json in_bytes = FileBytes(options.in);
  const Json out_bytes = pumped.whole ? FileBytes(options.out) : Json();
  Json ratio;
  if (in_bytes.IsInt() && out_bytes.IsInt() && in_bytes.AsInt() > 0) {
    ratio = out_bytes.AsDouble() / in_bytes.AsDouble();
  }
  findings.AddRow({{"input", options.in},
                   {"input_codec", audio::Name(info.container)},
                   {"input_format", info.format.ToString()},
                   {"input_frames", pumped.read},
                   {"input_bytes", in_bytes},
                   {"output", options.out},
                   {"output_codec", audio::Name(kind.container)},
                   {"output_format", to.ToString()},
                   {"output_frames", pumped.written},
                   {"output_bytes", out_bytes},
                   {"seconds", ToMs(to.TimeOf(pumped.written)) / 1000},
                   {"ratio", ratio},
                   {"cpu_ms", CpuMs() - cpu}});
  if (const auto frames = pumped.whole ? FramesOf(options.out, to) : std::nullopt) {
    const std::uint64_t more = std::max(*frames, pumped.written);
    findings.Never("frames by which the file's length is wrong",
                   more - std::min(*frames, pumped.written), std::max<std::uint64_t>(more, 1));
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
