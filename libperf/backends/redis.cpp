// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis.hpp"

#include <fmt/format.h>

#include <charconv>
#include <coroutine>
#include <utility>

#include "libperf/backends/failure_text.hpp"
#include "libperf/backends/fd_watch.hpp"
#include "libperf/backends/hiredis_asio.hpp"
#include "libperf/backends/stream_dial.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr std::uint16_t kDefaultPort = 6379;

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

/// Error replies of a server that is of no use now, though it answers: it starts, it was
/// demoted, or it lost its primary.
bool EndsSession(std::string_view error) noexcept {
  return error.starts_with("LOADING") || error.starts_with("READONLY") ||
         error.starts_with("MASTERDOWN");
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

void AppendCommand(const RedisCommand& command, std::string& out) {
  out.clear();
  AppendLength(out, '*', command.words.size());
  for (const std::string& word : command.words) {
    AppendLength(out, '$', word.size());
    out += word;
    out += "\r\n";
  }
  const std::size_t length = out.size();
  out.reserve(length * command.pipeline);
  for (unsigned i = 1; i < command.pipeline; ++i) out.append(out, 0, length);
}

/// Without anything having been sent.
void Refuse(RedisReply& reply, ErrorKind kind, std::string text) {
  reply.failure = {kind, std::move(text)};
  reply.timing.sent = reply.timing.first_byte = reply.timing.done = Clock::now();
}

class Session final : public RedisConnection {
 public:
  explicit Session(EventLoop& loop)
      : loop_(loop),
        watch_(
            loop, [](void* self) { static_cast<Session*>(self)->OnReadable(); },
            [](void* self) { static_cast<Session*>(self)->OnWritable(); }, this),
        alarm_(loop, [this] { OnAlarm(); }) {}

  void Attach(UniqueFd fd, const std::string& server_name) {
    fd_ = std::move(fd);
    stream_.Attach(fd_.Get(), server_name);
    watch_.Assign(fd_.Get());
  }

  Task<void> Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline) override;
  bool Reusable() const noexcept override { return !broken_ && !altered_ && reply_ == nullptr; }
  bool Alive() noexcept override { return Reusable() && !FdWatch::Pending(fd_.Get()); }
  /// The dial is over: what it did to the session is meant to stay.
  void Opened() noexcept { altered_ = false; }

 private:
  struct Wait {
    Session& session;
    explicit Wait(Session& owner) noexcept : session(owner) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { session.waiter_ = {}; }
    bool await_ready() const noexcept { return session.reply_ == nullptr; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { session.waiter_ = handle; }
    void await_resume() const noexcept {}
  };

  void OnReadable() {
    if (reply_ != nullptr) Read();
  }
  void OnWritable() {
    if (reply_ != nullptr) Sent(stream_.Flush());
  }
  void OnAlarm() {
    if (reply_ != nullptr) {
      reply_->timing.done = Clock::now();
      GiveUp(ErrorKind::kTimeout, TimeoutText(loop_, "waiting for the reply"));
    }
  }
  void Sent(bool all) {
    unsent_ = !all;
    if (unsent_ && !stream_.WantsRead()) watch_.AwaitWritable();
  }
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
};

Task<void> Session::Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline) {
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
  AppendCommand(command, out_);
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

void Session::Read() {
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
bool Session::TakeReplies() {
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

void Session::TakeError(std::string_view text) {
  if (!reply_->failure) reply_->failure = {ErrorKind::kStatus, FailureText(text)};
  if (EndsSession(text)) broken_ = true;
}

void Session::GiveUp(ErrorKind kind, std::string text) {
  broken_ = true;
  reply_->failure = {kind, std::move(text)};
  Finish();
}

void Session::Finish() {
  alarm_.Disarm();
  RedisReply& reply = *std::exchange(reply_, nullptr);
  if (reply.timing.first_byte == TimePoint{}) reply.timing.first_byte = reply.timing.done;
  reply.value = std::exchange(stream_.Value(), Json());
  if (const auto waiter = std::exchange(waiter_, {})) waiter.resume();
}

class Connector final : public RedisConnector {
 public:
  Connector(EventLoop& loop, const RedisConfig& config);
  Task<Dialled<RedisConnection>> Dial(Deadline deadline) override;

 private:
  EventLoop& loop_;
  StreamAddress address_;
  std::string server_name_;  // for TLS; empty without
  std::vector<RedisCommand> greeting_;
};

/// A unix socket's URL has no other place for them than its query.
std::string FromQuery(const Url& url, std::string_view name) {
  for (const std::string_view part : Split(url.query, '&')) {
    if (part.starts_with(name) && part.substr(name.size()).starts_with('=')) {
      return PercentDecode(part.substr(name.size() + 1));
    }
  }
  return {};
}

std::int64_t Database(const Url& url) {
  const std::string text =
      url.scheme == "unix" ? FromQuery(url, "db") : url.path.substr(url.path.empty() ? 0 : 1);
  if (text.empty()) return 0;
  const auto number = ParseInteger(text);
  if (!number || *number < 0) {
    throw ConfigError(
        fmt::format("Redis URL {}: \"{}\" is not a database number", url.Masked(), text));
  }
  return *number;
}

Connector::Connector(EventLoop& loop, const RedisConfig& config) : loop_(loop) {
  const Url& url = config.url;
  const bool socket = url.scheme == "unix";
  if (socket) {
    address_.unix_socket = PercentDecode(url.path);
  } else {
    address_.host = url.host.empty() ? "127.0.0.1" : url.host;
    address_.port = url.port == 0 ? kDefaultPort : url.port;
  }
  if (url.scheme == "rediss") {
    if (!HiredisStream::HasTls()) throw ConfigError("TLS to Redis needs hiredis >= 1.0");
    server_name_ = address_.host;
  }
  if (config.via_port != 0) address_ = {"127.0.0.1", config.via_port, ""};
  const std::string user = socket ? FromQuery(url, "user") : url.user;
  const std::string password = socket ? FromQuery(url, "password") : url.password;
  if (!password.empty()) {
    RedisCommand auth;
    auth.words = {"AUTH"};
    if (!user.empty()) auth.words.push_back(user);
    auth.words.push_back(password);
    greeting_.push_back(std::move(auth));
  } else if (!server_name_.empty()) {
    // The handshake goes along with the first command, and belongs to the dial.
    greeting_.emplace_back().words = {"PING"};
  }
  if (const std::int64_t database = Database(url); database != 0) {
    RedisCommand select;
    select.words = {"SELECT", std::to_string(database)};
    greeting_.push_back(std::move(select));
  }
}

Task<Dialled<RedisConnection>> Connector::Dial(Deadline deadline) {
  Dialled<RedisConnection> dialled;
  UniqueFd fd = co_await DialStream(loop_, address_, dialled.failure, deadline);
  if (dialled.failure) co_return dialled;
  auto session = std::make_unique<Session>(loop_);
  try {
    session->Attach(std::move(fd), server_name_);
  } catch (const IoError& error) {
    dialled.failure = {ErrorKind::kConnect, FailureText(error.what())};
    co_return dialled;
  }
  RedisReply reply;
  for (const RedisCommand& command : greeting_) {
    co_await session->Execute(command, reply, deadline);
    if (reply.failure) {
      dialled.failure = {ErrorKind::kConnect, command.words[0] + ": " + reply.failure.text};
      co_return dialled;
    }
  }
  session->Opened();
  dialled.connection = std::move(session);
  co_return dialled;
}

}  // namespace

void RedisReply::Clear() noexcept {
  failure.Clear();
  timing = {};
  value = Json();
}

RedisConnector::~RedisConnector() = default;

std::unique_ptr<RedisConnector> MakeRedisConnector(EventLoop& loop, RedisConfig config) {
  return std::make_unique<Connector>(loop, config);
}

}  // namespace perf::backends
