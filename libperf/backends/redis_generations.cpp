// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_generations.hpp"

#include <utility>
#include <vector>

namespace perf::backends {

RedisGenerations::Member::Member(std::shared_ptr<RedisGenerations> all, std::uint64_t generation)
    : all_(std::move(all)), generation_(generation) {
  if (all_) all_->members_.insert(this);
}

RedisGenerations::Member::~Member() {
  if (all_) all_->members_.erase(this);
}

void RedisGenerations::Member::Disown() {
  // Many commands of one generation hear the same: what was dialled since stays.
  if (all_ && generation_ == all_->now_) all_->Retire();
}

void RedisGenerations::Retire() {
  ++now_;
  if (telling_) return;
  telling_ = true;
  loop_.Soon([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->telling_ = false;
    if (self->listener_) self->listener_();
  });
}

void RedisGenerations::AbandonBefore(std::uint64_t first, const std::string& why) {
  std::vector<Member*> old;
  for (Member* member : members_) {
    if (member->generation_ < first) old.push_back(member);
  }
  // Whoever awaits one of them goes on at once, and may destroy any.
  for (Member* member : old) {
    if (members_.contains(member)) member->Abandon(why);
  }
}

}  // namespace perf::backends
