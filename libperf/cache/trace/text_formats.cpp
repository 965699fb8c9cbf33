// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <xxhash.h>

#include <bit>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/cache/trace/input.hpp"
#include "libperf/cache/trace/tokens.hpp"

namespace perf::cache {

namespace {

/// One line of a damaged file must not stand for a day's work.
constexpr std::uint64_t kMostBlocks = 1 << 20;

std::string Quoted(std::string_view text) { return "\"" + Excerpt(text, 60) + "\""; }

class KeysReader final : public FormatReader {
 public:
  using FormatReader::FormatReader;

 private:
  bool Next(Request& request) override {
    std::string_view line;
    while (input_.Line(line)) {
      line = Trim(line);
      if (line.empty() || line == "*") continue;
      request = {KeyId(line), 1, TraceOp::kGet};
      return true;
    }
    return false;
  }
};

class ArcReader final : public FormatReader {
 public:
  using FormatReader::FormatReader;

 private:
  bool Next(Request& request) override {
    std::string_view line;
    while (left_ == 0) {
      if (!input_.Line(line)) return false;
      if (!Trim(line).empty()) ReadRange(line);
    }
    --left_;
    request = {next_++, 1, TraceOp::kGet};
    return true;
  }

  void ReadRange(std::string_view line) {
    const std::string_view whole = line;
    const auto start = ParseUnsigned(NextToken(line));
    const auto count = ParseUnsigned(NextToken(line));
    if (!start || !count) input_.FailLine("no start and count of blocks: " + Quoted(whole));
    if (*count > kMostBlocks) {
      input_.FailLine(
          fmt::format("a range of {} blocks; at most {} are taken for one", *count, kMostBlocks));
    }
    next_ = *start;
    left_ = *count;
  }

  std::uint64_t next_ = 0, left_ = 0;
};

class AddressReader final : public FormatReader {
 public:
  AddressReader(TraceFormat format, Input input, const TraceOptions& options)
      : FormatReader(format, std::move(input), options) {
    if (!std::has_single_bit(options.line_bytes)) {
      throw ConfigError("the bytes of a cache line are a power of two");
    }
    shift_ = static_cast<unsigned>(std::countr_zero(options.line_bytes));
  }

 private:
  bool Next(Request& request) override {
    std::string_view line;
    while (input_.Line(line)) {
      if (Trim(line).empty()) continue;
      const auto address = AddressOfLine(line);
      if (!address) input_.FailLine("no hexadecimal address: " + Quoted(line));
      request = {*address >> shift_, 1, TraceOp::kGet};
      return true;
    }
    return false;
  }

  unsigned shift_ = 0;
};

/// webcachesim's: time id size, and more columns that say nothing here.
class TrReader final : public FormatReader {
 public:
  using FormatReader::FormatReader;

 private:
  bool HasSizes() const noexcept override { return true; }
  bool Next(Request& request) override {
    std::string_view line;
    while (input_.Line(line)) {
      const std::string_view whole = line;
      if (NextToken(line, true).empty()) continue;
      const std::string_view id = NextToken(line, true);
      const auto size = ParseUnsigned(NextToken(line, true));
      if (!size) input_.FailLine("no time, id and size: " + Quoted(whole));
      request = {KeyId(id), *size, TraceOp::kGet};
      return true;
    }
    return false;
  }
};

}  // namespace

std::uint64_t KeyId(std::string_view key) noexcept {
  // "007" is another key than "7": only what prints the same is a number.
  if (key.size() == 1 || (!key.empty() && key[0] != '0')) {
    if (const auto number = ParseUnsigned(key)) return *number;
  }
  return XXH3_64bits(key.data(), key.size());
}

std::unique_ptr<FormatReader> MakeTextReader(TraceFormat format, Input input,
                                             const TraceOptions& options) {
  if (format == TraceFormat::kKeys) {
    return std::make_unique<KeysReader>(format, std::move(input), options);
  }
  if (format == TraceFormat::kArc) {
    return std::make_unique<ArcReader>(format, std::move(input), options);
  }
  if (format == TraceFormat::kAddress) {
    return std::make_unique<AddressReader>(format, std::move(input), options);
  }
  return std::make_unique<TrReader>(format, std::move(input), options);
}

}  // namespace perf::cache
