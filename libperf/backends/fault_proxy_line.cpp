// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_line.hpp"

#include <algorithm>
#include <utility>

namespace perf::backends {
namespace {

// A limited stream comes out in pieces of a hundredth of a second: finer ones cost wake-ups.
constexpr std::uint64_t kSlicesPerSecond = 100;
constexpr std::size_t kMostAtOnce = 64 * 1024;

bool Ends(Harm harm) noexcept {
  return harm == Harm::kReset || harm == Harm::kClose || harm == Harm::kHalfClose;
}

}  // namespace

void FaultLine::Set(const StreamFault& fault, TimePoint now) {
  fault_ = fault;
  passed_ = 0;
  paced_until_ = std::min(paced_until_, now);
  if (fault.harm == Harm::kBlackhole && fault.after == 0) {
    std::erase_if(chunks_, [this](const Chunk& chunk) {
      if (!chunk.end) lost_ = true;
      return !chunk.end;
    });
    held_ = chunks_.size() * kOverhead;
  }
  if (Ends(fault.harm) && fault.after == 0) PushEnd(fault.harm, now);
}

TimePoint FaultLine::Due(TimePoint now) {
  Duration late = fault_.latency;
  if (fault_.jitter > Duration::zero()) late += Duration(random_.Int(0, fault_.jitter.count()));
  return last_due_ = std::max(last_due_, Saturated(now, late));
}

void FaultLine::Spoil(std::string& bytes) {
  for (char& byte : bytes) byte = static_cast<char>(random_.Next() >> 56);
}

void FaultLine::Append(std::string bytes, TimePoint now) {
  if (bytes.empty()) return;
  held_ += bytes.size() + kOverhead;
  Chunk& chunk = chunks_.emplace_back();
  chunk.due = Due(now);
  chunk.bytes = std::move(bytes);
}

void FaultLine::Push(std::string_view bytes, TimePoint now) {
  if (closed_ || bytes.empty()) return;
  if (fault_.harm == Harm::kNone) return Append(std::string(bytes), now);
  const std::uint64_t unharmed = fault_.after - std::min(fault_.after, passed_);
  const auto whole = static_cast<std::size_t>(std::min<std::uint64_t>(unharmed, bytes.size()));
  passed_ += bytes.size();
  Append(std::string(bytes.substr(0, whole)), now);
  if (Ends(fault_.harm)) {
    if (passed_ >= fault_.after) PushEnd(fault_.harm, now);
    return;
  }
  std::string rest(bytes.substr(whole));
  if (rest.empty()) return;
  if (fault_.harm == Harm::kBlackhole) {
    lost_ = true;
    return;
  }
  Spoil(rest);
  Append(std::move(rest), now);
}

void FaultLine::PushEnd(Harm how, TimePoint now) {
  if (closed_) return;
  closed_ = true;
  Chunk& chunk = chunks_.emplace_back();
  chunk.due = Due(now);
  chunk.end = true;
  chunk.how = how;
  held_ += kOverhead;
}

void FaultLine::Inject(std::size_t count, TimePoint now) {
  std::string bytes(count, '\0');
  Spoil(bytes);
  if (!closed_) Append(std::move(bytes), now);
}

std::size_t FaultLine::Slice() const noexcept {
  if (fault_.per_byte > Duration::zero()) return 1;
  if (fault_.bandwidth == 0) return kMostAtOnce;
  return static_cast<std::size_t>(
      std::clamp<std::uint64_t>(fault_.bandwidth / kSlicesPerSecond, 1, kMostAtOnce));
}

FaultLine::Next FaultLine::Look(TimePoint now) const {
  Next next;
  if (chunks_.empty()) return next;
  const Chunk& chunk = chunks_.front();
  const TimePoint at = chunk.end ? chunk.due : std::max(chunk.due, paced_until_);
  if (at > now) {
    next.at = at;
    return next;
  }
  next.ended = chunk.end;
  next.how = chunk.how;
  if (!chunk.end) next.bytes = std::string_view(chunk.bytes).substr(chunk.used, Slice());
  return next;
}

void FaultLine::Consume(std::size_t bytes, TimePoint now) {
  Chunk& chunk = chunks_.front();
  chunk.used += bytes;
  if (fault_.per_byte > Duration::zero()) {
    paced_until_ = now + fault_.per_byte * static_cast<std::int64_t>(bytes);
  } else if (fault_.bandwidth > 0) {
    const double seconds = static_cast<double>(bytes) / static_cast<double>(fault_.bandwidth);
    paced_until_ = Saturated(now, Duration(static_cast<std::int64_t>(seconds * 1e9)));
  }
  if (chunk.used < chunk.bytes.size()) return;
  held_ -= chunk.bytes.size() + kOverhead;
  chunks_.pop_front();
}

}  // namespace perf::backends
