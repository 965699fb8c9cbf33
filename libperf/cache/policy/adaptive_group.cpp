// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive_group.hpp"

namespace perf::cache {

AdaptiveGroup::AdaptiveGroup(const Limits& whole, std::uint64_t parts, std::uint64_t seed)
    : whole_(whole), parts_(std::max<std::uint64_t>(parts, 1)), salt_(MixId(seed)) {
  if (whole.entries != 0) Compete(whole.entries, true);
}

void AdaptiveGroup::Compete(std::uint64_t entries, bool tracks) {
  contest_ = std::make_unique<AdaptiveContest>(whole_, std::max<std::uint64_t>(entries, 1), tracks);
  entries_.store(std::max<std::uint64_t>(entries, 1), std::memory_order_relaxed);
  threshold_.store(contest_->Threshold(), std::memory_order_relaxed);
}

void AdaptiveGroup::Full(const Load& held) {
  if (whole_.weight == 0) return;
  const std::uint64_t entries = All(held).entries;
  const auto suits = [&] {
    return AdaptiveContest::Suits(entries_.load(std::memory_order_relaxed), entries);
  };
  if (suits()) return;
  const auto lock = Lock();
  // What the parts hold already is not known to a contest that begins only now.
  if (!suits()) Compete(entries, entries == 0);
}

void AdaptiveGroup::Learn(std::uint32_t hash, std::uint64_t weight, bool hit, const Load* held) {
  const auto lock = Lock();
  if (held != nullptr) contest_->Fit(All(*held));
  const std::size_t followed = Followed();
  const std::size_t best = contest_->Learn(hash, weight, hit, followed);
  if (best != followed) followed_.store(best, std::memory_order_relaxed);
}

void AdaptiveGroup::Came(std::uint32_t hash, std::uint64_t weight) {
  const auto lock = Lock();
  contest_->Came(hash, weight);
}

void AdaptiveGroup::Went(std::uint32_t hash, std::uint64_t weight) noexcept {
  const auto lock = Lock();
  contest_->Went(hash, weight);
}

void AdaptiveGroup::Reweighed(std::uint32_t hash, std::uint64_t from, std::uint64_t to) noexcept {
  const auto lock = Lock();
  contest_->Reweighed(hash, from, to);
}

void AdaptiveGroup::Remove(std::uint32_t hash) noexcept {
  const auto lock = Lock();
  contest_->Remove(hash);
}

std::size_t AdaptiveGroup::Bytes() const noexcept {
  const auto lock = Lock();
  return (sizeof(*this) + (contest_ ? contest_->Bytes() : 0)) / parts_;
}

}  // namespace perf::cache
