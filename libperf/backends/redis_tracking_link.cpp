// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tracking_link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/backends/failure_text.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {

std::function<void(Json&, const Failure&)> RedisAnswer::Callback() {
  return [this](Json& found, const Failure& why) {
    value = std::move(found);
    failure = why;
    done = true;
    if (waiter) waiter.resume();
  };
}

RedisTrackingLink::RedisTrackingLink(EventLoop& loop)
    : loop_(loop),
      watch_(
          loop, [](void* self) { static_cast<RedisTrackingLink*>(self)->OnReadable(); },
          [](void* self) { static_cast<RedisTrackingLink*>(self)->OnWritable(); }, this),
      alarm_(loop, [this] { OnAlarm(); }) {}

RedisTrackingLink::~RedisTrackingLink() = default;

Task<bool> RedisTrackingLink::Open(const RedisDoorway& doorway, Failure& failure,
                                   Deadline deadline) {
  const auto keep = shared_from_this();
  fd_ = co_await DialStream(loop_, doorway.address, failure, deadline);
  if (failure) co_return false;
  stream_ = std::make_unique<HiredisStream>();
  try {
    stream_->Attach(fd_.Get(), doorway.login.tls, doorway.server_name);
    watch_.Assign(fd_.Get());
  } catch (const IoError& error) {
    failure = {ErrorKind::kConnect, FailureText(error.what())};
    co_return false;
  }
  stream_->Keep(true);
  up_ = true;
  watch_.AwaitReadableLevel();
  const bool greeted = co_await Greet(doorway, failure, deadline);
  if (!greeted) Close(failure.text);
  co_return greeted;
}

Task<bool> RedisTrackingLink::Greet(const RedisDoorway& doorway, Failure& failure,
                                    Deadline deadline) {
  const std::vector<RedisCommand> greeting = RedisGreeting(doorway.login);
  for (const RedisCommand& command : greeting) {
    Json value;
    co_await Ask(command.words, value, failure, deadline);
    if (!failure || IsHarmless(doorway.login, failure.text)) continue;
    failure = {ErrorKind::kConnect, fmt::format("{}: {}: {}", Describe(doorway.address),
                                                command.words[0], failure.text)};
    co_return false;
  }
  failure.Clear();
  co_return up_;
}

void RedisTrackingLink::Write(const std::vector<std::string>& words) {
  AppendRedisCommand(words, out_);
  if (flushing_) return;
  flushing_ = true;
  loop_.Soon([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->FlushNow();
  });
}

void RedisTrackingLink::FlushNow() {
  flushing_ = false;
  if (!up_ || out_.empty()) return;
  const std::string bytes = std::exchange(out_, {});
  Sent(stream_->Send(bytes));
}

void RedisTrackingLink::Sent(bool all) {
  unsent_ = !all;
  if (unsent_ && !stream_->WantsRead()) watch_.AwaitWritable();
}

void RedisTrackingLink::Send(const std::vector<std::string>& words, Deadline deadline,
                             OnReply on_reply) {
  if (!up_ || subscribed_) {
    loop_.Soon([on_reply = std::move(on_reply)] {
      Json none;
      on_reply(none, {ErrorKind::kProtocol, "the link was lost"});
    });
    return;
  }
  Write(words);
  pending_.push_back({deadline.At(), std::move(on_reply)});
  ArmFor(deadline.At());
}

Task<void> RedisTrackingLink::Ask(const std::vector<std::string>& words, Json& value,
                                  Failure& failure, Deadline deadline) {
  const auto keep = shared_from_this();
  failure.Clear();
  RedisAnswer answer;
  Send(words, deadline, answer.Callback());
  co_await answer;
  value = std::move(answer.value);
  failure = std::move(answer.failure);
}

void RedisTrackingLink::Subscribe(const std::vector<std::string>& channels) {
  std::vector<std::string> words{"SUBSCRIBE"};
  words.insert(words.end(), channels.begin(), channels.end());
  Write(words);
  subscribed_ = true;
}

void RedisTrackingLink::Ping(const std::string& payload) {
  if (up_) Write({"PING", payload});
}

void RedisTrackingLink::ArmFor(TimePoint deadline) {
  if (deadline >= armed_ && alarm_.Armed()) return;
  armed_ = deadline;
  alarm_.Arm(Deadline(deadline));
}

/// A reply that comes after its deadline is still this command's, so its place stays.
void RedisTrackingLink::OnAlarm() {
  const auto keep = shared_from_this();
  const TimePoint now = Clock::now();
  const bool all = loop_.Cancelled();
  armed_ = TimePoint::max();
  TimePoint next = TimePoint::max();
  std::vector<OnReply> expired;
  for (Pending& pending : pending_) {
    if (!pending.on_reply) continue;
    if (all || pending.deadline <= now) {
      expired.push_back(std::exchange(pending.on_reply, nullptr));
    } else {
      next = std::min(next, pending.deadline);
    }
  }
  if (next != TimePoint::max()) ArmFor(next);
  const Failure failure{ErrorKind::kTimeout, TimeoutText(loop_, "waiting for the reply")};
  for (const OnReply& on_reply : expired) {
    Json none;
    on_reply(none, failure);
  }
}

void RedisTrackingLink::OnWritable() {
  if (up_) Sent(stream_->Flush());
}

void RedisTrackingLink::OnReadable() {
  const auto keep = shared_from_this();
  while (up_) {
    if (!stream_->Fill()) return Lose(FailureText(stream_->Error()));
    if (unsent_) Sent(stream_->Flush());
    if (!TakeReplies()) return;
    // Readiness comes by edges, so nothing may be left in the socket.
    if (!FdWatch::Pending(fd_.Get())) break;
  }
  if (up_) watch_.AwaitReadable();
}

/// False when the link is gone.
bool RedisTrackingLink::TakeReplies() {
  while (up_) {
    const HiredisStream::Step step = stream_->Next();
    if (step == HiredisStream::Step::kMore) return true;
    if (step == HiredisStream::Step::kBroken) {
      Lose(FailureText(stream_->Error()));
      return false;
    }
    TakeOne();
  }
  return false;
}

void RedisTrackingLink::TakeOne() {
  Json value = std::exchange(stream_->Value(), Json());
  Failure failure;
  if (!stream_->ErrorReply().empty()) {
    failure = {ErrorKind::kStatus, FailureText(stream_->ErrorReply())};
  }
  if (subscribed_) {
    if (failure) return Lose(failure.text);
    if (events_.on_push) events_.on_push(value);
    return;
  }
  if (pending_.empty()) return Lose("a reply that nobody asked for");
  const OnReply on_reply = std::move(pending_.front().on_reply);
  pending_.pop_front();
  if (on_reply) on_reply(value, failure);
}

void RedisTrackingLink::FailAll(const Failure& failure) {
  for (const Pending& pending : std::exchange(pending_, {})) {
    Json none;
    if (pending.on_reply) pending.on_reply(none, failure);
  }
}

void RedisTrackingLink::Close(const std::string& why) {
  if (!up_) return;
  const auto keep = shared_from_this();
  up_ = false;
  watch_.Release();
  alarm_.Disarm();
  fd_ = UniqueFd();
  FailAll({ErrorKind::kProtocol, why});
}

void RedisTrackingLink::Lose(const std::string& why) {
  const auto on_lost = std::move(events_.on_lost);
  Close(why);
  if (on_lost) on_lost(why);
}

}  // namespace perf::backends
