// SPDX-License-Identifier: Apache-2.0
// The only source file that knows libsndfile.
#include "libperf/audio/sound_file.hpp"

#include <fmt/format.h>
#include <sndfile.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "libperf/audio/samples.hpp"
#include "libperf/audio/sound_bytes.hpp"
#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

constexpr std::size_t kChunkBytes = 16U << 10;
/// libsndfile's WAV has 32-bit lengths.
constexpr std::uint64_t kMostWavBytes = 0xFFFF'0000;

/// Level 7 of 8: speech takes 4 % less than by 5, the usual, for 10 % more time.
constexpr double kFlacLevel = 7.0 / 8;

constexpr std::array<std::string_view, 5> kNames{"raw", "wav", "flac", "vorbis", "opus"};

/// A libsndfile handle over SoundBytes. What these throw is held back from its C code, and thrown
/// by Check.
class Library {
 public:
  /// Throws: ConfigError where it cannot be opened.
  Library(std::unique_ptr<SoundBytes> bytes, const std::string& name, int mode, SF_INFO& info)
      : bytes_(std::move(bytes)), name_(name) {
    SF_VIRTUAL_IO calls{&Length, &Seek, &Read, &Write, &Tell};
    file_ = sf_open_virtual(&calls, mode, &info, this);
    if (file_ != nullptr) return;
    if (failure_) std::rethrow_exception(failure_);
    Refuse(sf_strerror(nullptr));
  }
  ~Library() {
    if (file_ != nullptr) sf_close(file_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  SNDFILE* File() const noexcept { return file_; }
  SoundBytes& Bytes() const noexcept { return *bytes_; }
  [[noreturn]] void Refuse(const std::string& why) const {
    throw ConfigError(fmt::format("{}: {}", name_, why));
  }
  /// What went wrong since the last time, as what it was.
  void Check() const {
    if (failure_) std::rethrow_exception(failure_);
    if (sf_error(file_) != SF_ERR_NO_ERROR) Refuse(sf_strerror(file_));
  }
  /// Writes what it holds back until the end.
  void Close() {
    sf_close(std::exchange(file_, nullptr));
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  template <typename Call>
  static sf_count_t Guarded(void* self, Call call) noexcept {
    auto& library = *static_cast<Library*>(self);
    try {
      if (!library.failure_) return static_cast<sf_count_t>(call(library));
    } catch (...) {
      library.failure_ = std::current_exception();
    }
    return 0;
  }
  static sf_count_t Length(void* self) noexcept {
    return static_cast<sf_count_t>(static_cast<Library*>(self)->bytes_->Size());
  }
  static sf_count_t Tell(void* self) noexcept { return static_cast<Library*>(self)->at_; }
  static sf_count_t Seek(sf_count_t offset, int whence, void* self) noexcept {
    auto& library = *static_cast<Library*>(self);
    const sf_count_t base = whence == SEEK_SET   ? 0
                            : whence == SEEK_CUR ? library.at_
                                                 : Length(self);
    sf_count_t at = 0;
    if (__builtin_add_overflow(base, offset, &at) || at < 0) return -1;
    return library.at_ = at;
  }
  static sf_count_t Read(void* into, sf_count_t count, void* self) noexcept {
    if (count <= 0) return 0;
    return Guarded(self, [&](Library& library) {
      const std::size_t got =
          library.bytes_->ReadAt(static_cast<std::uint64_t>(library.at_),
                                 {static_cast<std::byte*>(into), static_cast<std::size_t>(count)});
      library.at_ += static_cast<sf_count_t>(got);
      return got;
    });
  }
  static sf_count_t Write(const void* from, sf_count_t count, void* self) noexcept {
    if (count <= 0) return 0;
    return Guarded(self, [&](Library& library) {
      library.bytes_->WriteAt(
          static_cast<std::uint64_t>(library.at_),
          {static_cast<const std::byte*>(from), static_cast<std::size_t>(count)});
      library.at_ += count;
      return count;
    });
  }

  std::unique_ptr<SoundBytes> bytes_;
  std::string name_;
  SNDFILE* file_ = nullptr;
  sf_count_t at_ = 0;
  std::exception_ptr failure_;
};

SampleType TypeOf(int subtype) noexcept {
  switch (subtype) {
    case SF_FORMAT_PCM_24: return SampleType::kS24;
    case SF_FORMAT_PCM_32: return SampleType::kS32;
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_DOUBLE:
    case SF_FORMAT_VORBIS:
    case SF_FORMAT_OPUS: return SampleType::kF32;
    case SF_FORMAT_ULAW: return SampleType::kUlaw;
    case SF_FORMAT_ALAW: return SampleType::kAlaw;
    default: return SampleType::kS16;
  }
}

int SubtypeOf(SampleType type) noexcept {
  switch (type) {
    case SampleType::kS16: return SF_FORMAT_PCM_16;
    case SampleType::kS24: return SF_FORMAT_PCM_24;
    case SampleType::kS32: return SF_FORMAT_PCM_32;
    case SampleType::kF32: return SF_FORMAT_FLOAT;
    case SampleType::kUlaw: return SF_FORMAT_ULAW;
    case SampleType::kAlaw: return SF_FORMAT_ALAW;
  }
  return SF_FORMAT_PCM_16;
}

int FormatOf(SoundContainer container, SampleType type) noexcept {
  switch (container) {
    case SoundContainer::kFlac: return SF_FORMAT_FLAC | SubtypeOf(type);
    case SoundContainer::kVorbis: return SF_FORMAT_OGG | SF_FORMAT_VORBIS;
    case SoundContainer::kOpus: return SF_FORMAT_OGG | SF_FORMAT_OPUS;
    default: return SF_FORMAT_WAV | SubtypeOf(type);
  }
}

SF_INFO FactsOf(SoundContainer container, const AudioFormat& format) noexcept {
  SF_INFO facts{};
  facts.samplerate = static_cast<int>(format.Rate());
  facts.channels = static_cast<int>(format.Channels());
  facts.format = FormatOf(container, format.Type());
  return facts;
}

/// In which type libsndfile takes and gives the samples of a type: s16, s32 or f32, or for G.711
/// the codes as they lie in the file.
SampleType SpokenType(SoundContainer container, SampleType type) noexcept {
  if (container == SoundContainer::kVorbis || container == SoundContainer::kOpus) {
    return SampleType::kF32;
  }
  return type == SampleType::kS24 ? SampleType::kS32 : type;
}

SoundContainer ContainerOf(int format) noexcept {
  if ((format & SF_FORMAT_SUBMASK) == SF_FORMAT_OPUS) return SoundContainer::kOpus;
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_FLAC: return SoundContainer::kFlac;
    case SF_FORMAT_OGG: return SoundContainer::kVorbis;
    default: return SoundContainer::kWav;
  }
}

class LibraryReader final : public SoundReader {
 public:
  LibraryReader(std::unique_ptr<Library> library, const SoundInfo& info)
      : SoundReader(info),
        library_(std::move(library)),
        spoken_(SpokenType(info.container, info.format.Type())),
        chunk_(kChunkBytes) {}

  std::size_t Read(std::span<std::byte> into) override {
    const AudioFormat& format = Info().format;
    const std::size_t samples = into.size() / format.BytesPerFrame() * format.Channels();
    const std::size_t most =
        kChunkBytes / BytesPerSample(spoken_) / format.Channels() * format.Channels();
    std::size_t done = 0;
    while (done < samples) {
      const std::size_t got = ReadChunk(std::min(most, samples - done));
      ConvertSamples(spoken_, std::span(chunk_).first(got * BytesPerSample(spoken_)), format.Type(),
                     into.subspan(done * BytesPerSample(format.Type())));
      done += got;
      if (got == 0) break;
    }
    read_ += done / format.Channels();
    if (done == 0 && samples > 0 && Info().frames && *Info().frames != read_) {
      library_->Refuse(fmt::format("ends after {} of {} frames", read_, *Info().frames));
    }
    return done * BytesPerSample(format.Type());
  }

 private:
  std::size_t ReadChunk(std::size_t samples) {
    const auto count = static_cast<sf_count_t>(samples);
    sf_count_t got = 0;
    switch (spoken_) {
      case SampleType::kS16: got = sf_read_short(library_->File(), Chunk<short>(), count); break;
      case SampleType::kS32: got = sf_read_int(library_->File(), Chunk<int>(), count); break;
      case SampleType::kF32: got = sf_read_float(library_->File(), Chunk<float>(), count); break;
      default: got = sf_read_raw(library_->File(), chunk_.data(), count); break;
    }
    library_->Check();
    return static_cast<std::size_t>(std::clamp<sf_count_t>(got, 0, count));
  }
  template <typename T>
  T* Chunk() noexcept {
    return reinterpret_cast<T*>(chunk_.data());
  }

  std::unique_ptr<Library> library_;
  SampleType spoken_;
  std::vector<std::byte> chunk_;
  std::uint64_t read_ = 0;
};

/// Only these are let through: libsndfile knows two dozen formats more, some of them hardly read.
void RequireKnown(SoundBytes& bytes, const std::string& name) {
  std::array<char, 4> magic{};
  bytes.ReadAt(0, std::as_writable_bytes(std::span(magic)));
  const std::string_view word(magic.data(), magic.size());
  for (const std::string_view known : {"RIFF", "RIFX", "RF64", "fLaC", "OggS"}) {
    if (word == known) return;
  }
  throw ConfigError(fmt::format("{}: neither WAV, FLAC nor Ogg", name));
}

void RequireDeclared(const SoundInfo& info, const AudioFormat& declared, const std::string& name) {
  const bool untyped =
      info.container == SoundContainer::kVorbis || info.container == SoundContainer::kOpus;
  const AudioFormat said(untyped ? declared.Type() : info.format.Type(), info.format.Rate(),
                         info.format.Channels());
  if (said == declared) return;
  throw ConfigError(fmt::format("{}: the header says {}, declared is {}", name, said.ToString(),
                                declared.ToString()));
}

std::unique_ptr<SoundReader> Open(std::unique_ptr<SoundBytes> bytes, const std::string& name,
                                  const std::optional<AudioFormat>& declared) {
  RequireKnown(*bytes, name);
  SF_INFO facts{};
  auto library = std::make_unique<Library>(std::move(bytes), name, SFM_READ, facts);
  SoundInfo info;
  info.container = ContainerOf(facts.format);
  try {
    info.format = AudioFormat(TypeOf(facts.format & SF_FORMAT_SUBMASK),
                              static_cast<std::uint32_t>(std::max(facts.samplerate, 0)),
                              static_cast<unsigned>(std::max(facts.channels, 0)));
  } catch (const ConfigError& error) {
    library->Refuse(error.what());
  }
  // A FLAC file of unknown length has the largest of all counts.
  if (facts.frames >= 0 && facts.frames < SF_COUNT_MAX) {
    info.frames = static_cast<std::uint64_t>(facts.frames);
  }
  if (declared) RequireDeclared(info, *declared, name);
  return std::make_unique<LibraryReader>(std::move(library), info);
}

class LibraryWriter final : public SoundWriter {
 public:
  LibraryWriter(std::unique_ptr<SoundBytes> bytes, const std::string& name,
                SoundContainer container, const AudioFormat& format)
      : format_(format),
        spoken_(SpokenType(container, format.Type())),
        wav_(container == SoundContainer::kWav),
        chunk_(kChunkBytes) {
    SF_INFO facts = FactsOf(container, format);
    if (!Holds(container, format)) {
      throw ConfigError(
          fmt::format("{}: {} cannot hold {}", name, audio::Name(container), format.ToString()));
    }
    library_ = std::make_unique<Library>(std::move(bytes), name, SFM_WRITE, facts);
    sf_command(library_->File(), SFC_SET_CLIPPING, nullptr, SF_TRUE);
    double level = kFlacLevel;
    if (container == SoundContainer::kFlac) {
      sf_command(library_->File(), SFC_SET_COMPRESSION_LEVEL, &level, sizeof(level));
    }
  }

  void Write(std::span<const std::byte> pcm) override {
    if (wav_ && library_->Bytes().Size() + pcm.size() > kMostWavBytes) {
      throw OutputError("a WAV file holds less than 4 GiB: use FLAC, or raw samples");
    }
    const std::size_t most = kChunkBytes / BytesPerSample(spoken_) / format_.Channels() *
                             format_.Channels() * BytesPerSample(format_.Type());
    while (!pcm.empty()) {
      const auto some = pcm.first(std::min(most, pcm.size()));
      const std::size_t samples = some.size() / BytesPerSample(format_.Type());
      ConvertSamples(format_.Type(), some, spoken_, chunk_);
      WriteChunk(static_cast<sf_count_t>(samples));
      pcm = pcm.subspan(some.size());
    }
  }
  void Close() override { library_->Close(); }
  SoundBytes& Bytes() const noexcept { return library_->Bytes(); }

 private:
  void WriteChunk(sf_count_t count) {
    const void* chunk = chunk_.data();
    SNDFILE* file = library_->File();
    sf_count_t done = 0;
    switch (spoken_) {
      case SampleType::kS16:
        done = sf_write_short(file, static_cast<const short*>(chunk), count);
        break;
      case SampleType::kS32:
        done = sf_write_int(file, static_cast<const int*>(chunk), count);
        break;
      case SampleType::kF32:
        done = sf_write_float(file, static_cast<const float*>(chunk), count);
        break;
      default: done = sf_write_raw(file, chunk, count); break;
    }
    library_->Check();
    if (done != count) throw OutputError("libsndfile wrote less than it was given");
  }

  AudioFormat format_;
  SampleType spoken_;
  bool wav_;
  std::vector<std::byte> chunk_;
  std::unique_ptr<Library> library_;
};

/// A writer that puts its file in place when it is closed.
class FileWriter final : public SoundWriter {
 public:
  FileWriter(std::unique_ptr<OutputBytes> bytes, const std::string& name, SoundContainer container,
             const AudioFormat& format)
      : bytes_(bytes.get()), writer_(std::move(bytes), name, container, format) {}
  void Write(std::span<const std::byte> pcm) override { writer_.Write(pcm); }
  void Close() override {
    writer_.Close();
    bytes_->Commit();
  }

 private:
  OutputBytes* bytes_;
  LibraryWriter writer_;
};

}  // namespace

std::string_view Name(SoundContainer container) noexcept {
  return kNames[static_cast<std::size_t>(container)];
}

bool Holds(SoundContainer container, const AudioFormat& format) noexcept {
  if (container == SoundContainer::kRaw) return true;
  constexpr std::array<std::uint32_t, 5> kOpusRates{8000, 12'000, 16'000, 24'000, 48'000};
  if (container == SoundContainer::kOpus &&
      std::find(kOpusRates.begin(), kOpusRates.end(), format.Rate()) == kOpusRates.end()) {
    return false;
  }
  const SF_INFO facts = FactsOf(container, format);
  return sf_format_check(&facts) != 0;
}

std::unique_ptr<SoundReader> OpenSound(const std::string& path,
                                       const std::optional<AudioFormat>& declared) {
  return Open(std::make_unique<InputBytes>(path), path, declared);
}

std::unique_ptr<SoundReader> OpenSound(std::span<const std::byte> bytes, const std::string& name,
                                       const std::optional<AudioFormat>& declared) {
  return Open(std::make_unique<SpanBytes>(bytes), name, declared);
}

std::unique_ptr<SoundWriter> CreateSound(const std::string& path, SoundContainer container,
                                         const AudioFormat& format) {
  if (container == SoundContainer::kRaw) return CreateRawSound(path);
  return std::make_unique<FileWriter>(std::make_unique<OutputBytes>(path), path, container, format);
}

std::vector<std::byte> SoundOf(SoundContainer container, const AudioFormat& format,
                               std::span<const std::byte> pcm) {
  auto memory = std::make_unique<VectorBytes>();
  VectorBytes& bytes = *memory;
  LibraryWriter writer(std::move(memory), "memory", container, format);
  writer.Write(pcm);
  writer.Close();
  return bytes.Take();
}

}  // namespace perf::audio
