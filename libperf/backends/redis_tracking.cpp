// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tracking.hpp"

#include <algorithm>
#include <utility>

namespace perf::backends {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::milliseconds(500);
/// How often the servers are looked at where they may change.
constexpr Duration kLookEvery = std::chrono::milliseconds(250);
constexpr Duration kFindFor = std::chrono::seconds(1);
constexpr Duration kIdle = std::chrono::seconds(1);

}  // namespace

RedisTracking::RedisTracking(EventLoop& loop, RedisConfig config, RedisTrackingOptions options,
                             Events events)
    : loop_(loop),
      options_(std::move(options)),
      events_(std::move(events)),
      nodes_(std::make_shared<RedisTrackingNodes>(loop, std::move(config))),
      alarm_(loop, [this] { Step(); }) {}

void RedisTracking::Start() {
  nodes_->OnMoved([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->found_ = false;
    self->find_at_ = {};
    std::vector<std::string> names;
    for (const auto& entry : self->places_) names.push_back(entry.first);
    for (const std::string& name : names) self->LostPair(name, "the primary moved");
  });
  Step();
}

void RedisTracking::Close() {
  if (closed_) return;
  closed_ = true;
  alarm_.Disarm();
  nodes_->OnMoved({});
  until_.store(0, std::memory_order_release);
  for (auto& [name, place] : places_) {
    if (place.pair) place.pair->Close("the cache is closed");
  }
  places_.clear();
}

void RedisTracking::StepSoon() {
  if (stepping_ || closed_) return;
  stepping_ = true;
  loop_.Soon([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->stepping_ = false;
    self->Step();
  });
}

void RedisTracking::LookSoon() {
  if (!nodes_->IsCluster() || find_at_ == TimePoint{}) return;
  find_at_ = {};
  StepSoon();
}

/// Starts whatever is due, and comes again when the next thing is.
void RedisTracking::Step() {
  if (closed_ || loop_.Cancelled()) return;
  const TimePoint now = Clock::now();
  if (!finding_ && now >= find_at_) {
    finding_ = true;
    loop_.Spawn(FindNodes(shared_from_this()));
  }
  TimePoint next = finding_ ? now + kIdle : find_at_;
  for (auto& [name, place] : places_) {
    if (place.pair || place.opening) continue;
    if (place.retry_at > now) {
      next = std::min(next, place.retry_at);
      continue;
    }
    place.opening = true;
    loop_.Spawn(OpenPair(shared_from_this(), name));
  }
  alarm_.Arm(Deadline(std::min(next, now + kIdle)));
}

Task<void> RedisTracking::FindNodes(std::shared_ptr<RedisTracking> self) {
  const bool look = self->found_ && !self->nodes_->IsCluster();
  Failure failure;
  if (look) {
    co_await self->nodes_->Look();
  } else {
    const Deadline deadline = Deadline::After(Clock::now(), kFindFor);
    co_await self->nodes_->Find(failure, deadline);
  }
  self->finding_ = false;
  self->find_at_ = Clock::now() + kLookEvery;
  if (self->closed_) co_return;
  if (!look && !failure) {
    self->found_ = true;
    self->AdoptNodes();
  }
  // One server stays where it is.
  if (!self->nodes_->Moves()) self->find_at_ = TimePoint::max();
  self->StepSoon();
}

void RedisTracking::AdoptNodes() {
  const std::vector<RedisTrackingNodes::Node>& found = nodes_->Found();
  std::vector<std::string> gone;
  for (const auto& [name, place] : places_) {
    const auto same = [&, key = &name](const auto& node) { return node.name == *key; };
    if (std::none_of(found.begin(), found.end(), same)) gone.push_back(name);
  }
  for (const std::string& name : gone) {
    if (places_[name].pair) LostPair(name, "the server has no part in it any more");
    // One that is being opened finds that nobody wants it.
    places_.erase(name);
  }
  for (const RedisTrackingNodes::Node& node : found) {
    places_.try_emplace(node.name, Place{node.doorway, {}, false, {}, {}});
  }
  Renew();
}

Task<void> RedisTracking::OpenPair(std::shared_ptr<RedisTracking> self, std::string name) {
  const RedisDoorway doorway = self->places_[name].doorway;
  auto pair =
      std::make_shared<RedisTrackingPair>(self->loop_, self->options_, self->nodes_->IsCluster());
  const std::weak_ptr<RedisTracking> weak = self;
  RedisTrackingPair::Events events;
  events.on_names = [weak](Json::Array* names) {
    if (const auto tracking = weak.lock()) tracking->OnNames(names);
  };
  events.on_proof = [weak] {
    if (const auto tracking = weak.lock()) tracking->Renew();
  };
  events.on_lost = [weak, name](const std::string& why) {
    if (const auto tracking = weak.lock()) tracking->LostPair(name, why);
  };
  pair->SetEvents(std::move(events));
  Failure failure;
  const Deadline deadline = Deadline::After(Clock::now(), self->options_.connect_timeout);
  const bool open = co_await pair->Open(doorway, failure, deadline);
  const auto found = self->places_.find(name);
  if (self->closed_ || found == self->places_.end() || found->second.pair) {
    pair->Close("nobody wants it any more");
    co_return;
  }
  Place& place = found->second;
  place.opening = false;
  if (open && pair->Up()) {
    {
      auto stats = self->stats_.Lock();
      ++stats->opened;
    }
    place.pair = pair;
    place.pause = {};
    self->Renew();
    co_return;
  }
  {
    auto stats = self->stats_.Lock();
    ++stats->refused;
    stats->last_loss = failure.text;
  }
  place.pause = std::clamp(2 * place.pause, kFirstPause, kLongestPause);
  place.retry_at = Clock::now() + place.pause;
  self->StepSoon();
}

void RedisTracking::LostPair(const std::string& name, const std::string& why) {
  const auto found = places_.find(name);
  if (closed_ || found == places_.end() || !found->second.pair) return;
  const auto pair = std::exchange(found->second.pair, nullptr);
  pair->Close(why);
  found->second.retry_at = {};
  {
    auto stats = stats_.Lock();
    ++stats->lost;
    stats->last_loss = why;
  }
  // A server of a cluster that is lost may have been replaced.
  if (nodes_->IsCluster()) find_at_ = {};
  Renew();
  StepSoon();
}

bool RedisTracking::AllUp() const noexcept {
  if (!found_ || places_.empty()) return false;
  return std::all_of(places_.begin(), places_.end(),
                     [](const auto& entry) { return entry.second.pair != nullptr; });
}

/// Says how long what is held may be believed, and that all must go where it could not be.
void RedisTracking::Renew() {
  if (closed_) return;
  const bool up = AllUp();
  TimePoint proven = TimePoint::max();
  std::uint64_t servers = 0;
  for (const auto& [name, place] : places_) {
    if (!place.pair) continue;
    ++servers;
    proven = std::min(proven, place.pair->ProvenAt());
  }
  const bool changed = up != coherent_;
  coherent_ = up;
  {
    auto stats = stats_.Lock();
    stats->coherent = up;
    stats->servers = servers;
  }
  if (!up) until_.store(0, std::memory_order_release);
  // Both when it was lost and when it is there again: what came between was not followed.
  if (changed) Everything();
  if (closed_) return;
  if (up) {
    until_.store((proven + options_.lease).time_since_epoch().count(), std::memory_order_release);
  }
  if (changed && events_.on_state) events_.on_state();
}

void RedisTracking::Everything() {
  {
    auto stats = stats_.Lock();
    ++stats->everything;
  }
  if (events_.on_everything) events_.on_everything();
}

void RedisTracking::OnNames(Json::Array* names) {
  if (closed_) return;
  {
    auto stats = stats_.Lock();
    ++stats->messages;
    if (names != nullptr) stats->names += names->size();
  }
  if (names == nullptr) return Everything();
  std::vector<std::string> list;
  list.reserve(names->size());
  for (const Json& name : *names) list.push_back(name.ToText());
  if (events_.on_names) events_.on_names(std::move(list));
}

bool RedisTracking::Write(std::string_view key, const std::vector<std::string>& words,
                          Deadline deadline, RedisTrackingLink::OnReply on_reply) {
  if (closed_ || nodes_->Found().empty()) return false;
  const auto place = places_.find(nodes_->OwnerOf(key).name);
  if (place == places_.end() || !place->second.pair) return false;
  place->second.pair->Data().Send(words, deadline, std::move(on_reply));
  return true;
}

RedisTrackingStats RedisTracking::Stats() const {
  auto stats = stats_.Lock();
  return *stats;
}

}  // namespace perf::backends
