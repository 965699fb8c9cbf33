// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/cache/trace.hpp"

namespace perf::cache {

/// What the readers of formats read from: lines or records over a ByteSource, with the place for
/// messages. Memory: one buffer of 256 KiB.
class Input {
 public:
  static constexpr std::size_t kMaxLine = 64 << 10;

  Input(std::unique_ptr<ByteSource> bytes, std::string name);

  /// The first bytes, up to `most` (and half the buffer), without taking them.
  std::string_view Head(std::size_t most);
  /// The next line without its end; false at the end. It stays valid until the next call.
  /// Throws: ConfigError for one longer than kMaxLine.
  bool Line(std::string_view& line);
  /// The next so many bytes; null at the end. Throws: ConfigError where it ends within them.
  const char* Record(std::size_t bytes);

  const std::string& Name() const noexcept { return name_; }
  /// Of the last line, from 1.
  std::uint64_t LineNumber() const noexcept { return line_; }
  [[noreturn]] void FailLine(const std::string& what) const;
  /// At the last record.
  [[noreturn]] void FailRecord(const std::string& what) const;

 private:
  bool Fill();

  std::unique_ptr<ByteSource> bytes_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t line_ = 0;
  std::uint64_t offset_ = 0;  // of the last record
  std::size_t record_ = 0;    // its size
  bool ended_ = false;
};

/// Unpacks what the first bytes say is gzip, xz or zstd; others pass as they are.
std::unique_ptr<ByteSource> Unpacked(std::unique_ptr<ByteSource> packed, const std::string& name);

/// What a format's reader shares with the others.
class FormatReader : public TraceReader {
 public:
  FormatReader(TraceFormat format, Input input, const TraceOptions& options)
      : input_(std::move(input)), options_(options), format_(format) {}

  std::size_t Read(std::span<Request> into) final;
  TraceFormat Format() const noexcept final { return format_; }
  const std::string& Guess() const noexcept final { return guess_; }
  bool HasSizes() const noexcept override { return false; }
  void SetGuess(std::string guess) { guess_ = std::move(guess); }

 protected:
  /// False at the end.
  virtual bool Next(Request& request) = 0;

  Input input_;
  TraceOptions options_;

 private:
  TraceFormat format_;
  std::string guess_;
  std::uint64_t read_ = 0;
};

std::unique_ptr<FormatReader> MakeTextReader(TraceFormat format, Input input,
                                             const TraceOptions& options);
std::unique_ptr<FormatReader> MakeTableReader(TraceFormat format, Input input,
                                              const TraceOptions& options);
std::unique_ptr<FormatReader> MakeBinaryReader(TraceFormat format, Input input,
                                               const TraceOptions& options);

/// What the first bytes of a trace look like. Throws: ConfigError that says what it could not tell.
struct FormatGuess {
  TraceFormat format = TraceFormat::kAuto;
  std::string why;
};
FormatGuess GuessFormat(std::string_view head, bool whole, const std::string& name);

}  // namespace perf::cache
