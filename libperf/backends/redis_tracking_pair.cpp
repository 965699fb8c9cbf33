// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tracking_pair.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/backends/private_topology.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr std::string_view kInvalidate = "__redis__:invalidate";
constexpr Duration kLook = std::chrono::milliseconds(1);
/// A loop that was kept from running has not had the chance to read what came.
constexpr Duration kLate = std::chrono::milliseconds(40);
constexpr Duration kGrace = std::chrono::milliseconds(10);

}  // namespace

RedisTrackingPair::RedisTrackingPair(EventLoop& loop, const RedisTrackingOptions& options,
                                     bool ping)
    : loop_(loop),
      options_(options),
      ping_(ping),
      channel_("perfkit:heartbeat:" + RandomHex(8)),
      push_(std::make_shared<RedisTrackingLink>(loop)),
      data_(std::make_shared<RedisTrackingLink>(loop)),
      alarm_(loop, [this] { OnAlarm(); }) {}

Task<bool> RedisTrackingPair::OpenPush(const RedisDoorway& doorway, std::string& id,
                                       Failure& failure, Deadline deadline) {
  const bool open = co_await push_->Open(doorway, failure, deadline);
  if (!open) co_return false;
  const std::vector<std::string> ask{"CLIENT", "ID"};
  Json value;
  co_await push_->Ask(ask, value, failure, deadline);
  if (failure) co_return false;
  id = value.ToText();
  std::vector<std::string> channels{std::string(kInvalidate)};
  if (!ping_) channels.push_back(channel_);
  push_->Subscribe(channels);
  co_return true;
}

Task<bool> RedisTrackingPair::OpenData(const RedisDoorway& doorway, const std::string& id,
                                       Failure& failure, Deadline deadline) {
  const bool open = co_await data_->Open(doorway, failure, deadline);
  if (!open) co_return false;
  std::vector<std::string> words{"CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST"};
  for (const std::string& prefix : options_.prefixes) {
    words.emplace_back("PREFIX");
    words.push_back(prefix);
  }
  if (options_.no_loop) words.emplace_back("NOLOOP");
  Json value;
  co_await data_->Ask(words, value, failure, deadline);
  co_return !failure;
}

void RedisTrackingPair::Listen() {
  const auto lost = [weak = weak_from_this()](const char* which) {
    return [weak, which](const std::string& why) {
      if (const auto self = weak.lock()) self->Lose(fmt::format("{} was lost: {}", which, why));
    };
  };
  push_->SetEvents({[weak = weak_from_this()](Json& message) {
                      if (const auto self = weak.lock()) self->OnPush(message);
                    },
                    lost("the link that invalidations come by")});
  data_->SetEvents({{}, lost("the link that asked for invalidations")});
}

Task<bool> RedisTrackingPair::Open(const RedisDoorway& doorway, Failure& failure,
                                   Deadline deadline) {
  const auto keep = shared_from_this();
  Listen();
  std::string id;
  bool open = co_await OpenPush(doorway, id, failure, deadline);
  const std::size_t wanted = ping_ ? 1 : 2;
  while (open && subscriptions_ < wanted && !closed_) {
    if (deadline.Passed(Clock::now()) || loop_.Cancelled()) break;
    co_await loop_.SleepUntil(Clock::now() + kLook);
  }
  open = open && subscriptions_ == wanted && !closed_;
  if (open) open = co_await OpenData(doorway, id, failure, deadline);
  if (open && !closed_) Beat(Clock::now());
  while (open && proven_at_ == TimePoint{} && !closed_) {
    if (deadline.Passed(Clock::now()) || loop_.Cancelled()) break;
    co_await loop_.SleepUntil(Clock::now() + kLook);
  }
  up_ = open && proven_at_ != TimePoint{} && !closed_;
  if (up_) {
    Arm(Clock::now() + options_.heartbeat);
    co_return true;
  }
  if (!failure) {
    failure = {ErrorKind::kConnect,
               fmt::format("{}: {}", Describe(doorway.address),
                           lost_why_.empty() ? "the way of invalidations did not open in time"
                                             : lost_why_)};
  }
  Close(failure.text);
  co_return false;
}

void RedisTrackingPair::OnPush(Json& message) {
  if (!message.IsArray() || message.AsArray().empty()) return;
  Json::Array& parts = message.AsArray();
  const std::string kind = parts[0].ToText();
  if (kind == "subscribe") {
    ++subscriptions_;
  } else if (kind == "pong" && parts.size() > 1) {
    Note(echoed_, static_cast<std::uint64_t>(ParseInteger(parts[1].ToText()).value_or(0)));
  } else if (kind == "message" && parts.size() > 2) {
    if (parts[1].ToText() == channel_) {
      Note(echoed_, static_cast<std::uint64_t>(ParseInteger(parts[2].ToText()).value_or(0)));
    } else if (events_.on_names) {
      events_.on_names(parts[2].IsArray() ? &parts[2].AsArray() : nullptr);
    }
  }
}

void RedisTrackingPair::Beat(TimePoint now) {
  ++beats_;
  sent_.push_back(now);
  const std::string number = std::to_string(beats_);
  const Deadline deadline = Deadline::After(now, std::chrono::seconds(1));
  const auto answered = [weak = weak_from_this(), beat = beats_](Json&, const Failure& failure) {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    if (!failure) return self->Note(self->answered_, beat);
    self->Lose("a heartbeat was refused: " + failure.text);
  };
  if (ping_) {
    data_->Send({"PING"}, deadline, answered);
    push_->Ping(number);
  } else {
    data_->Send({"PUBLISH", channel_, number}, deadline, answered);
  }
}

/// A beat has come by on one link.
void RedisTrackingPair::Note(std::uint64_t& last, std::uint64_t number) {
  if (number > last && number <= beats_) last = number;
  const std::uint64_t both = ping_ ? std::min(echoed_, answered_) : echoed_;
  const std::uint64_t waiting = beats_ - sent_.size();  // the last that had come back
  if (both <= waiting) return;
  for (std::uint64_t beat = waiting; beat < both; ++beat) {
    proven_at_ = sent_.front();
    sent_.pop_front();
  }
  grace_ = false;
  if (up_ && events_.on_proof) events_.on_proof();
}

void RedisTrackingPair::Arm(TimePoint at) {
  wanted_at_ = std::min(at, proven_at_ + options_.silence);
  alarm_.Arm(Deadline(wanted_at_));
}

void RedisTrackingPair::OnAlarm() {
  const auto keep = shared_from_this();
  if (!up_ || loop_.Cancelled()) return;
  const TimePoint now = Clock::now();
  if (now >= proven_at_ + options_.silence) {
    if (!grace_ && now > wanted_at_ + kLate) {
      grace_ = true;
      wanted_at_ = now + kGrace;
      alarm_.Arm(Deadline(wanted_at_));
      return;
    }
    return Lose(fmt::format("no heartbeat came back for {:.0f} ms", ToMs(now - proven_at_)));
  }
  const TimePoint last = sent_.empty() ? proven_at_ : sent_.back();
  if (now >= last + options_.heartbeat) {
    Beat(now);
    return Arm(now + options_.heartbeat);
  }
  Arm(last + options_.heartbeat);
}

void RedisTrackingPair::Close(const std::string& why) {
  if (closed_) return;
  const auto keep = shared_from_this();
  closed_ = true;
  up_ = false;
  alarm_.Disarm();
  push_->Close(why);
  data_->Close(why);
}

void RedisTrackingPair::Lose(const std::string& why) {
  if (closed_) return;
  const bool was_up = up_;
  lost_why_ = why;
  const auto on_lost = std::move(events_.on_lost);
  Close(why);
  if (was_up && on_lost) on_lost(why);
}

}  // namespace perf::backends
