// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/notifier.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "libperf/backends/alarm.hpp"
#include "libperf/backends/http.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/monitor/alerts/command.hpp"
#include "libperf/monitor/alerts/delivery_plan.hpp"
#include "libperf/monitor/alerts/message.hpp"

namespace perf::monitor::alerts {
namespace {

Receiver Completed(Receiver receiver) {
  const bool alertmanager = receiver.kind == Receiver::Kind::kAlertmanager;
  if (receiver.resend <= Duration::zero()) {
    receiver.resend = alertmanager ? Duration(std::chrono::minutes(1)) : std::chrono::hours(4);
  }
  if (receiver.kind == Receiver::Kind::kCommand && receiver.command.empty()) {
    throw ConfigError(fmt::format("receiver '{}' names no command", receiver.name));
  }
  return receiver;
}

NotifierOptions Seeded(NotifierOptions options, std::size_t receiver) {
  if (options.seed == 0) options.seed = std::random_device{}();
  options.seed += receiver;
  return options;
}

LogLevel LogLevelOf(const Alert& alert) noexcept {
  if (alert.state != AlertState::kFiring || alert.level == Level::kInfo) return LogLevel::kInfo;
  return alert.level == Level::kCritical ? LogLevel::kError : LogLevel::kWarn;
}

}  // namespace

/// One receiver on the notifier's thread.
struct Notifier::Channel {
  Channel(backends::EventLoop& loop, Receiver the_receiver, const NotifierOptions& options)
      : receiver(Completed(std::move(the_receiver))), plan(receiver, options) {
    const bool http =
        receiver.kind == Receiver::Kind::kAlertmanager || receiver.kind == Receiver::Kind::kWebhook;
    if (!http) return;
    backends::HttpConfig config;
    config.base = Url::Parse(receiver.url);
    config.headers = receiver.headers;
    std::string path = config.base.path;
    if (receiver.kind == Receiver::Kind::kAlertmanager) {
      while (path.ends_with('/')) path.pop_back();
      path += "/api/v2/alerts";
    }
    request.method = "POST";
    request.target = path.empty() ? "/" : path;
    if (!config.base.query.empty()) request.target += "?" + config.base.query;
    request.headers = {{"Content-Type", "application/json"}};
    config.base.path.clear();
    config.base.query.clear();
    connector = backends::MakeHttpConnector(loop, std::move(config));
  }

  Receiver receiver;
  DeliveryPlan plan;
  std::unique_ptr<backends::HttpConnector> connector;
  backends::HttpRequest request;
};

struct Notifier::Parts {
  Parts(std::vector<Receiver> receivers, NotifierOptions the_options)
      : options(std::move(the_options)), alarm(loop, [this] { Pump(); }) {
    if (receivers.size() > kMostReceivers) {
      throw ConfigError(fmt::format("at most {} receivers are allowed", kMostReceivers));
    }
    for (std::size_t i = 0; i < receivers.size(); ++i) {
      counts.push_back({receivers[i].name, 0, 0, 0, 0, {}});
      channels.push_back(
          std::make_unique<Channel>(loop, std::move(receivers[i]), Seeded(options, i)));
    }
    thread = std::thread([this] { Run(); });
    ::pthread_setname_np(thread.native_handle(), "notifier");
  }
  ~Parts() {
    loop.Stop();
    thread.join();
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  void Run() {
    try {
      loop.Run();
    } catch (const std::exception& error) {
      Log(LogLevel::kError, "nobody is notified of alerts any more: {}", error.what());
    }
    loop.CancelAll();
    loop.Drain(Deadline::After(Clock::now(), std::chrono::seconds(5)));
    alarm.Disarm();
    channels.clear();  // connections end on their thread
  }

  /// On the loop: takes the newest picture of alerts.
  void Receive() {
    std::optional<std::pair<std::vector<Alert>, WallTime>> update;
    {
      const std::lock_guard lock(mutex);
      update.swap(latest);
    }
    if (!update) return;
    wall = update->second;
    wall_at = Clock::now();
    for (const auto& channel : channels) channel->plan.Update(update->first, wall);
    Pump();
  }

  void Pump() {
    const TimePoint now = Clock::now();
    TimePoint due = TimePoint::max();
    for (std::size_t i = 0; i < channels.size(); ++i) {
      std::vector<Notice> message = channels[i]->plan.Take(now);
      if (!message.empty()) loop.Spawn(Deliver(i, std::move(message)));
      due = std::min(due, channels[i]->plan.Due());
    }
    if (due == TimePoint::max()) {
      alarm.Disarm();
    } else {
      alarm.Arm(Deadline(std::max(due, now)));
    }
    Publish();
  }

  void Publish() {
    {
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < channels.size(); ++i) {
        counts[i].waiting = channels[i]->plan.Waiting();
        counts[i].dropped = channels[i]->plan.Dropped();
      }
      received = !latest;
    }
    changed.notify_all();
  }

  Task<void> Deliver(std::size_t index, std::vector<Notice> message) {
    Channel& channel = *channels[index];
    const Deadline deadline = Deadline::After(Clock::now(), channel.receiver.timeout);
    std::string error;
    co_await Send(channel, message, deadline, error);
    channel.plan.Done(error.empty(), Clock::now());
    {
      const std::lock_guard lock(mutex);
      ++(error.empty() ? counts[index].sent : counts[index].failed);
      // At once: who drains must not see a delivery that counts and still waits.
      counts[index].waiting = channel.plan.Waiting();
      counts[index].last_error = error;
    }
    if (!error.empty()) {
      Log(LogLevel::kWarn, "receiver {} was not notified: {}", channel.receiver.name, error);
    }
    // A new turn: this task still lives.
    if (!loop.Cancelled()) loop.Soon([this] { Pump(); });
  }

  Task<void> Send(Channel& channel, const std::vector<Notice>& message, Deadline deadline,
                  std::string& error) {
    const WallTime now = wall + std::chrono::duration_cast<Millis>(Clock::now() - wall_at);
    const Receiver& receiver = channel.receiver;
    if (receiver.kind == Receiver::Kind::kLog) {
      for (const Notice& notice : message) LogText(LogLevelOf(notice.alert), LogLine(notice));
      co_return;
    }
    std::string body = receiver.kind == Receiver::Kind::kAlertmanager
                           ? AlertmanagerBody(message, receiver, options.generator_url, now)
                           : NotificationBody(message, receiver, options.generator_url, now);
    if (receiver.kind == Receiver::Kind::kCommand) {
      co_await RunCommand(loop, receiver.command, body, deadline, error);
      co_return;
    }
    channel.request.body = std::move(body);
    auto dialled = co_await channel.connector->Dial(deadline);
    if (!dialled.connection) {
      error = dialled.failure.text.empty() ? "no connection" : dialled.failure.text;
      co_return;
    }
    backends::HttpReply reply;
    co_await dialled.connection->Exchange(channel.request, reply, deadline);
    if (reply.failure) {
      error = reply.failure.text.empty() ? "no answer" : reply.failure.text;
    } else if (reply.status < 200 || reply.status > 299) {
      error = fmt::format("status {}: {}", reply.status, Excerpt(MaskSecrets(reply.body), 200));
    }
  }

  NotifierOptions options;
  backends::EventLoop loop;
  backends::Alarm alarm;
  std::vector<std::unique_ptr<Channel>> channels;
  WallTime wall{};
  TimePoint wall_at{};
  std::mutex mutex;  // what follows
  std::condition_variable changed;
  std::optional<std::pair<std::vector<Alert>, WallTime>> latest;
  bool received = true;  // the plans have seen the last Update
  std::vector<ReceiverCounts> counts;
  std::thread thread;
};

Notifier::Notifier(std::vector<Receiver> receivers, NotifierOptions options)
    : parts_(std::make_unique<Parts>(std::move(receivers), std::move(options))) {}
Notifier::~Notifier() = default;

void Notifier::Update(std::vector<Alert> alerts, WallTime now) {
  bool posted = false;
  {
    const std::lock_guard lock(parts_->mutex);
    posted = parts_->latest.has_value();
    parts_->latest.emplace(std::move(alerts), now);
    parts_->received = false;
  }
  if (!posted) parts_->loop.Post([parts = parts_.get()] { parts->Receive(); });
}

bool Notifier::Drain(Deadline deadline) {
  std::unique_lock lock(parts_->mutex);
  std::vector<std::uint64_t> before;
  for (const ReceiverCounts& count : parts_->counts) before.push_back(count.sent + count.failed);
  const auto waits = [&] {
    return std::any_of(parts_->counts.begin(), parts_->counts.end(),
                       [](const ReceiverCounts& count) { return count.waiting > 0; });
  };
  const auto tried = [&] {
    if (!parts_->received) return false;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const ReceiverCounts& count = parts_->counts[i];
      if (count.waiting > 0 && count.sent + count.failed == before[i]) return false;
    }
    return true;
  };
  parts_->changed.wait_until(lock, deadline.At(), tried);
  return parts_->received && !waits();
}

std::vector<ReceiverCounts> Notifier::Counts() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->counts;
}

void Notifier::AddMetrics(metrics::Collection& collection) const {
  const metrics::FamilySpec spec{"perfkit_alert_notifications_total",
                                 "Messages to receivers by result.", metrics::Type::kCounter, "",
                                 false};
  for (const ReceiverCounts& count : Counts()) {
    const auto add = [&](const char* result, std::uint64_t value) {
      collection.Value(spec, {{"receiver", count.name}, {"result", result}},
                       static_cast<double>(value));
    };
    add("ok", count.sent);
    add("error", count.failed);
  }
}

}  // namespace perf::monitor::alerts
