// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::cache {

/// What a line of a trace does. A get is read-through (on a miss the object is put), the only one
/// that counts as a request; the others come only from formats that tell operations (cachelib).
enum class TraceOp : std::uint8_t { kGet, kSet, kDelete };

/// One access. Textual keys that are no decimal numbers become their XXH3 hash.
struct Request {
  std::uint64_t id = 0;
  /// Bytes of the object; 1 where the format has no sizes.
  std::uint64_t size = 1;
  TraceOp op = TraceOp::kGet;
};

enum class TraceFormat : std::uint8_t {
  kAuto,
  kKeys,           ///< a key a line; lines that are only "*" are skipped
  kArc,            ///< start_block count flag seq: one request for each block of the range
  kI32be,          ///< big-endian 32-bit keys
  kI64be,          ///< big-endian 64-bit keys
  kAddress,        ///< "l|s 0xADDRESS gap", or a hexadecimal address a line
  kTr,             ///< time id size
  kCsv,            ///< by column
  kOracleGeneral,  ///< 24-byte records, little-endian: u32 time, u64 id, u32 size, i64 next access
  kVscsi,          ///< VMware's records, version 1 and 2
  kCacheLib,       ///< CSV of CacheLib's key-value or block traces, by the names in its header
};

/// "auto", "keys", "arc", "i32be", "i64be", "address", "tr", "csv", "oracleGeneral", "vscsi",
/// "cachelib".
PERF_EXPORT std::string_view Name(TraceFormat format) noexcept;
/// Nothing for a name that is none of these; case does not matter.
PERF_EXPORT std::optional<TraceFormat> ParseTraceFormat(std::string_view name) noexcept;
PERF_EXPORT std::span<const std::string_view> TraceFormatNames() noexcept;

struct TraceOptions {
  TraceFormat format = TraceFormat::kAuto;
  /// csv: names of columns in the header, or their numbers from 1; "" guesses by usual names.
  std::string key_column = {};
  std::string size_column = {};
  /// csv: 0 guesses from the first line (comma, semicolon, tab, blank).
  char delimiter = 0;
  /// address: bytes of a line of the cache (a power of two); addresses within one are one key.
  std::uint64_t line_bytes = 1;
  /// Stops after so many requests; 0 reads all.
  std::uint64_t limit = 0;
};

/// Bytes, pulled: a file, a decompressor, memory. Read fills from the front and returns 0 only at
/// the end. Thread safety: none.
class PERF_EXPORT ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource();
  virtual std::size_t Read(std::span<char> into) = 0;
};

/// A file or, as "-" or /dev/stdin, standard input; gzip, xz and zstd are recognised by their
/// first bytes and unpacked while they are read. Throws (also in Read): ConfigError.
PERF_EXPORT std::unique_ptr<ByteSource> OpenBytes(const std::string& path);
/// Bytes of the caller, who keeps them alive, unpacked in the same way.
PERF_EXPORT std::unique_ptr<ByteSource> OpenMemory(std::string_view bytes, const std::string& name);

/// Requests, pulled in batches; memory does not grow with the trace.
/// Thread safety: none. Throws: ConfigError naming the file, the line or byte offset and what was
/// wrong.
class PERF_EXPORT TraceReader {
 public:
  TraceReader() = default;
  TraceReader(const TraceReader&) = delete;
  TraceReader& operator=(const TraceReader&) = delete;
  virtual ~TraceReader();
  /// Fills from the front; 0 when there are no more (fewer than asked for says nothing).
  virtual std::size_t Read(std::span<Request> into) = 0;
  /// Never kAuto.
  virtual TraceFormat Format() const noexcept = 0;
  /// How it was guessed, for people: "guessed arc: 4 integers a line"; empty where it was told.
  virtual const std::string& Guess() const noexcept = 0;
  /// True where the format tells sizes.
  virtual bool HasSizes() const noexcept = 0;
};

PERF_EXPORT std::unique_ptr<TraceReader> OpenTrace(const std::string& path,
                                                   const TraceOptions& options);
PERF_EXPORT std::unique_ptr<TraceReader> OpenTrace(std::unique_ptr<ByteSource> bytes,
                                                   const std::string& name,
                                                   const TraceOptions& options);

/// What one pass over a trace tells; memory 64 KiB whatever the trace.
struct TraceSurvey {
  std::uint64_t requests = 0;
  /// Of gets, estimated (HyperLogLog, Flajolet et al. 2007; within about 1 %).
  std::uint64_t distinct = 0;
  std::uint64_t bytes = 0;
};
PERF_EXPORT TraceSurvey Survey(TraceReader& reader);

}  // namespace perf::cache
