// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/backends/redis.hpp"
#include "libperf/base/json.hpp"

struct redisContext;
struct redisReadTask;
struct ssl_ctx_st;
struct ssl_st;

namespace perf::backends {

/// hiredis without blocking, on a socket that is connected already: its reader, its TLS, its
/// buffers, and all that differs between hiredis 0.14 and 1.x. It is driven through redisContext
/// and not through redisAsyncContext, which allocates per reply, cannot take a connected socket
/// before 1.1, and calls back from within itself while it is being freed.
/// Thread safety: none. Lifetime: borrows the socket, which is neither closed nor watched here.
class HiredisStream {
 public:
  enum class Step { kMore, kReply, kBroken };

  HiredisStream();
  ~HiredisStream();
  HiredisStream(const HiredisStream&) = delete;
  HiredisStream& operator=(const HiredisStream&) = delete;

  /// What connections to the servers of one URL have in common; null: no TLS.
  using Tls = std::shared_ptr<ssl_ctx_st>;

  /// Whether this hiredis can speak TLS.
  static bool HasTls() noexcept;
  /// Never null. Throws: ConfigError where it cannot, or for a file that is no good.
  static Tls MakeTls(const RedisTls& files);
  /// Starts TLS, if it is to be, with the server of that name or address. Throws: IoError with
  /// what hiredis says.
  void Attach(int fd, const Tls& tls, const std::string& server_name);

  /// Appends to what is to be sent, and sends what the socket takes now; true when all is out.
  /// A failure shows when reading, after what the peer may have said before it hung up.
  bool Send(std::string_view bytes);
  bool Flush();
  /// Whether what is unsent waits for the peer's part of a TLS handshake, not for the socket.
  bool WantsRead() const noexcept;
  /// Reads what there is, once; false when the stream is broken.
  bool Fill();
  /// Parses one reply out of what was read.
  Step Next();
  /// Whether something was read that no request waits for.
  bool HasRest() const noexcept;
  std::string_view Error() const noexcept { return error_; }

  /// Whether replies are to be kept as values from now on.
  void Keep(bool keep) noexcept { keep_ = keep; }
  /// The reply that Next found; empty text where it is no error reply.
  Json& Value() noexcept { return value_; }
  std::string_view ErrorReply() const noexcept { return error_reply_; }

 private:
  struct Parse;
  struct Free {
    void operator()(redisContext* context) const noexcept;
  };
  bool Break(std::string_view why);
  std::string HandshakeFault() const;

  std::unique_ptr<redisContext, Free> context_;
  std::string out_;
  std::size_t sent_ = 0;  // of out_
  std::string error_;
  std::string error_reply_;
  Json value_;
  bool keep_ = false;
  ssl_st* tls_ = nullptr;  // owned by the context; null without TLS
  bool asked_ = false;     // by the server for a certificate
  bool answered_ = false;  // by it, to a command
  bool write_failed_ = false;
};

}  // namespace perf::backends
