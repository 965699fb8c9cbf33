// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "libperf/base/text.hpp"
#include "libperf/cache/policy/policy.hpp"
#include "libperf/cache/trace/input.hpp"

namespace perf::cache {

namespace {

constexpr std::size_t kHead = 64 << 10;
constexpr std::array<std::string_view, 11> kNames = {"auto",          "keys",    "arc",     "i32be",
                                                     "i64be",         "address", "tr",      "csv",
                                                     "oracleGeneral", "vscsi",   "cachelib"};

/// Distinct ids by the longest run of zeros in each of 2^14 groups of hashes.
class DistinctEstimate {
 public:
  void Add(std::uint64_t hash) noexcept {
    const std::size_t group = hash >> (64 - kBits);
    const int rank = std::countl_zero((hash << kBits) | 1) + 1;
    ranks_[group] = std::max(ranks_[group], static_cast<std::uint8_t>(rank));
  }
  std::uint64_t Count() const noexcept {
    double sum = 0, empty = 0;
    for (const std::uint8_t rank : ranks_) {
      sum += std::ldexp(1.0, -rank);
      empty += rank == 0;
    }
    constexpr double kGroups = 1 << kBits;
    const double raw = 0.7213 / (1 + 1.079 / kGroups) * kGroups * kGroups / sum;
    // Few keys: how many groups saw none tells more (linear counting).
    const bool few = raw <= 2.5 * kGroups && empty > 0;
    return static_cast<std::uint64_t>(
        std::llround(few ? kGroups * std::log(kGroups / empty) : raw));
  }

 private:
  static constexpr int kBits = 14;
  std::vector<std::uint8_t> ranks_ = std::vector<std::uint8_t>(std::size_t{1} << kBits);
};

std::unique_ptr<FormatReader> MakeReader(TraceFormat format, Input input,
                                         const TraceOptions& options) {
  switch (format) {
    case TraceFormat::kCsv:
    case TraceFormat::kCacheLib: return MakeTableReader(format, std::move(input), options);
    case TraceFormat::kI32be:
    case TraceFormat::kI64be:
    case TraceFormat::kOracleGeneral:
    case TraceFormat::kVscsi: return MakeBinaryReader(format, std::move(input), options);
    default: return MakeTextReader(format, std::move(input), options);
  }
}

}  // namespace

TraceReader::~TraceReader() = default;

std::string_view Name(TraceFormat format) noexcept {
  return kNames[static_cast<std::size_t>(format)];
}

std::optional<TraceFormat> ParseTraceFormat(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (EqualsIgnoreCase(name, kNames[i])) return static_cast<TraceFormat>(i);
  }
  return std::nullopt;
}

std::span<const std::string_view> TraceFormatNames() noexcept { return kNames; }

std::unique_ptr<TraceReader> OpenTrace(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                       const TraceOptions& options) {
  Input input(std::move(bytes), name);
  if (options.format != TraceFormat::kAuto) {
    return MakeReader(options.format, std::move(input), options);
  }
  const std::string_view head = input.Head(kHead);
  const FormatGuess guess = GuessFormat(head, head.size() < kHead, name);
  auto reader = MakeReader(guess.format, std::move(input), options);
  reader->SetGuess(fmt::format("guessed format {}: {}", Name(guess.format), guess.why));
  return reader;
}

std::unique_ptr<TraceReader> OpenTrace(const std::string& path, const TraceOptions& options) {
  return OpenTrace(OpenBytes(path), path == "-" ? "standard input" : path, options);
}

TraceSurvey Survey(TraceReader& reader) {
  TraceSurvey survey;
  DistinctEstimate distinct;
  std::vector<Request> batch(2048);
  for (std::size_t count = 0; (count = reader.Read(batch)) > 0;) {
    for (std::size_t i = 0; i < count; ++i) {
      if (batch[i].op != TraceOp::kGet) continue;
      ++survey.requests;
      survey.bytes += batch[i].size;
      distinct.Add(MixId(batch[i].id));
    }
  }
  survey.distinct = distinct.Count();
  return survey;
}

}  // namespace perf::cache
