// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/bench/chaos_parts.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kWorkers = 8;
constexpr std::uint64_t kBatch = 1024;  // between two looks at what other processes read
/// Where the value came from elsewhere in time, the load that was hoped for never begins.
constexpr Duration kNoLoad = std::chrono::milliseconds(200);

/// Loads that read the source when the cache begins them, and end when they are told to.
class HeldLoads : public std::enable_shared_from_this<HeldLoads> {
 public:
  cache::AsyncLoader Loader(const std::atomic<std::uint64_t>& source) {
    return [self = shared_from_this(), &source](cache::LoadDone done) {
      self->Begin(std::move(done), source.load());
    };
  }
  bool AwaitBegin() {
    std::unique_lock lock(mutex_);
    return began_.wait_for(lock, kNoLoad, [&] { return !held_.empty(); });
  }
  /// From now on loads end as soon as they begin.
  void Release() {
    std::unique_lock lock(mutex_);
    released_ = true;
    const auto held = std::exchange(held_, {});
    lock.unlock();
    for (const auto& [done, version] : held) done.Give({VersionText(version), {}});
  }

 private:
  void Begin(cache::LoadDone done, std::uint64_t version) {
    {
      const std::lock_guard lock(mutex_);
      if (!released_) {
        held_.emplace_back(std::move(done), version);
        began_.notify_all();
        return;
      }
    }
    done.Give({VersionText(version), {}});
  }

  std::mutex mutex_;
  std::condition_variable began_;
  std::deque<std::pair<cache::LoadDone, std::uint64_t>> held_;
  bool released_ = false;
};

/// Waits for what is called back.
template <typename T>
class Mailbox {
 public:
  void Put(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    came_.notify_all();
  }
  std::optional<T> Take() {
    std::unique_lock lock(mutex_);
    // The deadline of what was asked for comes first.
    came_.wait_for(lock, 2 * kChaosPatience, [&] { return value_.has_value(); });
    return std::move(value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<T> value_;
};

/// One key with its source.
struct Subject {
  std::atomic<std::uint64_t> source{1};
  bool acknowledged = false;
};

class Races {
 public:
  Races(bool tags, const CacheChaosOptions& options, const TierServer& server,
        const Context& context)
      : tags_(tags),
        name_(tags ? "tag-vs-load" : "remove-vs-load"),
        iterations_(options.iterations),
        context_(context),
        near_(server.Tier(name_), PatientOptions(name_)),
        far_(server.Tier(name_), PatientOptions(name_)),
        bare_(server.Tier(name_), Bare()) {}

  void Run(Findings& findings) {
    for (std::uint64_t first = 0; first < iterations_ && !context_.Stopped(); first += kBatch) {
      Batch(first, std::min(kBatch, iterations_ - first));
    }
    Json extra = Json::MakeObject();
    extra["raced"] = raced_.load();
    extra["discarded_loads"] = near_.cache->Stats().discarded + far_.cache->Stats().discarded;
    ReportStale(name_, count_, std::move(extra), findings);
    findings.AtLeast(name_ + ": loads that were under way", static_cast<double>(raced_),
                     0.5 * static_cast<double>(count_.iterations), "", count_.iterations);
  }

 private:
  cache::CacheOptions Bare() const {
    cache::CacheOptions options = PatientOptions(name_);
    options.max_entries = options.max_bytes = 0;  // reads what is in the second tier
    return options;
  }
  static Deadline Soon() { return Deadline::After(Clock::now(), kChaosPatience); }
  static std::string KeyOf(std::uint64_t number) { return fmt::format("key-{}", number); }
  static std::string TagOf(std::uint64_t number) { return fmt::format("tag-{}", number); }
  cache::EntryOptions Entry(std::uint64_t number) const {
    cache::EntryOptions entry;
    if (tags_) entry.tags = {TagOf(number), "common"};
    return entry;
  }

  void Batch(std::uint64_t first, std::uint64_t count) {
    std::deque<Subject> subjects(count);
    std::atomic<std::uint64_t> next{0};
    {
      std::vector<std::jthread> workers;
      for (std::size_t worker = 0; worker < kWorkers; ++worker) {
        workers.emplace_back([&, worker] {
          Random random = Random(context_.seed).Fork(first * kWorkers + worker);
          for (std::uint64_t i; (i = next++) < count;) {
            Iteration(first + i, subjects[i], random);
          }
        });
      }
    }
    // All is acknowledged now; what is read elsewhere from here on has to know of it.
    std::this_thread::sleep_for(kCoherence + std::chrono::milliseconds(5));
    for (std::uint64_t i = 0; i < count; ++i) Look(first + i, subjects[i]);
  }

  /// What other processes see, and what the second tier holds.
  void Look(std::uint64_t number, Subject& subject) {
    if (!subject.acknowledged) {
      ++count_.pending;
      return;
    }
    const std::string key = KeyOf(number);
    const cache::EntryOptions entry = Entry(number);
    const cache::Answer stored = bare_.cache->Get(key, Soon());
    if (stored.Found() && VersionOf(stored) < subject.source) ++count_.in_tier;
    for (ChaosNode* node : {&far_, &near_}) {
      count_.Judge(node->Read(key, subject.source, &entry), subject.source, count_.across);
    }
  }

  /// A load reads version 1; the source becomes 2, and somebody invalidates the key; the load ends
  /// before, during or after that.
  void Iteration(std::uint64_t number, Subject& subject, Random& random) {
    const std::string key = KeyOf(number);
    cache::EntryOptions entry = Entry(number);
    const std::int64_t kind = random.Int(0, 2);
    if (kind == 1) entry.eager_at = 1e-9;
    if (kind == 2) {
      entry.ttl = std::chrono::milliseconds(1);
      entry.stale_while_revalidate = std::chrono::seconds(30);
    }
    // In the background: the value is there, and due to be renewed.
    if (kind > 0) near_.Read(key, subject.source, &entry);
    if (kind == 2) std::this_thread::sleep_for(std::chrono::microseconds(1500));

    const auto loads = std::make_shared<HeldLoads>();
    const auto answered = std::make_shared<Mailbox<cache::Answer>>();
    const auto at_once = near_.cache->GetOrSetAsync(
        key, loads->Loader(subject.source), Soon(), nullptr,
        [answered](cache::Answer answer) { answered->Put(std::move(answer)); }, &entry);
    if (loads->AwaitBegin()) ++raced_;
    const cache::EntryOptions plain = Entry(number);
    if (random.Int(0, 1) == 1) far_.Read(key, subject.source, &plain);
    subject.source = 2;

    ChaosNode& writer = random.Int(0, 1) == 1 ? near_ : far_;
    const std::int64_t order = random.Int(0, 2);
    if (order == 0) loads->Release();
    const auto written = std::make_shared<Mailbox<cache::Written>>();
    Invalidate(writer, number, written);
    if (order == 1) loads->Release();
    const std::optional<cache::Written> done = written->Take();
    subject.acknowledged = done && done->tier == cache::Written::Tier::kWritten;
    count_.Judge(writer.Read(key, subject.source, &plain), 2, count_.in_process);
    if (order == 2) {
      loads->Release();
      if (!at_once) answered->Take();
      count_.Judge(writer.Read(key, subject.source, &plain), 2, count_.in_process);
    }
    if (!at_once && order != 2) answered->Take();
    ++count_.iterations;
  }

  void Invalidate(ChaosNode& writer, std::uint64_t number,
                  std::shared_ptr<Mailbox<cache::Written>> written) const {
    auto done = [written](cache::Written result) { written->Put(result); };
    if (tags_) {
      writer.cache->InvalidateTagAsync(TagOf(number), Soon(), nullptr, done);
    } else {
      writer.cache->RemoveAsync(KeyOf(number), Soon(), nullptr, done);
    }
  }

  bool tags_;
  std::string name_;
  std::uint64_t iterations_;
  const Context& context_;
  StaleCount count_{};
  std::atomic<std::uint64_t> raced_{0};
  ChaosNode near_, far_, bare_;
};

}  // namespace

void ChaosRaces(bool tags, const CacheChaosOptions& options, const TierServer& server,
                const Context& context, Findings& findings) {
  Races(tags, options, server, context).Run(findings);
}

}  // namespace perf::bench
