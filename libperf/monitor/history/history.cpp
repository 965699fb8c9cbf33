// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/history.hpp"

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/log.hpp"
#include "libperf/monitor/history/history_metrics.hpp"
#include "libperf/monitor/history/schema.hpp"
#include "libperf/monitor/history/selection.hpp"
#include "libperf/monitor/history/store.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostStates = 1000;
constexpr std::size_t kMostStateBytes = std::size_t{1} << 20;
constexpr auto kDrain = std::chrono::seconds(5);
constexpr auto kRetry = std::chrono::seconds(1);      // of states that the disk refused
constexpr auto kTellAgain = std::chrono::minutes(1);  // that it still does not work

using States = std::map<std::string, std::optional<std::string>>;

}  // namespace

struct History::Parts {
  Parts(HistoryOptions the_options, std::unique_ptr<HistoryCopy> the_copy)
      : options(std::move(the_options)), copy(std::move(the_copy)), selection(options) {}

  void Run();
  bool Do(std::function<void(Store&)> work, WallTime now);
  void Write(Batch batch);
  void WriteStates(States states);
  void Failed(const std::string& why);
  void Worked();
  void Publish();

  const HistoryOptions options;
  const std::unique_ptr<HistoryCopy> copy;

  std::mutex selecting;  // taken before `mutex`
  Selection selection;   // held by `selecting`

  std::mutex mutex;
  std::condition_variable wake, settled;
  std::deque<Batch> waiting;
  States states;                      // to be written
  std::map<std::string, bool> names;  // of all states that were put
  bool busy = false;
  bool stop = false;
  HistoryFigures figures;
  std::array<std::int64_t, kTiers> cells{};

  // The writer thread's own.
  std::optional<WriterLock> lock;
  std::unique_ptr<Store> store;
  std::chrono::steady_clock::time_point told{};
  std::uint64_t dropped_before = 0;  // by stores that went away

  metrics::Registry::Registration registration;
  std::thread writer;
};

History::History(HistoryOptions options, metrics::Registry* registry,
                 std::unique_ptr<HistoryCopy> copy)
    : parts_(std::make_unique<Parts>(std::move(options), std::move(copy))) {
  Parts& parts = *parts_;
  MakeFolderOf(parts.options.path);
  parts.lock.emplace(parts.options.path);
  const WallTime now = std::chrono::system_clock::now();
  parts.store = std::make_unique<Store>(parts.options, now);
  for (const Tier first : {kSystemTier, kAppTier}) {
    // Only what can be: a clock that was ahead must not keep us from writing.
    const auto newest = parts.store->Newest(first);
    if (newest) parts.selection.Resume(first, *newest);
  }
  parts.Publish();
  if (registry != nullptr) {
    parts.registration = registry->Collect("history", [&parts](metrics::Collection& collection) {
      const std::lock_guard lock(parts.mutex);
      AddHistoryMetrics(parts.figures, parts.cells, parts.copy.get(), collection);
    });
  }
  parts.writer = std::thread([&parts] { parts.Run(); });
}

History::~History() {
  Parts& parts = *parts_;
  parts.registration.Release();
  Flush(Deadline::After(Clock::now(), kDrain));
  {
    const std::lock_guard lock(parts.mutex);
    parts.stop = true;
  }
  parts.wake.notify_all();
  parts.writer.join();
}

void History::Record(const metrics::MetricsSnapshot& snapshot, WallTime now) {
  Parts& parts = *parts_;
  const std::lock_guard selecting(parts.selecting);
  Batch batch = parts.selection.Take(snapshot, now);
  const std::lock_guard lock(parts.mutex);
  parts.figures.stored_series = parts.selection.Stored();
  parts.figures.series_over_limit = parts.selection.OverLimit();
  parts.figures.series_unlisted = parts.selection.Unlisted();
  if (batch.taken.empty()) return;
  if (parts.waiting.size() >= parts.options.queue) {
    // The older goes: what totals grew by is then told by the next, and gauges are fresher.
    parts.waiting.pop_front();
    ++parts.figures.dropped_snapshots;
  }
  parts.waiting.push_back(std::move(batch));
  parts.wake.notify_one();
}

bool History::PutState(std::string_view name, std::string text) {
  Parts& parts = *parts_;
  if (text.size() > kMostStateBytes || name.size() > kMostStateBytes) return false;
  const std::lock_guard lock(parts.mutex);
  if (parts.names.size() >= kMostStates && !parts.names.contains(std::string(name))) return false;
  parts.names.emplace(name, true);
  parts.states.insert_or_assign(std::string(name), std::move(text));
  parts.wake.notify_one();
  return true;
}

void History::DropState(std::string_view name) {
  Parts& parts = *parts_;
  const std::lock_guard lock(parts.mutex);
  parts.names.erase(std::string(name));
  if (parts.states.size() >= 2 * kMostStates) return;  // the disk has long been away
  parts.states.insert_or_assign(std::string(name), std::nullopt);
  parts.wake.notify_one();
}

bool History::Flush(Deadline deadline) {
  Parts& parts = *parts_;
  std::unique_lock lock(parts.mutex);
  const auto done = [&] {
    return parts.waiting.empty() && !parts.busy && (parts.states.empty() || parts.figures.failing);
  };
  if (deadline.IsNever()) {
    parts.settled.wait(lock, done);
    return true;
  }
  return parts.settled.wait_until(lock, deadline.At(), done);
}

HistoryFigures History::Figures() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->figures;
}

const std::string& History::Path() const noexcept { return parts_->options.path; }

void History::Parts::Run() {
  std::unique_lock held(mutex);
  while (true) {
    // States that the disk refused are tried again with the next snapshot, or after a while.
    const auto work = [&] {
      return stop || !waiting.empty() || (!states.empty() && !figures.failing);
    };
    wake.wait_for(held, kRetry, work);
    if (stop) return;
    if (waiting.empty() && states.empty()) continue;
    busy = true;
    States taken = std::exchange(states, {});
    std::optional<Batch> batch;
    if (!waiting.empty()) {
      batch = std::move(waiting.front());
      waiting.pop_front();
    }
    held.unlock();
    if (batch) Write(std::move(*batch));
    if (!taken.empty()) WriteStates(std::move(taken));
    Publish();
    held.lock();
    busy = false;
    settled.notify_all();
  }
}

/// Does it, if need be once more after room was made or a damaged file set aside; whether it did.
bool History::Parts::Do(std::function<void(Store&)> work, WallTime now) {
  for (int attempt = 0;; ++attempt) {
    try {
      if (!store) store = std::make_unique<Store>(options, now);
      work(*store);
      return true;
    } catch (const SqlError& error) {
      Failed(error.what());
      if (attempt > 0) return false;
      if (error.Why() == SqlError::Kind::kDamaged) {
        dropped_before += store ? store->DroppedCells() : 0;
        store.reset();  // the next one checks the file
      } else if (error.Why() != SqlError::Kind::kFull || !store) {
        return false;
      } else {
        try {
          if (!store->Relieve()) return false;
        } catch (const SqlError&) {
          return false;  // not even for that; told already
        }
      }
    } catch (const std::exception& error) {
      Failed(error.what());
      return false;
    }
  }
}

void History::Parts::Write(Batch batch) {
  std::vector<WrittenCell> written;
  const WallTime now = batch.at;
  if (!Do([&](Store& to) { written = to.Append(batch); }, now)) {
    const std::lock_guard lock(mutex);
    ++figures.dropped_snapshots;
    return;
  }
  Worked();
  if (copy && !written.empty()) copy->Written(written);
  // By itself: that it fails costs nothing that was written.
  Do([&](Store& to) { to.Upkeep(now); }, now);
}

void History::Parts::WriteStates(States taken) {
  const bool done = Do(
      [&](Store& to) {
        for (const auto& [name, value] : taken) to.PutState(name, value);
      },
      std::chrono::system_clock::now());
  if (done) return Worked();
  const std::lock_guard lock(mutex);
  states.merge(taken);  // what was put since then is newer, and stays
}

void History::Parts::Failed(const std::string& why) {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex);
    ++figures.write_failures;
    figures.failing = true;
    figures.last_error = why;
  }
  if (told != std::chrono::steady_clock::time_point{} && now - told < kTellAgain) return;
  told = now;
  Log(LogLevel::kError, "{}; the history is not written, all else goes on", why);
}

void History::Parts::Worked() {
  const std::lock_guard lock(mutex);
  if (!figures.failing) return;
  figures.failing = false;
  told = {};
  Log(LogLevel::kWarn, "history {} is written again; {} snapshots were lost so far", options.path,
      figures.dropped_snapshots);
}

void History::Parts::Publish() {
  if (!store) return;
  std::uint64_t size = 0;
  try {
    size = store->SizeBytes();
  } catch (const SqlError&) {
    return;
  }
  const std::lock_guard lock(mutex);
  figures.size_bytes = size;
  figures.dropped_cells = dropped_before + store->DroppedCells();
  cells = store->CellCounts();
}

}  // namespace perf::monitor
