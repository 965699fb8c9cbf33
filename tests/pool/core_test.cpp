// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/core.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "libperf/base/random.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};

struct Fake final : Resource {
  explicit Fake(int the_id, int* the_living = nullptr) : id(the_id), living(the_living) {
    if (living != nullptr) ++*living;
  }
  ~Fake() override {
    if (living != nullptr) --*living;
  }
  bool Reusable() const noexcept override { return reusable; }
  bool Alive() noexcept override {
    ++looked_at;
    return alive;
  }
  int id;
  int* living;
  bool reusable = true;
  bool alive = true;
  int looked_at = 0;
};

std::unique_ptr<Resource> Make(int id = 0) { return std::make_unique<Fake>(id); }
Fake& AsFake(const std::unique_ptr<Resource>& resource) { return static_cast<Fake&>(*resource); }

struct Borrower final : Waiter {
  void Grant(std::unique_ptr<Resource> given) noexcept override {
    resource = std::move(given);
    if (log != nullptr) log->push_back(id);
  }
  void Fail(const std::string& why) noexcept override {
    failure = why;
    if (log != nullptr) log->push_back(-id);
    if (again != nullptr) {
      failed_again = again;
      again->Enqueue(*this);
      again = nullptr;
    }
  }
  int id = 0;
  std::vector<int>* log = nullptr;
  std::unique_ptr<Resource> resource;
  std::string failure;
  Core* again = nullptr;  // comes back from inside Fail
  Core* failed_again = nullptr;
};

/// `count` resources in use, numbered from 0.
std::vector<std::unique_ptr<Resource>> Fill(Core& core, std::size_t count) {
  std::vector<std::unique_ptr<Resource>> taken;
  for (std::size_t i = 0; i < count; ++i) {
    core.Adopt(Make(static_cast<int>(i)), kStart);
    taken.push_back(core.TryTake(kStart));
    REQUIRE(taken.back() != nullptr);
  }
  return taken;
}

}  // namespace

TEST_CASE("pool core: waiters are served strictly oldest first, and nobody overtakes them") {
  Core core(Limits{.max = 1}, 1);
  auto held = Fill(core, 1);
  std::vector<int> log;
  std::vector<std::unique_ptr<Borrower>> waiting;
  for (int id = 1; id <= 5; ++id) {
    waiting.push_back(std::make_unique<Borrower>());
    waiting.back()->id = id;
    waiting.back()->log = &log;
    core.Enqueue(*waiting.back());
  }
  core.Remove(*waiting[2]);  // from the middle,
  core.Remove(*waiting[0]);  // from the front
  core.Remove(*waiting[4]);  // and from the back
  core.Remove(*waiting[4]);  // once more is nothing
  CHECK(core.Now().waiting == 2);
  CHECK(core.DialsToStart(kStart) == 0);  // the pool is full
  core.Return(std::move(held[0]), kStart);
  CHECK(log == std::vector{2});
  CHECK(core.TryTake(kStart) == nullptr);
  core.Return(std::move(waiting[1]->resource), kStart);
  CHECK(log == std::vector{2, 4});
  core.Return(std::move(waiting[3]->resource), kStart);
  CHECK(core.Now().idle == 1);
  CHECK(core.TryTake(kStart) != nullptr);
  CHECK(core.Totals().waited == 5);
  CHECK(core.Totals().most_waiting == 5);
  CHECK(core.Totals().most_in_use == 1);
}

TEST_CASE("pool core: idle resources are reused newest first, and looked at after a while") {
  Core core(Limits{.max = 3, .validate_after = 500ms}, 1);
  auto held = Fill(core, 3);
  core.Return(std::move(held[0]), kStart);
  core.Return(std::move(held[1]), kStart + 400ms);
  core.Return(std::move(held[2]), kStart + 800ms);
  auto newest = core.TryTake(kStart + 900ms);
  REQUIRE(newest != nullptr);
  CHECK(AsFake(newest).id == 2);
  CHECK(AsFake(newest).looked_at == 0);
  auto older = core.TryTake(kStart + 900ms);
  REQUIRE(older != nullptr);
  CHECK(AsFake(older).id == 1);
  CHECK(AsFake(older).looked_at == 1);
}

TEST_CASE("pool core: what died while idle is discarded, and the next one is given") {
  Core core(Limits{.max = 3}, 1);
  auto held = Fill(core, 3);
  AsFake(held[1]).alive = false;
  AsFake(held[2]).alive = false;
  for (auto& resource : held) core.Return(std::move(resource), kStart);
  const auto taken = core.TryTake(kStart + 10s);
  REQUIRE(taken != nullptr);
  CHECK(AsFake(taken).id == 0);
  CHECK(core.Totals().discarded == 2);
  CHECK(core.Now().Total() == 1);
}

TEST_CASE("pool core: what cannot be reused is not given on, and its place is free") {
  int living = 0;
  Core core(Limits{.max = 1}, 1);
  Borrower first;
  core.Enqueue(first);
  REQUIRE(core.DialsToStart(kStart) == 1);
  core.Dialled(std::make_unique<Fake>(0, &living), kStart);
  Borrower second;
  core.Enqueue(second);
  AsFake(first.resource).reusable = false;
  core.Return(std::move(first.resource), kStart);
  CHECK(living == 0);
  CHECK(second.resource == nullptr);
  CHECK(core.Totals().discarded == 1);
  CHECK(core.DialsToStart(kStart) == 1);
  core.Remove(second);
}

TEST_CASE("pool core: a burst dials what it needs, within max and max_dials") {
  struct Row {
    Limits limits;
    std::size_t waiters;
    std::size_t dials;
  };
  const Row rows[] = {
      {{.max = 10}, 0, 0},
      {{.max = 10}, 3, 3},
      {{.max = 10}, 30, 10},
      {{.max = 10, .max_dials = 4}, 30, 4},
      {{.min = 5, .max = 10}, 0, 5},
      {{.min = 5, .max = 10}, 7, 7},
      {{.min = 5, .max = 10, .max_dials = 2}, 0, 2},
      {{.min = 20, .max = 10}, 0, 10},
      {{.max = 0}, 3, 0},
  };
  for (const Row& row : rows) {
    Core core(row.limits, 1);
    std::deque<Borrower> waiting(row.waiters);
    for (Borrower& borrower : waiting) core.Enqueue(borrower);
    CHECK(core.DialsToStart(kStart) == row.dials);
    CHECK(core.DialsToStart(kStart) == 0);  // those under way serve the same waiters
    CHECK(core.Now().dialling == row.dials);
    for (Borrower& borrower : waiting) core.Remove(borrower);
  }
}

TEST_CASE("pool core: a dial whose waiter left is kept as idle") {
  Core core(Limits{.max = 2}, 1);
  Borrower borrower;
  core.Enqueue(borrower);
  REQUIRE(core.DialsToStart(kStart) == 1);
  core.Remove(borrower);
  core.Dialled(Make(), kStart);
  CHECK(core.Now().idle == 1);
  CHECK(core.TryTake(kStart) != nullptr);
}

TEST_CASE("pool core: backoff doubles up to its most, within the jitter's bounds") {
  const Limits limits{.max = 4, .backoff_first = 50ms, .backoff_most = 1s};
  bool differ = false;
  TimePoint earlier{};
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Core core(limits, seed);
    TimePoint now = kStart;
    Duration full = 50ms;
    for (int failure = 0; failure < 40; ++failure) {
      Borrower borrower;
      core.Enqueue(borrower);
      REQUIRE(core.DialsToStart(now) == 1);
      core.DialFailed("refused", now);
      CHECK(borrower.failure == "refused");
      const Duration pause = core.RetryAt() - now;
      CHECK(pause >= full / 2);
      CHECK(pause <= full);
      CHECK(core.Down(core.RetryAt() - 1ns) != nullptr);
      CHECK(core.Down(core.RetryAt()) == nullptr);
      CHECK(core.DialsToStart(core.RetryAt() - 1ns) == 0);
      now = core.RetryAt();
      full = std::min<Duration>(full * 2, 1s);
    }
    differ |= earlier != TimePoint{} && earlier != now;
    earlier = now;
  }
  CHECK(differ);
}

TEST_CASE("pool core: a burst of dials that fails together is one failure for the backoff") {
  Core core(Limits{.max = 10, .backoff_first = 50ms, .backoff_most = 1s}, 1);
  std::deque<Borrower> waiting(10);
  for (Borrower& borrower : waiting) core.Enqueue(borrower);
  REQUIRE(core.DialsToStart(kStart) == 10);
  for (int i = 0; i < 10; ++i) core.DialFailed("refused", kStart + i * 1us);
  CHECK(core.RetryAt() >= kStart + 25ms);
  CHECK(core.RetryAt() <= kStart + 51ms);
  // The probe after it fails as well: now it doubles.
  Borrower late;
  core.Enqueue(late);
  const TimePoint again = core.RetryAt();
  REQUIRE(core.DialsToStart(again) == 1);
  core.DialFailed("refused", again);
  CHECK(core.RetryAt() - again >= 50ms);
  CHECK(core.RetryAt() - again <= 100ms);
}

TEST_CASE("pool core: everyone fails once no connection is left and none is on its way") {
  Core core(Limits{.max = 2}, 1);
  std::vector<int> log;
  std::deque<Borrower> waiting(3);
  for (int i = 0; i < 3; ++i) {
    waiting[static_cast<std::size_t>(i)].id = i + 1;
    waiting[static_cast<std::size_t>(i)].log = &log;
    core.Enqueue(waiting[static_cast<std::size_t>(i)]);
  }
  REQUIRE(core.DialsToStart(kStart) == 2);
  core.DialFailed("first", kStart);
  CHECK(log.empty());
  // The other dial may still succeed: neither those who wait nor those who come are failed.
  CHECK(core.Down(kStart) == nullptr);
  waiting[1].again = &core;
  core.DialFailed("second", kStart);
  CHECK(log == std::vector{-1, -2, -3});
  CHECK(waiting[0].failure == "second");
  CHECK(core.Now().waiting == 1);  // came back from inside, and was not failed again
  REQUIRE(core.Down(kStart) != nullptr);
  CHECK(*core.Down(kStart) == "second");
  // One probe while the target is down, whatever waits.
  std::deque<Borrower> more(5);
  for (Borrower& borrower : more) core.Enqueue(borrower);
  const TimePoint later = core.RetryAt();
  CHECK(core.DialsToStart(later) == 1);
  CHECK(core.DialsToStart(later) == 0);
  core.Dialled(Make(), later);
  CHECK(waiting[1].resource != nullptr);
  CHECK(core.DialsToStart(later) == 1);  // up again: as many as fit
  core.Dialled(Make(), later);
  CHECK(more[0].resource != nullptr);
  for (Borrower& borrower : more) core.Remove(borrower);
}

TEST_CASE("pool core: while a connection lives a failed dial fails nobody") {
  Core core(Limits{.max = 2}, 1);
  auto held = Fill(core, 1);
  Borrower borrower;
  core.Enqueue(borrower);
  REQUIRE(core.DialsToStart(kStart) == 1);
  core.DialFailed("too many clients", kStart);
  CHECK(borrower.failure.empty());
  CHECK(core.Down(kStart) == nullptr);
  core.Return(std::move(held[0]), kStart);
  CHECK(borrower.resource != nullptr);
}

TEST_CASE("pool core: what is idle for too long goes, oldest first, down to min") {
  Core core(Limits{.min = 2, .max = 5, .idle_timeout = 10s}, 1);
  auto held = Fill(core, 5);
  for (int i = 0; i < 4; ++i) {
    core.Return(std::move(held[static_cast<std::size_t>(i)]), kStart + i * 1s);
  }
  core.Reap(kStart + 9s);
  CHECK(core.Now().idle == 4);
  core.Reap(kStart + 11s);  // 0 and 1 are old enough
  CHECK(core.Now().idle == 2);
  CHECK(core.Totals().expired == 2);
  core.Reap(kStart + 1h);  // one in use, so one more may go
  CHECK(core.Now().Total() == 2);
  core.Reap(kStart + 2h);
  CHECK(core.Now().Total() == 2);
  core.CloseIdle();
  CHECK(core.Now().idle == 0);
  const auto taken = core.TryTake(kStart);
  CHECK(taken == nullptr);
}

TEST_CASE("pool core: an adopted one is idle") {
  Core core(Limits{.max = 2}, 1);
  core.Adopt(Make(7), kStart);
  CHECK(core.Now().idle == 1);
  const auto taken = core.TryTake(kStart);
  REQUIRE(taken != nullptr);
  CHECK(AsFake(taken).id == 7);
}

namespace {

/// What the pool promises, written down as simply as possible.
struct Model {
  struct Idle {
    int id;
    TimePoint since;
    bool alive;
  };
  std::deque<Idle> idle;    // oldest in front
  std::deque<int> waiting;  // oldest in front
  std::vector<int> held;    // in use
  std::size_t dialling = 0;
  bool failing = false;
};

/// One random history of a core beside its model.
class Interleaving {
 public:
  explicit Interleaving(std::uint64_t seed)
      : random_(seed),
        limits_{.min = Pick(3),
                .max = 1 + Pick(4),
                .max_dials = 1 + Pick(4),
                .idle_timeout = 2s,
                .validate_after = 500ms,
                .backoff_first = 50ms,
                .backoff_most = 1s},
        core_(limits_, seed) {}
  ~Interleaving() {
    for (auto& [id, borrower] : borrowers_) core_.Remove(*borrower);
  }

  void Step() {
    now_ += std::chrono::milliseconds(random_.Int(0, 300));
    switch (random_.Int(0, 8)) {
      case 0:
      case 1: Borrow(); break;
      case 2:
      case 3: StartDials(); break;
      case 4: EndDial(); break;
      case 5:
      case 6: GiveBack(); break;
      case 7: Leave(); break;
      default: Reap(); break;
    }
    Compare();
  }

 private:
  std::size_t Pick(std::int64_t below) {
    return static_cast<std::size_t>(random_.Int(0, below - 1));
  }
  std::size_t Total() const { return model_.idle.size() + model_.held.size() + model_.dialling; }

  void Borrow() {
    const bool waited_before = !model_.waiting.empty();
    auto taken = core_.TryTake(now_);
    if (waited_before) {
      CHECK(taken == nullptr);
    } else {
      while (!model_.idle.empty() && now_ - model_.idle.back().since >= 500ms &&
             !model_.idle.back().alive) {
        model_.idle.pop_back();
      }
      REQUIRE((taken != nullptr) == !model_.idle.empty());
    }
    if (taken) {
      CHECK(AsFake(taken).id == model_.idle.back().id);
      model_.idle.pop_back();
      model_.held.push_back(AsFake(taken).id);
      held_.push_back(std::move(taken));
      return;
    }
    const bool nothing = Total() == 0;
    if (core_.Down(now_) != nullptr) {
      CHECK(nothing);
      CHECK(model_.failing);
      return;
    }
    auto borrower = std::make_unique<Borrower>();
    borrower->id = ++last_id_;
    core_.Enqueue(*borrower);
    model_.waiting.push_back(borrower->id);
    borrowers_.emplace_back(borrower->id, std::move(borrower));
  }

  void StartDials() {
    const std::size_t started = core_.DialsToStart(now_);
    if (started > 0) {
      // None that nobody needs, and none in the backoff.
      const std::size_t wanted =
          model_.waiting.size() > model_.dialling ? model_.waiting.size() - model_.dialling : 0;
      const std::size_t missing = limits_.min > Total() ? limits_.min - Total() : 0;
      CHECK(started <= std::max(wanted, missing));
      if (model_.failing) {
        CHECK(started == 1);
        CHECK(model_.dialling == 0);
        CHECK(now_ >= core_.RetryAt());
      }
    } else if (!model_.failing && !model_.waiting.empty() && model_.dialling == 0) {
      CHECK(Total() >= limits_.max);  // or nobody would ever serve them
    }
    model_.dialling += started;
  }

  void EndDial() {
    if (model_.dialling == 0) return;
    --model_.dialling;
    if (random_.Int(0, 2) == 0) {
      const TimePoint before = now_;
      core_.DialFailed("down", now_);
      CHECK(core_.RetryAt() > before);
      CHECK(core_.RetryAt() <= before + 1s);
      model_.failing = true;
      if (Total() == 0) ExpectAllFailed();
      return;
    }
    const int id = ++last_id_;
    core_.Dialled(std::make_unique<Fake>(id), now_);
    model_.failing = false;
    Given(id, true);
  }

  void GiveBack() {
    if (held_.empty()) return;
    const std::size_t which = Pick(static_cast<std::int64_t>(held_.size()));
    std::unique_ptr<Resource> resource = std::move(held_[which]);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
    model_.held.erase(model_.held.begin() + static_cast<std::ptrdiff_t>(which));
    Fake& fake = AsFake(resource);
    fake.reusable = random_.Int(0, 4) != 0;
    fake.alive = random_.Int(0, 4) != 0;
    const int id = fake.id;
    const bool reusable = fake.reusable;
    const bool alive = fake.alive;
    core_.Return(std::move(resource), now_);
    if (reusable) Given(id, alive);
  }

  /// A resource came: the oldest waiter has it, or it lies idle.
  void Given(int id, bool alive) {
    if (model_.waiting.empty()) {
      model_.idle.push_back({id, now_, alive});
      return;
    }
    Borrower& oldest = Find(model_.waiting.front());
    model_.waiting.pop_front();
    REQUIRE(oldest.resource != nullptr);
    CHECK(AsFake(oldest.resource).id == id);
    if (random_.Int(0, 5) == 0) {
      // Its time ran out in the same moment: it passes on what it was given.
      std::unique_ptr<Resource> passed = std::move(oldest.resource);
      Forget(oldest.id);
      core_.Return(std::move(passed), now_);
      Given(id, alive);
      return;
    }
    held_.push_back(std::move(oldest.resource));
    model_.held.push_back(id);
    Forget(oldest.id);
  }

  void Leave() {
    if (model_.waiting.empty()) return;
    const std::size_t which = Pick(static_cast<std::int64_t>(model_.waiting.size()));
    const int id = model_.waiting[which];
    core_.Remove(Find(id));
    model_.waiting.erase(model_.waiting.begin() + static_cast<std::ptrdiff_t>(which));
    Forget(id);
  }

  void Reap() {
    core_.Reap(now_);
    while (!model_.idle.empty() && Total() > limits_.min &&
           now_ - model_.idle.front().since >= 2s) {
      model_.idle.pop_front();
    }
  }

  void ExpectAllFailed() {
    for (const int id : model_.waiting) {
      CHECK(Find(id).failure == "down");
      Forget(id);
    }
    model_.waiting.clear();
  }

  void Compare() {
    const Counts counts = core_.Now();
    CHECK(counts.idle == model_.idle.size());
    CHECK(counts.in_use == model_.held.size());
    CHECK(counts.dialling == model_.dialling);
    CHECK(counts.waiting == model_.waiting.size());
    CHECK(counts.Total() <= limits_.max);
    CHECK(counts.dialling <= limits_.max_dials);
  }

  Borrower& Find(int id) {
    const auto found = std::find_if(borrowers_.begin(), borrowers_.end(),
                                    [&](const auto& entry) { return entry.first == id; });
    REQUIRE(found != borrowers_.end());
    return *found->second;
  }
  void Forget(int id) {
    std::erase_if(borrowers_, [&](const auto& entry) { return entry.first == id; });
  }

  Random random_;
  Limits limits_;
  Core core_;
  Model model_;
  TimePoint now_ = kStart;
  int last_id_ = 0;
  std::vector<std::pair<int, std::unique_ptr<Borrower>>> borrowers_;
  std::vector<std::unique_ptr<Resource>> held_;
};

}  // namespace

TEST_CASE("pool core: 10,000 random interleavings do what a naive model does") {
  for (std::uint64_t seed = 1; seed <= 10'000; ++seed) {
    CAPTURE(seed);
    Interleaving interleaving(seed);
    for (int step = 0; step < 40; ++step) interleaving.Step();
  }
}
