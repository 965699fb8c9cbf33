// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_session.hpp"

#include <fmt/format.h>

#include <charconv>
#include <initializer_list>
#include <utility>

#include "libperf/backends/failure_text.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> names) noexcept {
  for (const std::string_view name : names) {
    if (EqualsIgnoreCase(word, name)) return true;
  }
  return false;
}

/// Commands that are not answered by one reply each.
bool BreaksTurns(std::string_view word) noexcept {
  return IsOneOf(word, {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC"});
}

/// Commands that leave something behind that the next borrower would stumble over.
bool ChangesSession(std::string_view word) noexcept {
  return IsOneOf(word, {"SELECT", "MULTI", "WATCH", "AUTH", "HELLO", "RESET", "QUIT"});
}

bool StartsWithOneOf(std::string_view text,
                     std::initializer_list<std::string_view> words) noexcept {
  for (const std::string_view word : words) {
    if (text.starts_with(word)) return true;
  }
  return false;
}

/// Error replies of a server that is of no use now, though it answers: it starts, it was
/// demoted (also while a command was blocked there), or it lost its primary.
bool EndsSession(std::string_view error) noexcept {
  return StartsWithOneOf(error, {"LOADING ", "READONLY ", "MASTERDOWN ", "UNBLOCKED "});
}

/// Error replies of a cluster's node for a command that it did not carry out.
bool Redirects(std::string_view error) noexcept {
  return StartsWithOneOf(error, {"MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN"});
}

/// "*2\r\n" or "$5\r\n".
void AppendLength(std::string& out, char mark, std::size_t length) {
  char text[24];
  text[0] = mark;
  char* const end = std::to_chars(text + 1, text + sizeof text - 2, length).ptr;
  end[0] = '\r';
  end[1] = '\n';
  out.append(text, end + 2);
}

void AppendPipeline(const RedisCommand& command, std::string& out) {
  out.clear();
  AppendRedisCommand(command.words, out);
  const std::size_t length = out.size();
  out.reserve(length * command.pipeline);
  for (unsigned i = 1; i < command.pipeline; ++i) out.append(out, 0, length);
}

/// Without anything having been sent.
void Refuse(RedisReply& reply, ErrorKind kind, std::string text) {
  reply.failure = {kind, std::move(text)};
  reply.timing.sent = reply.timing.first_byte = reply.timing.done = Clock::now();
}

}  // namespace

void AppendRedisCommand(const std::vector<std::string>& words, std::string& out) {
  AppendLength(out, '*', words.size());
  for (const std::string& word : words) {
    AppendLength(out, '$', word.size());
    out += word;
    out += "\r\n";
  }
}

std::vector<RedisCommand> RedisGreeting(const RedisLogin& login) {
  std::vector<RedisCommand> greeting;
  if (!login.password.empty()) {
    RedisCommand& auth = greeting.emplace_back();
    auth.words = {"AUTH"};
    if (!login.user.empty()) auth.words.push_back(login.user);
    auth.words.push_back(login.password);
  }
  if (login.database != 0) {
    greeting.emplace_back().words = {"SELECT", std::to_string(login.database)};
  }
  greeting.emplace_back().words = {"PING"};
  return greeting;
}

bool IsHarmless(const RedisLogin& login, std::string_view error) noexcept {
  // The user may not PING: still a server that answers.
  if (error.starts_with("NOPERM")) return true;
  return login.lenient && (error.find("without any password configured") != error.npos ||
                           error.find("no password is set") != error.npos);
}

RedisSession::RedisSession(EventLoop& loop, std::shared_ptr<RedisGenerations> generations,
                           std::uint64_t generation)
    : Member(std::move(generations), generation),
      loop_(loop),
      watch_(
          loop, [](void* self) { static_cast<RedisSession*>(self)->OnReadable(); },
          [](void* self) { static_cast<RedisSession*>(self)->OnWritable(); }, this),
      alarm_(loop, [this] { OnAlarm(); }) {}

void RedisSession::Attach(UniqueFd fd, const HiredisStream::Tls& tls,
                          const std::string& server_name) {
  fd_ = std::move(fd);
  stream_.Attach(fd_.Get(), tls, server_name);
  watch_.Assign(fd_.Get());
}

void RedisSession::OnReadable() {
  if (reply_ != nullptr) Read();
}

void RedisSession::OnWritable() {
  if (reply_ != nullptr) Sent(stream_.Flush());
}

void RedisSession::OnAlarm() {
  if (reply_ == nullptr) return;
  reply_->timing.done = Clock::now();
  GiveUp(ErrorKind::kTimeout, TimeoutText(loop_, "waiting for the reply"));
}

void RedisSession::Abandon(const std::string& why) {
  if (reply_ == nullptr) return;
  reply_->timing.done = Clock::now();
  GiveUp(ErrorKind::kProtocol, why);
}

void RedisSession::Sent(bool all) {
  unsent_ = !all;
  if (unsent_ && !stream_.WantsRead()) watch_.AwaitWritable();
}

Task<void> RedisSession::Execute(const RedisCommand& command, RedisReply& reply,
                                 Deadline deadline) {
  reply.Clear();
  if (broken_) {
    Refuse(reply, ErrorKind::kProtocol, "the connection was given up before");
    co_return;
  }
  if (command.words.empty() || command.pipeline == 0 || BreaksTurns(command.words[0])) {
    Refuse(reply, ErrorKind::kStatus,
           fmt::format("{} is not supported in a scenario's commands",
                       command.words.empty() ? "nothing" : command.words[0]));
    co_return;
  }
  altered_ = altered_ || ChangesSession(command.words[0]);
  AppendPipeline(command, out_);
  reply_ = &reply;
  expected_ = command.pipeline;
  stream_.Keep(command.keep_reply);
  alarm_.Arm(deadline);
  reply.timing.sent = Clock::now();
  Sent(stream_.Send(out_));
  watch_.AwaitReadable();
  Wait wait(*this);
  co_await wait;
}

void RedisSession::Read() {
  for (;;) {
    const bool filled = stream_.Fill();
    reply_->timing.done = Clock::now();
    if (!filled) {
      GiveUp(ErrorKind::kProtocol, FailureText(stream_.Error()));
      return;
    }
    if (unsent_) Sent(stream_.Flush());
    if (TakeReplies()) return;
    // Readiness comes by edges, so nothing may be left in the socket.
    if (!FdWatch::Pending(fd_.Get())) break;
  }
  watch_.AwaitReadable();
}

/// True when the command is over.
bool RedisSession::TakeReplies() {
  if (reply_->timing.first_byte == TimePoint{} && stream_.HasRest()) {
    reply_->timing.first_byte = reply_->timing.done;
  }
  while (expected_ > 0) {
    const HiredisStream::Step step = stream_.Next();
    if (step == HiredisStream::Step::kMore) return false;
    if (step == HiredisStream::Step::kBroken) {
      GiveUp(ErrorKind::kProtocol, FailureText(stream_.Error()));
      return true;
    }
    if (!stream_.ErrorReply().empty()) TakeError(stream_.ErrorReply());
    --expected_;
  }
  // A reply that nobody asked for would pass for the next command's.
  if (stream_.HasRest()) broken_ = true;
  Finish();
  return true;
}

void RedisSession::TakeError(std::string_view text) {
  if (!reply_->failure) reply_->failure = {ErrorKind::kStatus, FailureText(text)};
  if (Redirects(text)) ++reply_->redirected;
  if (!EndsSession(text) || broken_) return;
  if (read_only_ && text.starts_with("READONLY")) return;
  broken_ = true;
  Disown();
}

void RedisSession::GiveUp(ErrorKind kind, std::string text) {
  broken_ = true;
  reply_->failure = {kind, std::move(text)};
  Finish();
}

void RedisSession::Finish() {
  alarm_.Disarm();
  RedisReply& reply = *std::exchange(reply_, nullptr);
  if (reply.timing.first_byte == TimePoint{}) reply.timing.first_byte = reply.timing.done;
  reply.value = std::exchange(stream_.Value(), Json());
  if (const auto waiter = std::exchange(waiter_, {})) waiter.resume();
}

std::string Describe(const StreamAddress& address) {
  if (!address.unix_socket.empty()) return address.unix_socket;
  const bool v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

Task<std::unique_ptr<RedisSession>> DialRedis(EventLoop& loop, const RedisDoorway& doorway,
                                              Failure& failure, Deadline deadline) {
  const std::uint64_t generation = doorway.generations ? doorway.generations->Now() : 0;
  UniqueFd fd = co_await DialStream(loop, doorway.address, failure, deadline);
  if (failure) co_return nullptr;
  auto session = std::make_unique<RedisSession>(loop, doorway.generations, generation);
  try {
    session->Attach(std::move(fd), doorway.login.tls, doorway.server_name);
  } catch (const IoError& error) {
    failure = {ErrorKind::kConnect, FailureText(error.what())};
    co_return nullptr;
  }
  RedisReply reply;
  const std::vector<RedisCommand> greeting = RedisGreeting(doorway.login);
  for (const RedisCommand& command : greeting) {
    co_await session->Execute(command, reply, deadline);
    if (!reply.failure || IsHarmless(doorway.login, reply.failure.text)) continue;
    failure = {ErrorKind::kConnect, fmt::format("{}: {}: {}", Describe(doorway.address),
                                                command.words[0], reply.failure.text)};
    co_return nullptr;
  }
  session->Opened();
  co_return session;
}

}  // namespace perf::backends
