// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/fault_runner.hpp"

#include <algorithm>
#include <tuple>

#include "libperf/backends/fault_proxy_route.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/url.hpp"

namespace perf::load {
namespace {

constexpr Duration kActionTime = std::chrono::seconds(30);

backends::StreamAddress UpstreamOf(const TargetSpec& target, const std::string& url) {
  switch (target.kind) {
    case TargetKind::kPostgres: return backends::PostgresUpstream(url);
    case TargetKind::kRedis: return backends::RedisUpstream(Url::Parse(url));
    case TargetKind::kHttp: break;
  }
  backends::HttpConfig config = target.http;
  config.base = Url::Parse(url);
  return backends::HttpUpstream(config);
}

}  // namespace

FaultRunner::FaultRunner(const Scenario& scenario, const std::vector<std::string>& urls,
                         backends::PrivateServers& servers)
    : scenario_(scenario), servers_(servers), proxies_(scenario.targets.size()) {
  auto results = results_.Lock();
  for (const FaultSpec& fault : scenario.faults) {
    const TargetSpec& target = scenario.targets[fault.target];
    FaultResult result;
    result.target = target.name;
    result.kind = fault.kind;
    result.text = fault.text;
    result.at_s = ToMs(fault.at) / 1000;
    result.for_s = ToMs(fault.length) / 1000;
    results->push_back(std::move(result));
    auto& proxy = proxies_[fault.target];
    if (!fault.OfNetwork() || proxy) continue;
    backends::FaultProxyOptions options;
    options.upstream = UpstreamOf(target, urls[fault.target]);
    options.seed = scenario.seed + 101 * fault.target;
    options.connect_timeout = target.connect_timeout;
    proxy = std::make_unique<backends::FaultProxy>(std::move(options));
  }
}

FaultRunner::~FaultRunner() { Stop(); }

std::vector<std::uint16_t> FaultRunner::ViaPorts() const {
  std::vector<std::uint16_t> ports;
  for (const auto& proxy : proxies_) ports.push_back(proxy ? proxy->Address().port : 0);
  return ports;
}

std::string FaultRunner::WhyUnreachable(std::size_t target) const {
  return proxies_[target] ? proxies_[target]->Counters().last_dial_failure : "";
}

std::vector<FaultRunner::Event> FaultRunner::Timeline(bool network) const {
  std::vector<Event> events;
  for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
    const FaultSpec& fault = scenario_.faults[i];
    if (fault.OfNetwork() != network) continue;
    events.push_back({fault.at, true, i});
    if (fault.length > Duration::zero()) events.push_back({fault.at + fault.length, false, i});
  }
  // One fault ends before the next begins.
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.at, a.begin, a.fault) < std::tie(b.at, b.begin, b.fault);
  });
  return events;
}

void FaultRunner::Start(TimePoint start) {
  start_ = start;
  const auto keep = [this](std::vector<Event> events) {
    if (events.empty()) return std::jthread();
    return std::jthread(
        [this, events = std::move(events)](const std::stop_token& stop) { Keep(stop, events); });
  };
  network_ = keep(Timeline(true));
  actions_ = keep(Timeline(false));
}

void FaultRunner::Keep(const std::stop_token& stop, const std::vector<Event>& events) {
  std::mutex mutex;
  std::condition_variable_any never;
  for (const Event& event : events) {
    {
      std::unique_lock lock(mutex);
      never.wait_until(lock, stop, start_ + event.at, [] { return false; });
    }
    if (stop.stop_requested()) return;
    CarryOut(event);
  }
}

void FaultRunner::CarryOut(const Event& event) {
  const FaultSpec& fault = scenario_.faults[event.fault];
  std::string error;
  try {
    Apply(fault, event.begin);
  } catch (const Error& failure) {
    error = MaskSecrets(failure.what());
    Log(LogLevel::kWarn, "fault of {}: {}: {}", scenario_.targets[fault.target].name, fault.text,
        error);
  }
  const double now_s = ToMs(Clock::now() - start_) / 1000;
  auto results = results_.Lock();
  FaultResult& result = (*results)[event.fault];
  if (!error.empty()) result.error = error;
  if (event.begin) result.begun_s = now_s;
  if (!event.begin || fault.length == Duration::zero()) result.ended_s = now_s;
}

void FaultRunner::Apply(const FaultSpec& fault, bool begin) {
  if (!fault.OfNetwork()) {
    const auto action = begin ? fault.action : fault.undo;
    servers_.Act(scenario_.targets[fault.target].name, *action, fault.node,
                 Deadline::After(Clock::now(), kActionTime));
    return;
  }
  backends::FaultProxy& proxy = *proxies_[fault.target];
  if (!begin) {
    proxy.Clear();
  } else if (fault.strike != backends::Harm::kNone) {
    proxy.Strike(fault.strike);
  } else {
    proxy.Set(fault.network);
  }
}

bool FaultRunner::Lasts(std::size_t fault) {
  auto results = results_.Lock();
  const FaultResult& result = (*results)[fault];
  return result.begun_s && !result.ended_s;
}

void FaultRunner::EndRest(bool network) {
  for (const Event& event : Timeline(network)) {
    if (!event.begin && Lasts(event.fault)) CarryOut(event);
  }
}

void FaultRunner::Stop() {
  for (std::jthread* thread : {&network_, &actions_}) {
    if (!thread->joinable()) continue;
    thread->request_stop();
    thread->join();
    EndRest(thread == &network_);
  }
}

std::vector<FaultResult> FaultRunner::Results() {
  auto results = results_.Lock();
  return *results;
}

}  // namespace perf::load
