// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::backends {

/// What one reply may cost before it counts as an attack or a mistake.
struct Http1Limits {
  std::size_t line = 16 << 10;   // bytes of the status line, a field, a chunk's size line
  std::size_t head = 256 << 10;  // bytes of all heads of a reply: interim, final, trailers
  unsigned fields = 1000;        // fields of all of them
  unsigned interim = 16;         // 1xx replies before the final one
};

/// Takes one Content-Length field in addition to those before it; a list of equal lengths counts
/// as one. False where it is no length below 2^63, or another one.
PERF_EXPORT bool TakeContentLength(std::string_view value,
                                   std::optional<std::uint64_t>& length) noexcept;

/// Reads one HTTP/1 reply after the other from bytes that are pushed in (RFC 9112): no I/O, no
/// clock. Stricter than many clients: obs-fold, bare CR, differing lengths, a length beside
/// Transfer-Encoding and codings other than chunked fail; a bare LF ends any line, as section 2.2
/// allows.
/// Thread safety: none. Lifetime: borrows the sink's strings until the reply ended.
class PERF_EXPORT Http1Parser {
 public:
  /// Where the parts of a reply go that somebody wants; null for those to drop.
  struct Sink {
    std::vector<std::pair<std::string, std::string>>* fields = nullptr;  // trailers too
    std::string* body = nullptr;
    std::uint64_t max_body = 0;        // bytes of `body` kept; the rest is counted only
    std::uint64_t max_error_body = 0;  // the same for statuses from 400 on, where it is more
  };

  explicit Http1Parser(Http1Limits limits = {}) noexcept : limits_(limits) {}

  /// Makes ready for the reply to a request; `to_head`: its method was HEAD.
  void Start(bool to_head, const Sink& sink) noexcept;
  /// Returns how many bytes belong to this reply: all, unless it is Done or Failed.
  std::size_t Feed(std::string_view bytes);
  /// The peer closed its side: ends a body without a length, fails any other reply.
  void FeedEnd();

  bool Finished() const noexcept { return state_ >= State::kDone; }
  bool Failed() const noexcept { return state_ == State::kFailed; }
  /// What was wrong; at most 400 bytes, with an excerpt of what the peer sent.
  const std::string& Error() const noexcept { return error_; }

  int Status() const noexcept { return head_.status; }
  int Version() const noexcept { return head_.version; }  // 10 or 11
  std::uint64_t BodyBytes() const noexcept { return body_bytes_; }
  /// Whether the connection may carry another request after this reply.
  bool KeepAlive() const noexcept { return state_ == State::kDone && head_.keep_alive; }

 private:
  enum class State : std::uint8_t {
    kStatusLine,
    kFields,
    kBody,
    kBodyToEnd,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kTrailers,
    kDone,
    kFailed,
  };

  bool TakesLines() const noexcept;
  std::size_t FeedLine(std::string_view bytes);
  std::size_t FeedBody(std::string_view bytes);
  void OnLine(std::string_view line);
  void OnStatusLine(std::string_view line);
  void OnField(std::string_view line);
  void OnFraming(std::string_view name, std::string_view value);
  void OnConnection(std::string_view value);
  void OnHeadEnd();
  void OnChunkSize(std::string_view line);
  bool CheckStart(std::string_view start);
  void Fail(std::string_view what);
  void Fail(std::string_view what, std::string_view excerpt);

  /// All that a head says, and what was counted on the way.
  struct Head {
    State after = State::kDone;
    bool to_head = false;
    bool keep_alive = false;
    bool chunked = false;
    std::int16_t status = 0;
    std::int16_t version = 0;
    unsigned fields = 0;
    unsigned interim = 0;
    std::size_t bytes = 0;
    std::optional<std::uint64_t> length;
  };

  bool InHead() const noexcept { return state_ <= State::kFields; }
  std::size_t FeedHead(std::string_view bytes);

  Http1Limits limits_;
  Sink sink_;
  State state_ = State::kDone;
  Head head_;
  Head known_;
  std::string known_text_;  // of `known_`; empty for none
  std::uint64_t left_ = 0;  // of the body or the chunk
  std::uint64_t body_bytes_ = 0;
  std::string line_;  // the start of a line whose end has not come yet
  std::string error_;
};

}  // namespace perf::backends
