// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/watch/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "libperf/backends/loop.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostTargets = 1000;
constexpr std::size_t kMostReason = 300;
constexpr Duration kStopping = std::chrono::seconds(5);

std::unique_ptr<Probe> MakeProbe(backends::EventLoop& loop, const WatchTarget& target,
                                 const ExpositionLimits& limits) {
  switch (target.kind) {
    case WatchKind::kPostgres: return MakePostgresProbe(loop, target);
    case WatchKind::kRedis: return MakeRedisProbe(loop, target);
    default: return MakeHttpProbe(loop, target, limits);
  }
}

std::string Shown(const WatchTarget& target) {
  const bool http = target.kind == WatchKind::kScrape || target.kind == WatchKind::kHttp;
  return http ? Url::Parse(target.url).Masked() : MaskSecrets(target.url);
}

/// Drivers break their messages into lines, whose ends come escaped (\n, \t); a reason is one line.
std::string OneLine(std::string_view text) {
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    const bool escaped = text[i] == '\\' && (next == 'n' || next == 't' || next == 'r');
    if (escaped) ++i;
    const bool blank = escaped || text[i] == '\n' || text[i] == ' ';
    if (!blank) line += text[i];
    if (blank && !line.empty() && line.back() != ' ') line += ' ';
  }
  return Excerpt(Trim(line), kMostReason);
}

double Seconds(Duration time) noexcept { return ToMs(time) / 1e3; }

}  // namespace

Probe::~Probe() = default;

std::string_view Name(WatchKind kind) noexcept {
  switch (kind) {
    case WatchKind::kScrape: return "scrape";
    case WatchKind::kPostgres: return "postgresql";
    case WatchKind::kRedis: return "redis";
    case WatchKind::kHttp: return "http";
  }
  return "unknown";
}

std::string_view Name(WatchStatus::State state) noexcept {
  switch (state) {
    case WatchStatus::State::kUnknown: return "unknown";
    case WatchStatus::State::kUp: return "up";
    case WatchStatus::State::kDown: return "down";
  }
  return "unknown";
}

Json ToJson(const WatchStatus& status, TimePoint now) {
  Json json = Json::MakeObject();
  json["name"] = status.name;
  json["kind"] = Name(status.kind);
  json["url"] = status.url;
  json["state"] = Name(status.state);
  if (!status.reason.empty()) json["reason"] = status.reason;
  if (status.state != WatchStatus::State::kUnknown) {
    json["since_s"] = Seconds(now - status.since);
    json["checked_s_ago"] = Seconds(now - status.at);
  }
  if (status.state == WatchStatus::State::kUp) json["latency_ms"] = ToMs(status.latency);
  json["probes"] = status.probes;
  json["failures"] = status.failures;
  return json;
}

struct Watcher::State {
  struct Entry {
    std::unique_ptr<Probe> probe;
    WatchStatus status;
    ProbeResult last;  // of the last probe, where that succeeded
  };
  explicit State(WatchOptions the_options) : options(the_options) {}
  Task<void> Run(Entry& entry);
  Task<void> AskGuarded(Entry& entry, ProbeResult& result, Deadline deadline);
  void Note(Entry& entry, ProbeResult& result, Duration took, TimePoint now);
  Duration Pause(const Entry& entry) const;
  void LoopThread();
  void Collect(metrics::Collection& collection) const;

  const WatchOptions options;
  std::function<void(const WatchStatus&)> on_change;
  mutable std::mutex mutex;  // of status and last; entries themselves stay from Start on
  std::mutex life;           // of Start and Stop
  bool started = false;
  bool drained = true;
  std::atomic<std::int64_t> stop_by{0};
  backends::EventLoop loop;
  std::vector<std::unique_ptr<Entry>> entries;  // go before the loop
  std::thread thread;
};

Task<void> Watcher::State::AskGuarded(Entry& entry, ProbeResult& result, Deadline deadline) {
  try {
    co_await entry.probe->Ask(result, deadline);
  } catch (const std::exception& error) {  // no memory, say: the others go on
    result.failure = {ErrorKind::kProtocol, error.what()};
  }
}

Task<void> Watcher::State::Run(Entry& entry) {
  while (!loop.Cancelled()) {
    const TimePoint start = Clock::now();
    ProbeResult result;
    co_await AskGuarded(entry, result, Deadline::After(start, options.timeout));
    if (loop.Cancelled()) break;  // what it says then is that we stop
    const TimePoint end = Clock::now();
    Note(entry, result, end - start, end);
    co_await loop.SleepUntil(std::max(start + Pause(entry), end));
  }
}

Duration Watcher::State::Pause(const Entry& entry) const {
  const std::uint64_t failures = entry.status.failures_in_row;  // written by this thread alone
  return failures < 2
             ? options.interval
             : std::max(options.interval, std::min(2 * options.interval, options.most_backoff));
}

void Watcher::State::Note(Entry& entry, ProbeResult& result, Duration took, TimePoint now) {
  WatchStatus changed;
  {
    const std::lock_guard lock(mutex);
    WatchStatus& status = entry.status;
    const bool up = !result.failure;
    const WatchStatus::State state = up ? WatchStatus::State::kUp : WatchStatus::State::kDown;
    ++status.probes;
    status.at = now;
    if (up) {
      status.latency = took;
      status.failures_in_row = 0;
      status.reason.clear();
    } else {
      ++status.failures;
      ++status.failures_in_row;
      status.reason = OneLine(MaskSecrets(result.failure.text));
      if (status.reason.empty()) status.reason = Name(result.failure.kind);
      result.figures.clear();
      result.scraped = {};
    }
    std::swap(entry.last, result);
    if (status.state == state) return;
    status.state = state;
    status.since = now;
    changed = status;
  }
  if (on_change) on_change(changed);
}

void Watcher::State::LoopThread() {
  try {
    loop.Run();
  } catch (const std::exception& error) {
    Log(LogLevel::kError, "the watch of targets ended: {}", error.what());
  }
  loop.CancelAll();
  try {
    drained = loop.Drain(Deadline(TimePoint(Duration(stop_by.load()))));
  } catch (const std::exception& error) {
    Log(LogLevel::kError, "the watch of targets ended: {}", error.what());
    drained = false;
  }
  for (const auto& entry : entries) entry->probe->Close();  // connections end on their thread
}

void Watcher::State::Collect(metrics::Collection& collection) const {
  using metrics::Type;
  static const metrics::FamilySpec kUp{"perfkit_target_up", "1 while the target answers.",
                                       Type::kGauge, "", false};
  static const metrics::FamilySpec kTook{"perfkit_target_probe_duration_seconds",
                                         "Time that the last probe took, while it is up.",
                                         Type::kGauge, "seconds", false};
  static const metrics::FamilySpec kProbes{"perfkit_target_probes_total", "Probes by result.",
                                           Type::kCounter, "", false};
  const std::lock_guard lock(mutex);
  for (const auto& entry : entries) {
    const WatchStatus& status = entry->status;
    const metrics::Labels labels{{"target", status.name}, {"kind", std::string(Name(status.kind))}};
    const auto probes = [&](const char* outcome, std::uint64_t count) {
      metrics::Labels all = labels;
      all.emplace_back("result", outcome);
      collection.Value(kProbes, std::move(all), static_cast<double>(count));
    };
    probes("ok", status.probes - status.failures);
    probes("error", status.failures);
    if (status.state == WatchStatus::State::kUnknown) continue;
    const bool up = status.state == WatchStatus::State::kUp;
    collection.Value(kUp, labels, up ? 1 : 0);
    if (up) collection.Value(kTook, labels, Seconds(status.latency));
    for (const auto& [spec, sample] : entry->last.figures) {
      metrics::Sample copy = sample;
      copy.labels.insert(copy.labels.begin(), {"target", status.name});
      collection.Add(spec, std::move(copy));
    }
  }
}

Watcher::Watcher(WatchOptions options) : state_(std::make_unique<State>(options)) {
  if (options.interval < std::chrono::milliseconds(10) || options.timeout <= Duration::zero()) {
    throw ConfigError("watching needs an interval of at least 10ms and a positive timeout");
  }
}

Watcher::~Watcher() { Stop(Deadline::After(Clock::now(), kStopping)); }

void Watcher::Add(const WatchTarget& target) {
  State& state = *state_;
  if (state.started) throw Error("targets are added before the watch starts");
  if (target.name.empty() || target.name.size() > kMostName) {
    throw ConfigError(fmt::format("a target's name has 1 to {} bytes", kMostName));
  }
  if (state.entries.size() >= kMostTargets) {
    throw ConfigError(fmt::format("at most {} targets can be watched", kMostTargets));
  }
  for (const auto& entry : state.entries) {
    if (entry->status.name == target.name) {
      throw ConfigError(fmt::format("there are two targets {:?}", target.name));
    }
  }
  auto entry = std::make_unique<State::Entry>();
  try {
    entry->probe = MakeProbe(state.loop, target, state.options.limits);
    entry->status.url = Shown(target);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("target {:?}: {}", target.name, error.what()));
  }
  entry->status.name = target.name;
  entry->status.kind = target.kind;
  state.entries.push_back(std::move(entry));
}

void Watcher::OnChange(std::function<void(const WatchStatus&)> on_change) {
  if (state_->started) throw Error("who is told of changes is named before the watch starts");
  state_->on_change = std::move(on_change);
}

void Watcher::Start() {
  State& state = *state_;
  const std::lock_guard lock(state.life);
  if (std::exchange(state.started, true)) throw Error("the watch was started before");
  state.loop.Post([&state] {
    for (const auto& entry : state.entries) state.loop.Spawn(state.Run(*entry));
  });
  state.thread = std::thread([&state] { state.LoopThread(); });
}

bool Watcher::Stop(Deadline deadline) {
  State& state = *state_;
  const std::lock_guard lock(state.life);
  state.stop_by.store(deadline.At().time_since_epoch().count());
  if (state.thread.joinable()) {
    state.loop.Stop();
    state.thread.join();
  }
  return state.drained;
}

std::vector<WatchStatus> Watcher::Status() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<WatchStatus> all;
  for (const auto& entry : state_->entries) all.push_back(entry->status);
  return all;
}

metrics::Registry::Registration Watcher::RegisterMetrics(metrics::Registry& registry) {
  return registry.Collect(
      "watch", [state = state_.get()](metrics::Collection& each) { state->Collect(each); });
}

void Watcher::AddScraped(metrics::MetricsSnapshot& into) const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& entry : state_->entries) {
    MergeSnapshot(into, entry->last.scraped, "target", entry->status.name);
  }
}

}  // namespace perf::monitor
