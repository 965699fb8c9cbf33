// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace perf::backends {

inline constexpr std::size_t kMaxServedHead = 16 << 10;
inline constexpr std::size_t kMaxServedBody = 1 << 20;

/// A request as a server's handler sees it.
/// Lifetime: views into the session's buffers, valid until the handler returns.
struct ServedRequest {
  std::string_view method;
  std::string_view path;   // as sent, without query
  std::string_view query;  // without '?'
  std::string_view content_type;
  std::string_view body;
  bool keep_alive = true;
  bool http10 = false;
};

/// Reads HTTP/1 requests (RFC 9112) from a buffer that grows at its end: no I/O, no clock. Strict:
/// lines end in CRLF, one Host in HTTP/1.1, never both Content-Length and Transfer-Encoding, no
/// folding. Thread safety: none. Lifetime: Request()'s views point into the buffer given last, or
/// into the reader (a chunked body), until Reset.
class RequestReader {
 public:
  enum class State : std::uint8_t { kHead, kBody, kDone, kBad };

  /// Looks at the whole unread `buffer`; call again with it grown. After kDone, Consumed() bytes
  /// of it belong to this request.
  State Read(std::string_view buffer);
  /// For the next request.
  void Reset() noexcept;

  State GetState() const noexcept { return state_; }
  std::size_t Consumed() const noexcept { return position_; }
  const ServedRequest& Request() const noexcept { return request_; }
  /// The status that tells the client what is wrong, after kBad: 400, 413, 431, 501 or 505.
  int BadStatus() const noexcept { return bad_status_; }
  /// True once for a request that waits for "100 Continue" before it sends its body.
  bool TakeExpectation() noexcept;

 private:
  State Bad(int status) noexcept;
  State ReadHead(std::string_view buffer);
  State ReadBody(std::string_view buffer);
  State ReadChunks(std::string_view buffer);
  /// 0 when all is well, else the status of the refusal.
  int ParseRequestLine(std::string_view line) noexcept;
  int ParseField(std::string_view line) noexcept;
  int CheckHead() const noexcept;
  /// The views must follow a buffer that was moved while it grew.
  void Rebase(const char* buffer) noexcept;

  State state_ = State::kHead;
  int bad_status_ = 0;
  ServedRequest request_;
  const char* base_ = nullptr;
  std::size_t scanned_ = 0;   // of the head: where no end was found yet
  std::size_t position_ = 0;  // end of what is understood
  std::uint64_t length_ = 0;
  unsigned hosts_ = 0;
  bool has_length_ = false;
  bool chunked_ = false;
  bool expects_ = false;
  std::string chunks_;
};

}  // namespace perf::backends
