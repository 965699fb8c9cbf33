// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/random.hpp"
#include "tests/pool/fakes.hpp"

namespace test {

/// A clock that stands still while things happen, and a list of what happens next. What is due at
/// one instant happens in an order drawn from the seed: that is where races hide.
class VirtualTime {
 public:
  explicit VirtualTime(std::uint64_t seed) : random(seed) {}
  void At(perf::TimePoint at, std::function<void()> what) {
    events_.emplace(std::pair(std::max(at, now), random.Next()), std::move(what));
  }
  void After(perf::Duration length, std::function<void()> what) {
    At(now + length, std::move(what));
  }
  /// Until nothing is left, or `until`. `look` is called between any two events.
  void Run(perf::TimePoint until, const std::function<void()>& look = {}) {
    while (!events_.empty() && events_.begin()->first.first <= until) {
      auto first = events_.extract(events_.begin());
      now = first.key().first;
      first.mapped()();
      if (look) look();
    }
    now = std::max(now, until);
  }
  bool Empty() const { return events_.empty(); }

  perf::TimePoint now = kStart;
  perf::Random random;

 private:
  std::multimap<std::pair<perf::TimePoint, std::uint64_t>, std::function<void()>> events_;
};

/// A front around a core in virtual time: dials last `connect`, and clients that resume on an
/// executor of their own, some time after they were given something.
class VirtualPool {
 public:
  VirtualPool(VirtualTime& the_time, perf::pool::Limits limits, std::uint64_t seed)
      : time(the_time), core(limits, seed) {}

  struct Client final : perf::pool::Waiter {
    enum class End { kNone, kServed, kTimedOut, kFailed };
    VirtualPool* pool = nullptr;
    int id = 0;
    perf::Duration hold{};
    perf::Duration resume_after{};  // its executor is busy
    bool breaks = false;            // what it holds
    bool dirties = false;           // likewise: it has to be reset before the next one has it
    bool expired = false;
    perf::TimePoint came{};
    perf::TimePoint ended{};
    perf::pool::Slot* slot = nullptr;
    End end = End::kNone;
    perf::pool::Cause cause = perf::pool::Cause::kNone;

    void Grant(perf::pool::Slot& given) noexcept override {
      slot = &given;
      pool->granted.push_back(id);
      pool->time.After(resume_after, [this] { Resume(); });
    }
    void Fail(const perf::pool::Refusal& why) noexcept override { Finish(End::kFailed, why.cause); }
    void Resume() {
      if (expired) {  // gone while the news was under way: it passes on what it was given
        pool->core.Forward(*slot, pool->time.now);
        pool->StartDials();
        return;
      }
      Finish(End::kServed, perf::pool::Cause::kNone);
      pool->time.After(hold, [this] { GiveBack(); });
    }
    void Expire() {
      if (end != End::kNone) return;
      if (!pool->core.Remove(*this, pool->time.now)) expired = true;
      Finish(End::kTimedOut, perf::pool::Cause::kHeld);
      pool->StartDials();
    }
    void GiveBack() {
      if (breaks) slot->MarkBroken();
      if (!dirties || breaks) {
        Return();
        return;
      }
      pool->core.MarkBusy(*slot);
      pool->time.After(pool->reset_takes, [this] {
        if (!pool->reset(*slot)) slot->MarkBroken();
        Return();
      });
    }
    void Return() {
      pool->core.Return(*slot, pool->time.now);
      pool->StartDials();
    }
    void Finish(End how, perf::pool::Cause why) {
      CHECK(end == End::kNone);  // each acquire ends once
      end = how;
      cause = why;
      ended = pool->time.now;
    }
  };

  /// A client that comes now.
  Client& Borrow(perf::Duration hold, perf::Duration patience) {
    Client& client = clients.emplace_back();
    client.pool = this;
    client.id = static_cast<int>(clients.size());
    client.hold = hold;
    client.came = time.now;
    if (perf::pool::Slot* slot = core.TryTake(time.now)) {
      client.slot = slot;
      granted.push_back(client.id);
      client.Resume();
      return client;
    }
    const perf::pool::Cause cause = core.Enqueue(client, time.now);
    if (cause != perf::pool::Cause::kNone) {
      client.Finish(Client::End::kFailed, cause);
      return client;
    }
    time.After(patience, [&client] { client.Expire(); });
    StartDials();
    return client;
  }

  void StartDials() {
    while (perf::pool::Slot* slot = core.StartDial(time.now)) {
      ++dials;
      time.After(connect, [this, slot] { EndDial(*slot); });
    }
    const perf::TimePoint next = core.NextDecision(time.now);
    if (next < planned_) {
      planned_ = next;
      time.At(next, [this, next] {
        if (planned_ == next) planned_ = perf::TimePoint::max();
        StartDials();
      });
    }
  }
  void EndDial(perf::pool::Slot& slot) {
    if (up) {
      core.Dialled(slot, Make(++resources, &living), time.now);
      most_living = std::max(most_living, living);
      if (core.Now().Total() - core.Now().dialling >= 50 && all_open == perf::TimePoint::max()) {
        all_open = time.now;
      }
    } else {
      core.DialFailed(slot, "refused", time.now);
    }
    StartDials();
  }
  std::size_t Served() const {
    std::size_t served = 0;
    for (const Client& client : clients) served += client.end == Client::End::kServed ? 1 : 0;
    return served;
  }

  VirtualTime& time;
  perf::pool::Core core;
  perf::Duration connect = std::chrono::milliseconds(10);
  perf::Duration reset_takes = std::chrono::milliseconds(1);
  std::function<bool(perf::pool::Slot&)> reset;  // of what clients `dirty`; whether it worked
  bool up = true;
  int dials = 0;
  int resources = 0;
  int living = 0;
  int most_living = 0;
  perf::TimePoint all_open = perf::TimePoint::max();  // 50 of them
  std::deque<Client> clients;
  std::vector<int> granted;  // in this order

 private:
  perf::TimePoint planned_ = perf::TimePoint::max();
};

}  // namespace test
