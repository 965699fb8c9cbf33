// SPDX-License-Identifier: Apache-2.0
// What a RedisTier asks of its servers.
#include <algorithm>
#include <utility>

#include "libperf/backends/private_topology.hpp"
#include "libperf/backends/redis_tier_state.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

using cache::TierStatus;

/// Larger ones are for ever: a server refuses what overflows beside its clock.
constexpr std::int64_t kLongestMs = 100LL * 365 * 24 * 3600 * 1000;
constexpr std::int64_t kExact = std::int64_t{1} << 53;
constexpr const char* kScanBatch = "500";

/// Rounded up; "0": for ever.
std::string Milliseconds(Duration ttl) {
  const std::int64_t ns = ttl.count();
  const std::int64_t ms = ns / 1'000'000 + (ns % 1'000'000 > 0 ? 1 : 0);
  return ms > kLongestMs ? "0" : std::to_string(std::max<std::int64_t>(ms, 1));
}

/// A lock that is for ever would outlive its holder.
std::string LockMilliseconds(Duration ttl) {
  std::string ms = Milliseconds(ttl);
  return ms == "0" ? std::to_string(kLongestMs) : ms;
}

std::uint64_t Number(const Json& value) {
  return value.IsInt() && value.AsInt() > 0 ? static_cast<std::uint64_t>(value.AsInt()) : 0;
}

std::string Exact(std::uint64_t value) {
  return std::to_string(std::min(value, static_cast<std::uint64_t>(kExact)));
}

/// As the script has them.
std::string RuleOf(cache::SetCondition::Kind kind) {
  using Kind = cache::SetCondition::Kind;
  return kind == Kind::kAlways ? "0" : kind == Kind::kUnlessNewer ? "1" : "2";
}

/// The worse of two.
TierStatus Worse(TierStatus a, TierStatus b) noexcept { return a == TierStatus::kOk ? b : a; }

bool IsList(const Json& value, std::size_t size) {
  return value.IsArray() && value.AsArray().size() == size;
}

}  // namespace

Task<void> TierGet(RedisTierPtr self, std::string key, Deadline deadline,
                   cache::SecondTier::Done<cache::TierValue> done) {
  cache::TierValue found;
  RedisReply reply;
  const std::string name = self->names.Value(key);
  const Deadline bound = self->Bound(deadline);
  const bool asked = co_await self->GetByLink(name, reply, bound);
  if (!asked) {
    std::vector<std::string> keys{name};
    std::vector<std::string> none;
    co_await self->Ask(RedisTierScripts::All().get, std::move(keys), std::move(none), false, reply,
                       bound);
  }
  found.status = StatusOf(reply.failure);
  if (!reply.failure && reply.value.IsNull()) {
    found.status = TierStatus::kAbsent;
  } else if (!reply.failure && IsList(reply.value, 2) && reply.value.AsArray()[0].IsString() &&
             reply.value.AsArray()[1].IsInt()) {
    const std::int64_t left = reply.value.AsArray()[1].AsInt();
    found.bytes = reply.value.AsArray()[0].AsString();
    found.remaining =
        left < 0 || left > kLongestMs ? Duration::max() : Duration(std::chrono::milliseconds(left));
    // In its last millisecond.
    if (left == 0) found.status = TierStatus::kAbsent;
  } else if (!reply.failure) {
    found.status = TierStatus::kFailed;
  }
  self->Count(RedisTierStats::kGet, found.status);
  done(std::move(found));
}

Task<void> TierSet(RedisTierPtr self, TierSetRequest request, Deadline deadline,
                   cache::SecondTier::Done<cache::TierWritten> done) {
  using Kind = cache::SetCondition::Kind;
  cache::TierWritten written;
  RedisReply reply;
  const Deadline bound = self->Bound(deadline);
  const cache::SetCondition& condition = request.condition;
  const std::string name = self->names.Value(request.key);
  const std::string ms = Milliseconds(request.ttl);
  if (condition.kind == Kind::kAlways && condition.fence == 0 && !condition.heard) {
    self->NoteOwn(name, request.bytes);
    std::vector<std::string> words{"SET", name};
    words.push_back(std::move(request.bytes));
    if (ms != "0") words.insert(words.end(), {"PX", ms});
    co_await self->Ask(words, name, true, reply, bound);
    written.status = StatusOf(reply.failure);
  } else {
    // By script, whose writes the server reports to us as well.
    if (condition.heard) {
      self->ForgetOwn(name);
    } else {
      self->NoteOwn(name, request.bytes);
    }
    std::vector<std::string> keys{name, self->names.Fence(request.key)};
    std::vector<std::string> arguments{
        RuleOf(condition.kind), std::to_string(condition.stamp >> 32),
        std::to_string(condition.stamp & 0xFFFFFFFFU), Exact(condition.fence)};
    arguments.push_back(std::move(request.bytes));
    arguments.push_back(ms);
    co_await self->Ask(RedisTierScripts::All().set, std::move(keys), std::move(arguments), true,
                       reply, bound);
    written.status = StatusOf(reply.failure);
    if (!reply.failure && IsList(reply.value, 3)) {
      const Json::Array& parts = reply.value.AsArray();
      written.stamp = Number(parts[1]) << 32 | Number(parts[2]);
      if (Number(parts[0]) == 0) written.status = TierStatus::kRefused;
    } else if (!reply.failure) {
      written.status = TierStatus::kFailed;
    }
    if (written.status == TierStatus::kRefused) self->ForgetOwn(name);
  }
  self->Count(RedisTierStats::kSet, written.status);
  done(written);
}

Task<void> TierRemove(RedisTierPtr self, std::vector<std::string> keys, Deadline deadline,
                      cache::SecondTier::Done<TierStatus> done) {
  const Deadline bound = self->Bound(deadline);
  TierStatus status = TierStatus::kOk;
  for (std::string& key : keys) {
    key = self->names.Value(key);
    self->ForgetOwn(key);
  }
  const auto unlink = [&](std::vector<std::string> names) -> Task<void> {
    const std::string first = names[0];
    names.insert(names.begin(), "UNLINK");
    RedisReply reply;
    co_await self->Ask(names, first, true, reply, bound);
    status = Worse(status, StatusOf(reply.failure));
  };
  if (self->IsCluster() && keys.size() > 1) {
    const RedisTierState::Each each = [&](std::size_t i) {
      std::vector<std::string> one{std::move(keys[i])};
      return unlink(std::move(one));
    };
    co_await self->Gather(keys.size(), each);
  } else if (!keys.empty()) {
    co_await unlink(std::move(keys));
  }
  self->Count(RedisTierStats::kRemove, status);
  done(status);
}

namespace {

/// One of them, over the link on which it was found.
Task<void> UnlinkFound(RedisTierState& self, RedisTrackingLink& link, const std::string& name,
                       Failure& failure, Deadline deadline) {
  const std::vector<std::string> words{"UNLINK", name};
  Json value;
  Failure why;
  co_await link.Ask(words, value, why, deadline);
  if (why.kind == ErrorKind::kStatus) {  // its slot has moved
    RedisReply reply;
    co_await self.Ask(words, name, false, reply, deadline);
    why = std::move(reply.failure);
  }
  if (why && !failure) failure = std::move(why);
}

/// All of one server's values that match.
Task<void> RemoveOn(RedisTierState& self, const RedisDoorway& doorway, const std::string& pattern,
                    Failure& failure, Deadline deadline) {
  const auto link = std::make_shared<RedisTrackingLink>(self.hub.Loop());
  const bool open = co_await link->Open(doorway, failure, deadline);
  if (!open) co_return;
  std::string cursor = "0";
  do {
    const std::vector<std::string> scan{"SCAN", cursor, "MATCH", pattern, "COUNT", kScanBatch};
    Json page;
    co_await link->Ask(scan, page, failure, deadline);
    if (failure) break;
    if (!IsList(page, 2) || !page.AsArray()[1].IsArray()) {
      failure = {ErrorKind::kProtocol, "SCAN was answered with something else"};
      break;
    }
    cursor = page.AsArray()[0].ToText();
    std::vector<std::string> found;
    for (const Json& name : page.AsArray()[1].AsArray()) found.push_back(name.ToText());
    // One by one: in a cluster they have many slots. All go out in one write.
    const RedisTierState::Each each = [&](std::size_t i) {
      return UnlinkFound(self, *link, found[i], failure, deadline);
    };
    co_await self.Gather(found.size(), each);
  } while (!failure && cursor != "0");
  link->Close("done");
}

}  // namespace

Task<void> TierRemovePrefix(RedisTierPtr self, std::string prefix, Deadline deadline,
                            cache::SecondTier::Done<TierStatus> done) {
  const Deadline bound = self->Bound(deadline);
  const std::string pattern = self->names.Pattern(prefix);
  Failure failure;
  if (!self->hub.Admits()) {
    failure = {ErrorKind::kConnect, "the circuit breaker is open"};
  } else {
    const auto nodes = std::make_shared<RedisTrackingNodes>(self->hub.Loop(), self->hub.Config());
    co_await nodes->Find(failure, bound);
    for (const RedisTrackingNodes::Node& node : nodes->Found()) {
      if (failure) break;
      co_await RemoveOn(*self, node.doorway, pattern, failure, bound);
    }
  }
  TierStatus status = StatusOf(failure);
  if (failure && bound.Passed(Clock::now())) status = TierStatus::kTimeout;
  self->Count(RedisTierStats::kRemovePrefix, status);
  done(status);
}

namespace {

/// Generations of tags that have one slot, or of one server.
Task<void> TagsAt(RedisTierState& self, const std::vector<cache::TagQuery>& tags, std::size_t first,
                  std::size_t count, bool bump, cache::TierTags& answer, Deadline deadline) {
  const RedisTierScripts& scripts = RedisTierScripts::All();
  std::vector<std::string> keys, arguments;
  for (std::size_t i = first; i < first + count; ++i) {
    keys.push_back(self.names.Tag(tags[i].tag));
    arguments.push_back(Exact(tags[i].floor));
    if (!bump) arguments.push_back(Exact(tags[i].initial));
  }
  RedisReply reply;
  co_await self.Ask(bump ? scripts.bump_tags : scripts.read_tags, std::move(keys),
                    std::move(arguments), true, reply, deadline);
  TierStatus status = StatusOf(reply.failure);
  if (!reply.failure && IsList(reply.value, count)) {
    for (std::size_t i = 0; i < count; ++i) {
      answer.generations[first + i] = Number(reply.value.AsArray()[i]);
    }
  } else if (!reply.failure) {
    status = TierStatus::kFailed;
  }
  answer.status = Worse(answer.status, status);
}

}  // namespace

Task<void> TierTagsOf(RedisTierPtr self, std::vector<cache::TagQuery> tags, bool bump,
                      Deadline deadline, cache::SecondTier::Done<cache::TierTags> done) {
  const Deadline bound = self->Bound(deadline);
  cache::TierTags answer;
  answer.status = TierStatus::kOk;
  answer.generations.resize(tags.size());
  if (self->IsCluster()) {
    const RedisTierState::Each each = [&](std::size_t i) {
      return TagsAt(*self, tags, i, 1, bump, answer, bound);
    };
    co_await self->Gather(tags.size(), each);
  } else if (!tags.empty()) {
    co_await TagsAt(*self, tags, 0, tags.size(), bump, answer, bound);
  }
  if (answer.status != TierStatus::kOk) answer.generations.clear();
  self->Count(bump ? RedisTierStats::kBumpTags : RedisTierStats::kReadTags, answer.status);
  done(std::move(answer));
}

Task<void> TierTryLock(RedisTierPtr self, std::string key, Duration ttl, Deadline deadline,
                       cache::SecondTier::Done<cache::TierLock> done) {
  const Deadline bound = self->Bound(deadline);
  const std::string token = RandomHex(8);
  std::vector<std::string> keys{self->names.Lock(key), self->names.Fence(key)};
  std::vector<std::string> arguments{LockMilliseconds(ttl), token};
  RedisReply reply;
  co_await self->Ask(RedisTierScripts::All().lock, std::move(keys), std::move(arguments), true,
                     reply, bound);
  cache::TierLock lock;
  lock.status = StatusOf(reply.failure);
  if (!reply.failure) {
    lock.fence = Number(reply.value);
    if (lock.fence == 0) lock.status = TierStatus::kRefused;
  } else if (lock.status == TierStatus::kTimeout || lock.status == TierStatus::kFailed) {
    // It may have been given to us all the same.
    if (!self->hub.Loop().Cancelled()) {
      self->hub.Start([self, key, token] { return TierUnlock(self, key, ":" + token); });
    }
  }
  self->Count(RedisTierStats::kTryLock, lock.status);
  done(lock);
}

Task<void> TierRenew(RedisTierPtr self, std::string key, std::uint64_t fence, Duration ttl,
                     Deadline deadline, cache::SecondTier::Done<TierStatus> done) {
  const Deadline bound = self->Bound(deadline);
  std::vector<std::string> keys{self->names.Lock(key)};
  std::vector<std::string> arguments{std::to_string(fence), LockMilliseconds(ttl)};
  RedisReply reply;
  co_await self->Ask(RedisTierScripts::All().renew, std::move(keys), std::move(arguments), true,
                     reply, bound);
  TierStatus status = StatusOf(reply.failure);
  if (!reply.failure && Number(reply.value) == 0) status = TierStatus::kRefused;
  self->Count(RedisTierStats::kRenew, status);
  done(status);
}

Task<void> TierUnlock(RedisTierPtr self, std::string key, std::string holder) {
  std::vector<std::string> keys{self->names.Lock(key)};
  std::vector<std::string> arguments{std::move(holder)};
  RedisReply reply;
  const Deadline deadline = Deadline::After(Clock::now(), std::chrono::seconds(1));
  co_await self->Ask(RedisTierScripts::All().unlock, std::move(keys), std::move(arguments), true,
                     reply, deadline);
}

}  // namespace perf::backends
