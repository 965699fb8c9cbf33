// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/fd_watch.hpp"
#include "libperf/backends/hiredis_asio.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/backends/redis_generations.hpp"
#include "libperf/backends/stream_dial.hpp"

namespace perf::backends {

/// How to get in.
struct RedisLogin {
  std::string user;
  std::string password;
  std::int64_t database = 0;
  HiredisStream::Tls tls;  // null: none
  /// A server that has no password is fine, too.
  bool lenient = false;
};

/// Of the URL and its files. Throws: ConfigError.
RedisLogin LoginOf(const RedisConfig& config);
/// "host:port", for messages and comparisons.
std::string Describe(const StreamAddress& address);
/// Appends one command as it goes over the wire.
void AppendRedisCommand(const std::vector<std::string>& words, std::string& out);
/// What is said first on a new connection. The last command always is a question: a port that
/// accepts is not yet a Redis that answers, and one that loads its data, or wants a password, says
/// so here.
std::vector<RedisCommand> RedisGreeting(const RedisLogin& login);
/// Whether an error reply to it does not stand in the way.
bool IsHarmless(const RedisLogin& login, std::string_view error) noexcept;

/// One connection to one server.
class RedisSession final : public RedisConnection, private RedisGenerations::Member {
 public:
  /// `generations` null: of none.
  RedisSession(EventLoop& loop, std::shared_ptr<RedisGenerations> generations,
               std::uint64_t generation);

  /// Throws: IoError.
  void Attach(UniqueFd fd, const HiredisStream::Tls& tls, const std::string& server_name);
  Task<void> Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline) override;
  bool Reusable() const noexcept override { return !broken_ && !altered_ && reply_ == nullptr; }
  bool Alive() noexcept override { return Reusable() && !FdWatch::Pending(fd_.Get()); }
  /// The dial is over: what it did to the session is meant to stay.
  void Opened() noexcept { altered_ = false; }
  /// It is meant to lead to a replica: READONLY is the borrower's mistake, not the server's.
  void ExpectReadOnly() noexcept { read_only_ = true; }

 private:
  struct Wait {
    RedisSession& session;
    explicit Wait(RedisSession& owner) noexcept : session(owner) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { session.waiter_ = {}; }
    bool await_ready() const noexcept { return session.reply_ == nullptr; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { session.waiter_ = handle; }
    void await_resume() const noexcept {}
  };

  void OnReadable();
  void OnWritable();
  void OnAlarm();
  void Abandon(const std::string& why) override;
  void Sent(bool all);
  void Read();
  bool TakeReplies();
  void TakeError(std::string_view text);
  void GiveUp(ErrorKind kind, std::string text);
  void Finish();

  EventLoop& loop_;
  UniqueFd fd_;
  HiredisStream stream_;
  FdWatch watch_;  // released before the socket is closed
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  RedisReply* reply_ = nullptr;  // of the command under way
  unsigned expected_ = 0;
  std::string out_;
  bool unsent_ = false;  // something waits in the stream for the socket
  bool broken_ = false;
  bool altered_ = false;  // by a command such as SELECT
  bool read_only_ = false;
};

/// One server and the way in.
struct RedisDoorway {
  StreamAddress address;
  std::string server_name;  // in TLS
  RedisLogin login;
  std::shared_ptr<RedisGenerations> generations;  // of what is dialled; null: of none
};

/// That of kSingle, without generations. Throws: ConfigError.
RedisDoorway SingleDoorway(const RedisConfig& config);

/// Connects and gets in; null with `failure` (kConnect) where that did not work.
/// Lifetime: the references outlive the task.
Task<std::unique_ptr<RedisSession>> DialRedis(EventLoop& loop, const RedisDoorway& doorway,
                                              Failure& failure, Deadline deadline);

// Each makes the connector of its layouts; MakeRedisConnector chooses.
std::unique_ptr<RedisConnector> MakeRedisRoleConnector(EventLoop& loop, RedisConfig config);
std::unique_ptr<RedisConnector> MakeRedisClusterConnector(EventLoop& loop, RedisConfig config);

}  // namespace perf::backends
