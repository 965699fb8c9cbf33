// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "libperf/base/random.hpp"
#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

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
  std::vector<Slot*> dialling;
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
    for (auto& [id, borrower] : borrowers_) core_.Remove(*borrower, now_);
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
  std::size_t Total() const {
    return model_.idle.size() + model_.held.size() + model_.dialling.size();
  }

  void Borrow() {
    const bool waited_before = !model_.waiting.empty();
    Slot* taken = core_.TryTake(now_);
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
      CHECK(AsFake(*taken).id == model_.idle.back().id);
      model_.idle.pop_back();
      model_.held.push_back(AsFake(*taken).id);
      held_.push_back(taken);
      return;
    }
    const bool nothing = Total() == model_.dialling.size();
    auto borrower = std::make_unique<Borrower>();
    borrower->id = ++last_id_;
    const Cause cause = core_.Enqueue(*borrower, now_);
    if (cause != Cause::kNone) {
      CHECK(cause == Cause::kDown);
      CHECK(nothing);
      CHECK(model_.failing);
      return;
    }
    model_.waiting.push_back(borrower->id);
    borrowers_.emplace_back(borrower->id, std::move(borrower));
  }

  void StartDials() {
    const std::size_t waiting_before = model_.waiting.size();
    const std::vector<Slot*> started = Dials(core_, now_);
    if (core_.Now().waiting == 0 && waiting_before > 0) ExpectAllFailed();  // the probe hangs
    if (!started.empty()) {
      // None that nobody needs, and none in the backoff.
      const std::size_t under_way = model_.dialling.size();
      const std::size_t wanted =
          model_.waiting.size() > under_way ? model_.waiting.size() - under_way : 0;
      const std::size_t missing = limits_.min > Total() ? limits_.min - Total() : 0;
      CHECK(started.size() <= std::max(wanted, missing));
      if (model_.failing) {
        CHECK(started.size() == 1);
        CHECK(under_way == 0);
        CHECK(now_ >= core_.RetryAt());
      }
    } else if (!model_.failing && !model_.waiting.empty() && model_.dialling.empty()) {
      // Or nobody would ever serve them:
      CHECK((Total() >= limits_.max || core_.NextDecision(now_) < now_ + 100ms));
    }
    model_.dialling.insert(model_.dialling.end(), started.begin(), started.end());
  }

  void EndDial() {
    if (model_.dialling.empty()) return;
    Slot* slot = model_.dialling.front();
    model_.dialling.erase(model_.dialling.begin());
    if (random_.Int(0, 2) == 0) {
      const TimePoint before = now_;
      core_.DialFailed(*slot, "down", now_);
      CHECK(core_.RetryAt() > before);
      CHECK(core_.RetryAt() <= before + 1s);
      model_.failing = true;
      if (Total() == 0) ExpectAllFailed();
      return;
    }
    const int id = ++last_id_;
    core_.Dialled(*slot, std::make_unique<Fake>(id), now_);
    model_.failing = false;
    Given(id, true);
  }

  void GiveBack() {
    if (held_.empty()) return;
    const std::size_t which = Pick(static_cast<std::int64_t>(held_.size()));
    Slot& slot = *held_[which];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
    model_.held.erase(model_.held.begin() + static_cast<std::ptrdiff_t>(which));
    Fake& fake = AsFake(slot);
    fake.reusable = random_.Int(0, 4) != 0;
    fake.alive = random_.Int(0, 4) != 0;
    const int id = fake.id;
    const bool reusable = fake.reusable;
    const bool alive = fake.alive;
    core_.Return(slot, now_);
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
    REQUIRE(oldest.slot != nullptr);
    CHECK(AsFake(*oldest.slot).id == id);
    if (random_.Int(0, 5) == 0) {
      // Its time ran out in the same moment: it passes on what it was given.
      Slot& passed = *oldest.slot;
      CHECK(!core_.Remove(oldest, now_));
      Forget(oldest.id);
      core_.Forward(passed, now_);
      Given(id, alive);
      return;
    }
    held_.push_back(oldest.slot);
    model_.held.push_back(id);
    Forget(oldest.id);
  }

  void Leave() {
    if (model_.waiting.empty()) return;
    const std::size_t which = Pick(static_cast<std::int64_t>(model_.waiting.size()));
    const int id = model_.waiting[which];
    CHECK(core_.Remove(Find(id), now_));
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
    CHECK(counts.dialling == model_.dialling.size());
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
  std::vector<Slot*> held_;
};

}  // namespace

TEST_CASE("pool core: random histories do what a naive model does") {
  for (std::uint64_t seed = 1, last = Seeds(2'000); seed <= last; ++seed) {
    CAPTURE(seed);
    Interleaving interleaving(seed);
    for (int step = 0; step < 40; ++step) interleaving.Step();
  }
}
