// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "libperf/audio/sound_file.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/file.hpp"

namespace perf::audio {
namespace {

class RawReader final : public SoundReader {
 public:
  RawReader(std::unique_ptr<InputFile> file, const SoundInfo& info)
      : SoundReader(info), file_(std::move(file)) {}

  std::size_t Read(std::span<std::byte> into) override {
    const AudioFormat& format = Info().format;
    into = into.first(format.BytesOf(format.FramesIn(std::uint64_t{into.size()})));
    // A pipe may give any part of a frame at a time.
    std::size_t all = 0;
    while (all < into.size()) {
      const std::size_t got = file_->Read(into.subspan(all));
      if (got == 0) break;
      all += got;
    }
    if (!format.IsWhole(all)) {
      throw ConfigError(
          fmt::format("{}: ends in the middle of a frame of {}", file_->Name(), format.ToString()));
    }
    return all;
  }

 private:
  std::unique_ptr<InputFile> file_;
};

class RawWriter final : public SoundWriter {
 public:
  explicit RawWriter(const std::string& path) : file_(path) {}
  void Write(std::span<const std::byte> pcm) override { file_.Write(pcm); }
  void Close() override { file_.Commit(); }

 private:
  OutputFile file_;
};

}  // namespace

std::unique_ptr<SoundReader> OpenRawSound(const std::string& path, const AudioFormat& format) {
  auto file = std::make_unique<InputFile>(path);
  SoundInfo info{SoundContainer::kRaw, format, std::nullopt};
  if (file->Size()) info.frames = format.FramesIn(*file->Size());
  return std::make_unique<RawReader>(std::move(file), info);
}

std::unique_ptr<SoundWriter> CreateRawSound(const std::string& path) {
  return std::make_unique<RawWriter>(path);
}

}  // namespace perf::audio
