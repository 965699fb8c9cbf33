// SPDX-License-Identifier: Apache-2.0
// What a removal by prefix, and what others write, makes of the writes to the second tier.
#include <algorithm>
#include <utility>

#include "libperf/cache/outbox.hpp"

namespace perf::cache {

void Outbox::Doubt(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(key);
  if (found == items_.end()) return;
  WriteOp& op = found->second.op;
  found->second.doubted = true;
  if (Loaded(op) || op.frame.kind == Frame::Kind::kTombstone) return;
  // Should it have to be sent again: with a clock that is ahead it would win over theirs. A removal
  // may.
  bytes_ -= std::min(bytes_, Cost(key, op));
  MakeTombstone(op);
  bytes_ += Cost(key, op);
}

void Outbox::DoubtLoaded() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, item] : items_) item.doubted = item.doubted || Loaded(item.op);
}

void Outbox::Void(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, item] : items_) {
    if (!key.starts_with(prefix) || item.op.frame.kind == Frame::Kind::kTombstone) continue;
    bytes_ -= std::min(bytes_, Cost(key, item.op));
    MakeTombstone(item.op);
    item.op.condition = {};
    // An attempt that is under way still has the old one, and must be refused after this.
    item.op.frame.stamp = links_.stamps.Next();
    bytes_ += Cost(key, item.op);
    item.doubted = false;
    item.version = ++version_;
  }
}

void Outbox::NoteGivenUp(const std::string& key) {
  const TimePoint now = links_.time.Now();
  const TimePoint until = Saturated(now, links_.options.tier.remove_guard);
  const std::lock_guard lock(mutex_);
  if (given_up_.size() >= links_.options.tier.repair_entries && !given_up_.contains(key)) {
    // Looked through once a guard's time at most.
    if (now >= given_up_lost_)
      std::erase_if(given_up_, [now](const auto& item) { return item.second <= now; });
    if (given_up_.size() >= links_.options.tier.repair_entries) {
      given_up_lost_ = until;
      return;
    }
  }
  given_up_[key] = until;
}

std::optional<std::vector<std::string>> Outbox::VoidGivenUp(std::string_view prefix) {
  const TimePoint now = links_.time.Now();
  std::vector<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    if (now < given_up_lost_) return std::nullopt;
    std::erase_if(given_up_, [now](const auto& item) { return item.second <= now; });
    for (const auto& [key, until] : given_up_) {
      if (key.starts_with(prefix)) keys.push_back(key);
    }
  }
  for (const std::string& key : keys) {
    WriteOp op;
    op.frame.stamp = links_.stamps.Next();
    MakeTombstone(op);
    Put(key, std::move(op));
  }
  return keys;
}

}  // namespace perf::cache
