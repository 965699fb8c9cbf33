// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tier_state.hpp"

#include <algorithm>

#include "libperf/backends/redis_slots.hpp"

namespace perf::backends {
namespace {

/// Our alarms may be this late, and the cache counts on an answer by its deadline.
constexpr Duration kAlarmLate = std::chrono::milliseconds(6);
/// A report of what we wrote ourselves comes much sooner than this.
constexpr Duration kOwnFor = std::chrono::milliseconds(500);
constexpr std::size_t kMostOwn = 200'000;
constexpr Duration kVerifyFor = std::chrono::milliseconds(100);
constexpr std::size_t kStamp = 8;

/// Longer writes go over the pool: on a slow network a heartbeat would come too late behind them.
constexpr std::size_t kLongWrite = 64 * 1024;

bool IsLong(const std::vector<std::string>& words) noexcept {
  std::size_t bytes = 0;
  for (const std::string& word : words) bytes += word.size();
  return bytes > kLongWrite;
}

/// The server did not carry it out, and another one, or another connection, may.
bool IsElsewhere(const std::string& text) {
  for (const char* word : {"MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN", "READONLY"}) {
    if (text.starts_with(word)) return true;
  }
  return false;
}

}  // namespace

cache::TierStatus StatusOf(const Failure& failure) noexcept {
  switch (failure.kind) {
    case ErrorKind::kNone: return cache::TierStatus::kOk;
    case ErrorKind::kConnect: return cache::TierStatus::kDown;
    case ErrorKind::kTimeout: return cache::TierStatus::kTimeout;
    default: return cache::TierStatus::kFailed;
  }
}

RedisTierState::RedisTierState(RedisTierHub& the_hub, RedisTierOptions the_options)
    : hub(the_hub), options(std::move(the_options)), names(options.prefix) {}

void RedisTierState::Open() {
  hub.Listen(this, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->Tell([](cache::TierListener& to) { to.OnState(); });
    }
  });
  if (tracking) tracking->Start();
}

void RedisTierState::Close() {
  hub.Unlisten(this);
  if (tracking) tracking->Close();
}

void RedisTierState::Count(RedisTierStats::Request request, cache::TierStatus status) noexcept {
  requests[request][static_cast<std::size_t>(status)].fetch_add(1, std::memory_order_relaxed);
}

Deadline RedisTierState::Bound(Deadline deadline) const {
  const TimePoint now = Clock::now();
  const Deadline bound = Sooner(deadline, Deadline::After(now, options.longest));
  return bound.Remaining(now) > 4 * kAlarmLate ? Deadline(bound.At() - kAlarmLate) : bound;
}

Task<void> RedisTierState::Ask(const std::vector<std::string>& words, const std::string& name,
                               bool write, RedisReply& reply, Deadline deadline) {
  reply.Clear();
  const TimePoint start = Clock::now();
  if (deadline.Passed(start)) {
    reply.failure = {ErrorKind::kTimeout, "there was no time left"};
    co_return;
  }
  pool::Breaker::Permit permit = hub.Admit();
  if (!permit) {
    reply.failure = {ErrorKind::kConnect, "the circuit breaker is open"};
    co_return;
  }
  bool answered = false;
  RedisAnswer answer;
  if (write && tracking && !IsLong(words) &&
      tracking->Write(name, words, deadline, answer.Callback())) {
    co_await answer;
    answered = answer.failure.kind != ErrorKind::kStatus || !IsElsewhere(answer.failure.text);
    reply.failure = std::move(answer.failure);
    reply.value = std::move(answer.value);
    if (!answered) tracking->LookSoon();
  }
  bool tried = true;
  if (!answered) {
    RedisCommand command;
    command.words = words;
    command.keep_reply = true;
    tried = co_await hub.Execute(command, reply, deadline);
  }
  if (tried) hub.Record(std::move(permit), reply.failure, Clock::now() - start);
}

Task<bool> RedisTierState::GetByLink(const std::string& name, RedisReply& reply,
                                     Deadline deadline) {
  reply.Clear();
  const TimePoint start = Clock::now();
  if (!tracking || deadline.Passed(start)) co_return false;
  pool::Breaker::Permit permit = hub.Admit();
  if (!permit) co_return false;
  const std::vector<std::string> get{"GET", name};
  const std::vector<std::string> pttl{"PTTL", name};
  RedisAnswer value, left;
  if (!tracking->Write(name, get, deadline, value.Callback())) co_return false;
  tracking->Write(name, pttl, deadline, left.Callback());
  co_await value;
  co_await left;
  const Failure& failure = value.failure ? value.failure : left.failure;
  if (failure.kind == ErrorKind::kStatus && IsElsewhere(failure.text)) tracking->LookSoon();
  // Asked again elsewhere, for which a permit is needed anew.
  if (failure && failure.kind != ErrorKind::kTimeout) co_return false;
  reply.failure = failure;
  if (!failure && !value.value.IsNull() && left.value != Json(-2)) {
    reply.value.Append(std::move(value.value));
    reply.value.Append(std::move(left.value));
  }
  hub.Record(std::move(permit), reply.failure, Clock::now() - start);
  co_return true;
}

Task<void> RedisTierState::Ask(const RedisScript& script, std::vector<std::string> keys,
                               std::vector<std::string> arguments, bool write, RedisReply& reply,
                               Deadline deadline) {
  const std::string name = keys[0];
  std::vector<std::string> words = script.Call(true, std::move(keys), std::move(arguments));
  co_await Ask(words, name, write, reply, deadline);
  if (reply.failure.kind != ErrorKind::kStatus) co_return;
  if (!reply.failure.text.starts_with("NOSCRIPT")) co_return;
  words[0] = "EVAL";
  words[1] = script.text;
  co_await Ask(words, name, write, reply, deadline);
}

Task<void> RedisTierState::Gather(std::size_t count, const Each& one) {
  struct Join {
    std::size_t left;
    std::coroutine_handle<> waiter;
    bool await_ready() const noexcept { return left == 0; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { waiter = handle; }
    void await_resume() const noexcept {}
  };
  Join join{count, {}};
  const auto run = [](EventLoop& loop, Join& all, Task<void> task) -> Task<void> {
    co_await std::move(task);
    if (--all.left == 0 && all.waiter) loop.Schedule(all.waiter);
  };
  for (std::size_t i = 0; i < count; ++i) hub.Loop().Spawn(run(hub.Loop(), join, one(i)));
  co_await join;
}

void RedisTierState::NoteOwn(const std::string& name, std::string_view bytes) {
  if (!tracking || !options.own_writes_out) return;
  const TimePoint now = Clock::now();
  while (!own_ages.empty() && own_ages.front().first < now) {
    const auto old = own.find(own_ages.front().second);
    if (old != own.end() && old->second.until < now) own.erase(old);
    own_ages.pop_front();
  }
  if (bytes.size() < cache::kStampOffset + kStamp || own_ages.size() >= kMostOwn) {
    own.erase(name);
    return;
  }
  own[name] = Own{std::string(bytes.substr(cache::kStampOffset, kStamp)), now + kOwnFor};
  own_ages.emplace_back(now + kOwnFor, name);
}

bool RedisTierState::IsOwn(const std::string& name) {
  const auto found = own.find(name);
  return found != own.end() && found->second.until > Clock::now();
}

/// One report may stand for several writes: only what is held now tells whose was the last.
void RedisTierState::VerifyOwn(std::string name) {
  const std::vector<std::string> words{"GETRANGE", name, std::to_string(cache::kStampOffset),
                                       std::to_string(cache::kStampOffset + kStamp - 1)};
  const auto told = [weak = weak_from_this(), name](Json& value, const Failure& failure) {
    const auto self = weak.lock();
    if (!self) return;
    const auto found = self->own.find(name);
    const bool ours = !failure && found != self->own.end() && value.IsString() &&
                      value.AsString() == found->second.stamp;
    if (ours) {
      self->own_writes.fetch_add(1, std::memory_order_relaxed);
    } else {
      self->own.erase(name);
      self->TellNames({name});
    }
  };
  const Deadline deadline = Deadline::After(Clock::now(), kVerifyFor);
  if (!tracking->Write(name, words, deadline, told)) TellNames({name});
}

void RedisTierState::OnNames(std::vector<std::string> all) {
  const auto others = std::partition(all.begin(), all.end(),
                                     [this](const std::string& name) { return !IsOwn(name); });
  for (auto name = others; name != all.end(); ++name) VerifyOwn(std::move(*name));
  all.erase(others, all.end());
  if (!all.empty()) TellNames(all);
}

void RedisTierState::TellNames(const std::vector<std::string>& all) {
  std::vector<std::string> keys, tags;
  for (const std::string& name : all) {
    std::string_view key;
    const auto kind = names.Parse(name, key);
    if (kind == RedisTierNames::Kind::kValue) keys.emplace_back(key);
    if (kind == RedisTierNames::Kind::kTag) tags.emplace_back(key);
  }
  keys_told.fetch_add(keys.size(), std::memory_order_relaxed);
  tags_told.fetch_add(tags.size(), std::memory_order_relaxed);
  if (!keys.empty()) Tell([&](cache::TierListener& to) { to.OnKeys(keys); });
  if (!tags.empty()) Tell([&](cache::TierListener& to) { to.OnTags(tags); });
}

void RedisTierState::Tell(const std::function<void(cache::TierListener&)>& what) {
  cache::TierListener* to = nullptr;
  {
    const std::lock_guard lock(mutex);
    to = listener;
    if (to == nullptr) return;
    ++telling;
  }
  what(*to);
  const std::lock_guard lock(mutex);
  --telling;
  idle.notify_all();
}

void RedisTierState::SetListener(cache::TierListener* the_listener) {
  std::unique_lock lock(mutex);
  listener = the_listener;
  // The loop's own thread would wait for itself.
  if (!hub.OnLoop()) idle.wait(lock, [this] { return telling == 0; });
}

}  // namespace perf::backends
