// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/notifier.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/http_server.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/utc.hpp"
#include "libperf/config/document.hpp"
#include "libperf/monitor/alerts/delivery_plan.hpp"
#include "libperf/monitor/alerts/message.hpp"
#include "tests/backends/http_user.hpp"
#include "tests/backends/private_process.hpp"
#include "tests/monitor/alerts/series_feed.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::monitor::alerts {
namespace {

using namespace std::chrono_literals;
using test::At;

Alert Firing(const std::string& name, Level level = Level::kWarning) {
  Alert alert;
  alert.name = name;
  alert.labels = {{"pool", "db"}};
  alert.state = AlertState::kFiring;
  alert.level = level;
  alert.value = 0.95;
  alert.active_at = alert.fired_at = alert.changed_at = At(0);
  alert.summary = "the pool is full";
  alert.measured = "95 % (WARNING > 90 %, clears at 81 %)";
  return alert;
}

Alert Resolved(const std::string& name, double at) {
  Alert alert = Firing(name);
  alert.state = AlertState::kResolved;
  alert.fired_at = {};
  alert.resolved_at = alert.changed_at = At(at);
  return alert;
}

bool Await(const std::function<bool()>& condition) {
  const auto until = Clock::now() + 20s;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

const TimePoint kStart{1000s};
Receiver Alertmanager() {
  Receiver receiver;
  receiver.kind = Receiver::Kind::kAlertmanager;
  receiver.resend = 60s;
  return receiver;
}

TEST_CASE("alerts: a plan tells at once, repeats, and tells the end until it is forgotten") {
  DeliveryPlan plan(Alertmanager(), {});
  CHECK(plan.Due() == TimePoint::max());
  plan.Update({Firing("PerfkitA")}, At(0));
  CHECK(plan.Waiting() == 1);
  REQUIRE(plan.Take(kStart).size() == 1);
  CHECK(plan.Take(kStart).empty());  // one at a time
  plan.Done(true, kStart);
  CHECK(plan.Waiting() == 0);
  CHECK(plan.Due() == kStart + 60s);
  CHECK(plan.Take(kStart + 59s).empty());
  CHECK(plan.Take(kStart + 60s).size() == 1);
  plan.Done(true, kStart + 60s);

  plan.Update({Firing("PerfkitA", Level::kCritical)}, At(70));
  auto message = plan.Take(kStart + 70s);
  REQUIRE(message.size() == 1);
  CHECK(message[0].former == Level::kWarning);
  plan.Done(true, kStart + 70s);

  plan.Update({Resolved("PerfkitA", 80)}, At(80));
  message = plan.Take(kStart + 80s);
  REQUIRE(message.size() == 1);
  CHECK(message[0].alert.state == AlertState::kResolved);
  plan.Done(true, kStart + 80s);
  CHECK(plan.Take(kStart + 140s).size() == 1);  // a lost message leaves no page open
  plan.Done(true, kStart + 140s);
  plan.Update({}, At(1000));
  CHECK(plan.Due() == TimePoint::max());
}

TEST_CASE("alerts: a plan backs off with jitter, doubled up to its longest") {
  NotifierOptions options;
  options.first_backoff = 1s;
  options.longest_backoff = 10s;
  options.seed = 7;
  DeliveryPlan plan(Alertmanager(), options);
  plan.Update({Firing("PerfkitA")}, At(0));
  TimePoint now = kStart;
  const std::vector<Duration> full{1s, 2s, 4s, 8s, 10s, 10s};
  bool jitter = false;
  for (const Duration most : full) {
    REQUIRE(!plan.Take(now).empty());
    plan.Done(false, now);
    const Duration wait = plan.Due() - now;
    CHECK(wait >= most / 2);
    CHECK(wait <= most);
    jitter = jitter || (wait != most && wait != most / 2);
    CHECK(plan.Take(plan.Due() - 1ns).empty());
    now = plan.Due();
  }
  CHECK(jitter);
  CHECK(!plan.Take(now).empty());
  plan.Done(true, now);
  CHECK(plan.Waiting() == 0);
}

TEST_CASE("alerts: who was told of an alert is told of its end, and nobody else") {
  Receiver webhook;
  webhook.kind = Receiver::Kind::kWebhook;
  webhook.resend = 4h;
  webhook.least = Level::kWarning;
  DeliveryPlan plan(webhook, {});
  Alert hidden = Firing("PerfkitHidden");
  hidden.silenced_by = "s1";
  plan.Update({hidden, Firing("PerfkitLow", Level::kInfo), Resolved("PerfkitOld", 5)}, At(0));
  CHECK(plan.Take(kStart).empty());
  // It vanishes while nobody listens (an engine forgets after 15 min): the end is still owed.
  plan.Update({Firing("PerfkitA")}, At(10));
  REQUIRE(plan.Take(kStart).size() == 1);
  plan.Done(true, kStart);
  plan.Update({}, At(20));
  REQUIRE(plan.Take(kStart + 1s).size() == 1);
  plan.Done(false, kStart + 1s);
  plan.Update({}, At(5000));
  const auto message = plan.Take(kStart + 5000s);
  REQUIRE(message.size() == 1);
  CHECK(message[0].alert.state == AlertState::kResolved);
  plan.Done(true, kStart + 5000s);
  plan.Update({}, At(5010));
  CHECK(plan.Due() == TimePoint::max());
  // Silenced after it was told: the end is no noise.
  plan.Update({Firing("PerfkitB")}, At(6000));
  REQUIRE(plan.Take(kStart + 6000s).size() == 1);
  plan.Done(true, kStart + 6000s);
  Alert quiet = Resolved("PerfkitB", 6010);
  quiet.silenced_by = "s1";
  plan.Update({quiet}, At(6010));
  CHECK(plan.Take(kStart + 6010s).size() == 1);
}

TEST_CASE("alerts: an alert that ends while it is being told is told of its end afterwards") {
  DeliveryPlan plan(Alertmanager(), {});
  for (const bool forgotten : {false, true}) {
    plan.Update({Firing("PerfkitA")}, At(0));
    REQUIRE(plan.Take(kStart).size() == 1);
    plan.Update(forgotten ? std::vector<Alert>{} : std::vector{Resolved("PerfkitA", 1)}, At(1));
    plan.Done(true, kStart + 1s);
    const auto message = plan.Take(kStart + 1s);
    REQUIRE(message.size() == 1);
    CHECK(message[0].alert.state == AlertState::kResolved);
    plan.Done(true, kStart + 1s);
    plan.Update({}, At(2));
    CHECK(plan.Due() == TimePoint::max());
  }
}

TEST_CASE("alerts: a message has a bounded size, and the rest comes with the next") {
  NotifierOptions options;
  options.most_alerts = 2;
  DeliveryPlan plan(Alertmanager(), options);
  plan.Update({Firing("PerfkitA"), Firing("PerfkitB"), Firing("PerfkitC")}, At(0));
  CHECK(plan.Take(kStart).size() == 2);
  plan.Done(true, kStart);
  CHECK(plan.Dropped() == 1);
  CHECK(plan.Take(kStart).size() == 1);
}

TEST_CASE("alerts: a level that changed ends the alert of the former one in Alertmanager") {
  Receiver receiver = Alertmanager();
  const Notice notice{Firing("PerfkitA", Level::kCritical), Level::kWarning};
  const Json body = Json::Parse(AlertmanagerBody({notice}, receiver, "http://h/x", At(10)));
  REQUIRE(body.AsArray().size() == 2);
  CHECK(*body.AtPointer("/0/labels/severity") == Json("warning"));
  CHECK(*body.AtPointer("/0/endsAt") == Json(ToRfc3339(At(10))));
  CHECK(*body.AtPointer("/1/labels/severity") == Json("critical"));
  CHECK(*body.AtPointer("/1/endsAt") == Json(ToRfc3339(At(250))));
  CHECK(*body.AtPointer("/1/generatorURL") == Json("http://h/x?alert=PerfkitA"));
}

std::string Complaints(const std::string& text) {
  config::Diagnostics diagnostics;
  ParseReceivers(config::LoadText("r.yaml", text, diagnostics).root, diagnostics);
  return diagnostics.Render();
}

TEST_CASE("alerts: receivers are read, and what is wrong is told") {
  config::Diagnostics diagnostics;
  const auto document = config::LoadText("r.yaml", R"(
- {name: am, kind: alertmanager, url: "http://user:pw@localhost:9093/prefix/", resend: 30s}
- {name: hook, kind: webhook, url: "http://localhost/x?y=1", headers: {Authorization: Bearer t}, least: critical, resolved: false}
- {name: cmd, kind: command, command: [/bin/true, a], timeout: 5s}
- {name: log, kind: log}
)",
                                         diagnostics);
  const auto receivers = ParseReceivers(document.root, diagnostics);
  CHECK(diagnostics.Render() == "");
  REQUIRE(receivers.size() == 4);
  CHECK(receivers[1].least == Level::kCritical);
  CHECK(receivers[2].command == std::vector<std::string>{"/bin/true", "a"});
  const auto says = [](const std::string& text, const std::string& what) {
    const std::string complaints = Complaints(text);
    CAPTURE(complaints);
    CHECK(complaints.find(what) != std::string::npos);
  };
  says("- {name: a, kind: pager}", "r.yaml:1:19: error: ");
  says("- {name: a, kind: webhok, url: x}", "did you mean 'webhook'");
  says("- {name: a, kind: webhook, url: \"redis://h/\"}", "expected a URL");
  says("- {name: a, kind: command, command: [run.sh]}", "beginning with '/'");
  says("- {name: a, kind: log, url: \"http://h/\"}", "url");
  says("- {name: a, kind: log}\n- {name: a, kind: log}", "another receiver 'a'");
}

/// A real HTTP server on loopback that keeps what it was sent.
class Hook {
 public:
  explicit Hook(int failures = 0) : failures_(failures) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener, any, length) == 0);
    REQUIRE(::listen(listener, 64) == 0);
    REQUIRE(::getsockname(listener, any, &length) == 0);
    port_ = ntohs(address.sin_port);
    server_ = std::make_unique<backends::HttpServer>(
        listener, [this](const backends::ServedRequest& request, backends::ServedReply& reply) {
          const std::lock_guard lock(mutex_);
          bodies_.emplace_back(request.body);
          path_ = std::string(request.path) + "?" + std::string(request.query);
          if (failures_-- > 0) {
            reply.status = 503;
            reply.body = "busy, password=hunter2";
          }
        });
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~Hook() {
    server_->Stop();
    thread_.join();
  }
  std::string Url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<std::string> Bodies() {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }
  std::string Path() {
    const std::lock_guard lock(mutex_);
    return path_;
  }

 private:
  int failures_;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> bodies_;
  std::string path_;
  std::unique_ptr<backends::HttpServer> server_;
  std::thread thread_;
};

TEST_CASE("alerts: a webhook is posted to, again after a failure, and results are counted") {
  Hook hook(2);
  Receiver receiver;
  receiver.name = "hook";
  receiver.kind = Receiver::Kind::kWebhook;
  receiver.url = hook.Url("/in?key=1");
  Notifier notifier({receiver}, {.first_backoff = 1ms, .seed = 1});
  notifier.Update({Firing("PerfkitA")}, At(0));
  REQUIRE(Await([&] { return notifier.Counts()[0].sent == 1; }));
  CHECK(notifier.Counts()[0].failed == 2);
  CHECK(notifier.Counts()[0].last_error == "");
  CHECK(hook.Path() == "/in?key=1");
  notifier.Update({Resolved("PerfkitA", 10)}, At(10));
  CHECK(notifier.Drain(Deadline::After(Clock::now(), 20s)));
  const auto bodies = hook.Bodies();
  REQUIRE(bodies.size() == 4);
  const Json last = Json::Parse(bodies[3]);
  CHECK(*last.Find("schema") == Json("perfkit.notification/1"));
  CHECK(*last.Find("status") == Json("resolved"));
  CHECK(*last.AtPointer("/alerts/0/name") == Json("PerfkitA"));
  CHECK(*Json::Parse(bodies[2]).Find("status") == Json("firing"));
  metrics::Registry registry;
  const auto registration = registry.Collect(
      "notifier", [&](metrics::Collection& collection) { notifier.AddMetrics(collection); });
  CHECK(registry.Gather().errors.empty());
}

TEST_CASE("alerts: one receiver that does not answer holds up no other") {
  Hook hook;
  Receiver dead;
  dead.name = "dead";
  dead.kind = Receiver::Kind::kWebhook;
  dead.url = "http://127.0.0.1:" + std::to_string(test::FreePort());
  Receiver alive = dead;
  alive.name = "alive";
  alive.url = hook.Url("/");
  Notifier notifier({dead, alive}, {.seed = 1});
  notifier.Update({Firing("PerfkitA")}, At(0));
  CHECK(Await([&] { return notifier.Counts()[1].sent == 1; }));
  CHECK(Await([&] { return notifier.Counts()[0].failed > 0; }));
  CHECK(notifier.Counts()[0].last_error != "");
  CHECK(!notifier.Drain(Deadline::After(Clock::now(), 10ms)));
}

TEST_CASE("alerts: what a receiver answered is told without secrets") {
  Hook hook(1'000'000);
  Receiver receiver;
  receiver.name = "hook";
  receiver.kind = Receiver::Kind::kWebhook;
  receiver.url = hook.Url("/");
  Notifier notifier({receiver}, {.first_backoff = 1h, .longest_backoff = 1h, .seed = 1});
  notifier.Update({Firing("PerfkitA")}, At(0));
  CHECK(!notifier.Drain(Deadline::After(Clock::now(), 20s)));
  CHECK(notifier.Counts()[0].last_error == "status 503: busy, password=***");
}

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("alerts: a command gets JSON on its standard input and none of our environment") {
  const ::test::ScratchDir scratch;
  const std::string script = scratch / "tell.sh";
  std::ofstream(script)
      << "#!/bin/sh\ncat > \"$1.part\"\nenv > \"$1.env\"\nmv \"$1.part\" \"$1\"\n";
  ::chmod(script.c_str(), 0755);
  ::setenv("PERFKIT_TEST_SECRET", "hunter2", 1);
  Receiver receiver;
  receiver.name = "cmd";
  receiver.kind = Receiver::Kind::kCommand;
  receiver.command = {script, scratch / "out; touch x"};  // no shell reads this
  Notifier notifier({receiver}, {.seed = 1});
  std::vector<Alert> many;
  for (int i = 0; i < 400; ++i) {
    many.push_back(Firing("PerfkitA" + std::to_string(i)));
    many.back().description = std::string(1000, 'x');  // more than a pipe holds
  }
  notifier.Update(many, At(0));
  CHECK(notifier.Drain(Deadline::After(Clock::now(), 20s)));
  CHECK(notifier.Counts()[0].last_error == "");
  const Json body = Json::Parse(Contents(scratch / "out; touch x"));
  CHECK(body.Find("alerts")->AsArray().size() == 400);
  CHECK(Contents(scratch / "out; touch x.env").find("SECRET") == std::string::npos);
}

TEST_CASE("alerts: a command that fails, is missing or hangs is counted and ended") {
  const ::test::ScratchDir scratch;
  const std::string script = scratch / "hang.sh";
  const std::string pid = scratch / "pid";
  std::ofstream(script) << "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! > " << pid
                        << "\nwait\nwait\n";
  ::chmod(script.c_str(), 0755);
  const auto run = [](std::vector<std::string> command, Duration timeout) {
    Receiver receiver;
    receiver.name = "cmd";
    receiver.kind = Receiver::Kind::kCommand;
    receiver.command = std::move(command);
    receiver.timeout = timeout;
    Notifier notifier({receiver}, {.first_backoff = 1h, .longest_backoff = 1h, .seed = 1});
    notifier.Update({Firing("PerfkitA")}, At(0));
    CHECK(!notifier.Drain(Deadline::After(Clock::now(), 20s)));
    CHECK(notifier.Counts()[0].failed == 1);
    return notifier.Counts()[0].last_error;
  };
  CHECK(run({"/bin/false"}, 10s) == "/bin/false exited with 1");
  CHECK(run({"/nonexistent"}, 10s) == "cannot run /nonexistent: No such file or directory");
  CHECK(run({script}, 300ms) == script + " did not end in time");
  // Nor does what it left behind live on.
  const int child = std::stoi(Contents(pid));
  CHECK(Await([&] { return ::kill(child, 0) != 0; }));
}

TEST_CASE("alerts: a command that leaves its process group does not hold up the notifier") {
  if (::access("/usr/bin/python3", X_OK) != 0) return;
  Receiver receiver;
  receiver.name = "cmd";
  receiver.kind = Receiver::Kind::kCommand;
  receiver.command = {"/usr/bin/python3", "-c",
                      "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(60)"};
  receiver.timeout = 1s;
  Notifier notifier({receiver}, {.first_backoff = 1h, .longest_backoff = 1h, .seed = 1});
  notifier.Update({Firing("PerfkitA")}, At(0));
  CHECK(!notifier.Drain(Deadline::After(Clock::now(), 20s)));
  CHECK(notifier.Counts()[0].last_error == "/usr/bin/python3 did not end in time");
}

TEST_CASE("alerts: a command ends also where nobody learns how its children end") {
  struct sigaction ignore{}, before{};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(SIGCHLD, &ignore, &before) == 0);
  Receiver receiver;
  receiver.name = "cmd";
  receiver.kind = Receiver::Kind::kCommand;
  receiver.command = {"/bin/true"};
  receiver.timeout = 5s;
  {
    Notifier notifier({receiver}, {.seed = 1});
    notifier.Update({Firing("PerfkitA")}, At(0));
    CHECK(notifier.Drain(Deadline::After(Clock::now(), 20s)));
    CHECK(notifier.Counts()[0].sent == 1);
    CHECK(notifier.Counts()[0].last_error == "");
  }
  ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("alerts: what was delivered does not wait any more, whenever one looks") {
  Receiver receiver;
  receiver.name = "cmd";
  receiver.kind = Receiver::Kind::kCommand;
  receiver.command = {"/bin/true"};
  Notifier notifier({receiver}, {.seed = 1});
  for (int round = 1; round <= 200; ++round) {
    Alert alert = Firing("PerfkitA" + std::to_string(round));
    notifier.Update({alert}, At(round));
    std::vector<ReceiverCounts> counts;
    do {
      counts = notifier.Counts();
    } while (counts[0].sent + counts[0].failed < static_cast<std::uint64_t>(round));
    CHECK(counts[0].failed == 0);
    REQUIRE(counts[0].waiting == 0);
    REQUIRE(notifier.Drain(Deadline::After(Clock::now(), 20s)));
  }
}

TEST_CASE("alerts: the real Alertmanager takes alerts, their levels and their ends") {
  const std::string program =
      test::FirstProgram({"/usr/bin/prometheus-alertmanager", "/usr/local/bin/alertmanager"});
  if (program.empty()) {
    MESSAGE("skipped: prometheus-alertmanager is not installed (scripts/setup check)");
    return;
  }
  const ::test::ScratchDir scratch;
  const std::string place = scratch / "am";
  ::mkdir(place.c_str(), 0755);
  std::ofstream(place + "/am.yml") << "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
  const int port = test::FreePort();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  test::PrivateProcess process(
      place,
      {program, "--config.file=" + place + "/am.yml", "--storage.path=" + place + "/data",
       "--web.listen-address=" + address, "--cluster.listen-address="},
      SIGTERM);
  REQUIRE(test::AwaitListener(port, process));
  backends::HttpConfig config;
  config.base = Url::Parse("http://" + address);
  test::HttpUser user(config);
  const auto shown = [&] {
    backends::HttpRequest request;
    request.target = "/api/v2/alerts";
    request.keep_body = true;
    const Json all = Json::Parse(user.Run(request).body);
    std::string text;
    for (const Json& alert : all.AsArray()) {
      text += alert.AtPointer("/labels/alertname")->AsString() + " " +
              alert.AtPointer("/labels/severity")->AsString() + " " +
              alert.AtPointer("/annotations/measured")->AsString() + "\n";
    }
    return text;
  };
  // It listens before it can take an alert.
  REQUIRE(Await([&] {
    backends::HttpRequest request;
    request.target = "/-/ready";
    return user.Run(request).status == 200;
  }));
  Receiver receiver = Alertmanager();
  receiver.name = "am";
  receiver.url = "http://" + address;
  Notifier notifier({receiver}, {.generator_url = "http://localhost/", .seed = 1});
  const WallTime now = std::chrono::floor<Millis>(std::chrono::system_clock::now());
  Alert alert = Firing("PerfkitPoolSaturated");
  alert.active_at = alert.fired_at = alert.changed_at = now - 1s;
  notifier.Update({alert}, now);
  const bool taken = notifier.Drain(Deadline::After(Clock::now(), 20s));
  INFO(notifier.Counts()[0].last_error);
  REQUIRE(taken);
  const std::string measured = " " + alert.measured + "\n";
  CHECK(Await([&] { return shown() == "PerfkitPoolSaturated warning" + measured; }));
  alert.level = Level::kCritical;
  notifier.Update({alert}, now + 1ms);
  REQUIRE(notifier.Drain(Deadline::After(Clock::now(), 20s)));
  CHECK(Await([&] { return shown() == "PerfkitPoolSaturated critical" + measured; }));
  alert.state = AlertState::kResolved;
  alert.resolved_at = now + 2ms;
  alert.fired_at = {};
  notifier.Update({alert}, now + 2ms);
  REQUIRE(notifier.Drain(Deadline::After(Clock::now(), 20s)));
  CHECK(Await([&] { return shown().empty(); }));
  CHECK(notifier.Counts()[0].failed == 0);
}

}  // namespace
}  // namespace perf::monitor::alerts
