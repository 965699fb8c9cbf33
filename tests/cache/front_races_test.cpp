// SPDX-License-Identifier: Apache-2.0
// Moments between two steps of an invalidation, held open by the lock of a stripe.
#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "libperf/cache/cache_state.hpp"
#include "libperf/cache/memory/memory.hpp"
#include "tests/cache/front_support.hpp"

namespace perf::cache::test {
namespace {

/// Until who was started has come to the lock that is held: nothing tells that. Too short, and the
/// test would pass where it should fail; never the other way.
void LetItComeToTheLock() { std::this_thread::sleep_for(50ms); }

/// A cache from within, and a key whose value waits for the tier.
struct Within {
  Within() { tier->HoldNextSet(); }
  ~Within() { tier->ReleaseSets(); }

  Rider RiderFor(const std::string& value, Answer& answer, Latch& answered) {
    Rider rider;
    rider.id = ++parts.rider_ids;
    rider.load = [value](const LoadDone& done, const std::function<void()>&) {
      done.Give({value, {}});
    };
    rider.options = options;
    rider.done = [&](Answer given) {
      answer = std::move(given);
      answered.Open();
    };
    return rider;
  }
  std::shared_ptr<Flight> Boarded(Rider rider) {
    const CacheState::Boarded boarded = state.Board(key, hash, std::move(rider));
    REQUIRE(boarded.flight);
    return boarded.flight;
  }

  FakeTime time;
  FakeServer server{time};
  std::shared_ptr<FakeTier> tier = std::make_shared<FakeTier>(server);
  CacheState state{Plain(time), tier};
  Parts& parts = state.Its();
  std::shared_ptr<const EntryOptions> options = [this] {
    EntryOptions tagged = parts.options.entry;
    tagged.tags = {"tag"};
    return std::make_shared<const EntryOptions>(tagged);
  }();
  std::string key = [this] {
    // Not of the first stripe.
    std::string name = "k";
    while (&parts.table.Of(HashKey(name)) == &*parts.table.begin()) name += "k";
    return name;
  }();
  std::uint64_t hash = HashKey(key);
};

void StoredWhile(const std::function<void(CacheState&, const std::string&)>& voids) {
  Within cache;
  Answer answer;
  Latch began, end, answered;
  Rider rider = cache.RiderFor("old", answer, answered);
  rider.load = [&](const LoadDone& done, const std::function<void()>&) {
    began.Open();
    end.Wait();
    done.Give({"old", {}});
  };
  const auto flight = cache.Boarded(std::move(rider));
  std::jthread loads([&] { flight->Start(); });
  REQUIRE(began.Wait());
  std::unique_lock stripe(cache.parts.table.begin()->mutex);
  std::jthread voiding([&] { voids(cache.state, cache.key); });
  LetItComeToTheLock();
  end.Open();
  REQUIRE(answered.Wait());
  stripe.unlock();
  voiding.join();
  Latch again;
  cache.Boarded(cache.RiderFor("new", answer, again))->Start();
  REQUIRE(again.Wait());
  CHECK(answer.value.Bytes() == "new");
}

TEST_CASE("what is stored while a clear is under way does not come back from what waits") {
  StoredWhile([](CacheState& state, const std::string&) { state.Clear(nullptr); });
}

TEST_CASE("what is stored while a prefix is being removed does not come back from what waits") {
  StoredWhile([](CacheState& state, const std::string& key) { state.RemovePrefix(key, nullptr); });
}

TEST_CASE("who boards after a tag was invalidated does not get what waited before it") {
  Within cache;
  Answer answer;
  Latch loaded, first, second;
  cache.Boarded(cache.RiderFor("old", answer, loaded))->Start();
  REQUIRE(loaded.Wait());
  cache.parts.memory.Clear();
  const auto flight = cache.Boarded(cache.RiderFor("new", answer, first));
  auto& stripe = cache.parts.table.Of(cache.hash);
  std::unique_lock lock(stripe.mutex);
  std::jthread takes([&] { flight->Start(); });
  LetItComeToTheLock();
  cache.state.InvalidateTag("tag", nullptr);
  // As CacheState::Board does.
  Answer later;
  REQUIRE(!flight->Void());
  REQUIRE(flight->Board(cache.RiderFor("new", later, second)));
  lock.unlock();
  REQUIRE(second.Wait());
  CHECK(later.value.Bytes() == "new");
  REQUIRE(first.Wait());
}

}  // namespace
}  // namespace perf::cache::test
