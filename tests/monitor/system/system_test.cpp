// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/system/process_reader.hpp"
#include "libperf/monitor/system/system_sampler.hpp"
#include "tests/monitor/system/fake_tree.hpp"

using namespace perf;
using namespace perf::monitor;
using std::chrono::seconds;
using test::FakeTree;

namespace {

constexpr TimePoint kStart{seconds(1000)};

std::string Stat(unsigned user, unsigned idle, unsigned context = 1000) {
  return "cpu  " + std::to_string(user) + " 0 100 " + std::to_string(idle) +
         " 40 1 2 30 5 0\ncpu0 1 0 1 1 0 0 0 0 0 0\ncpu1 1 0 1 1 0 0 0 0 0 0\nintr 5 0 1\nctxt " +
         std::to_string(context) +
         "\nbtime 1700000000\nprocesses 77\nprocs_running 3\nprocs_blocked 1\nsoftirq 5 0\n";
}

constexpr const char* kMeminfo =
    "MemTotal:       1000 kB\nMemFree:         400 kB\nMemAvailable:    700 kB\n"
    "Buffers:          50 kB\nCached:          200 kB\nSwapCached:        0 kB\n"
    "SReclaimable:     30 kB\nSwapTotal:       100 kB\nSwapFree:         60 kB\n";
constexpr const char* kNet =
    "Inter-|   Receive                            |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n"
    "    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0\n"
    "  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n";

void WriteMachine(const FakeTree& tree) {
  tree.Write("/proc/stat", Stat(200, 700));
  tree.Write("/proc/meminfo", kMeminfo);
  tree.Write("/proc/loadavg", "0.50 1.25 2.00 3/200 12345\n");
  tree.Write("/proc/net/dev", kNet);
  tree.Write("/proc/diskstats",
             "   7       0 loop0 9 0 9 0 0 0 0 0 0 0 0\n"
             " 254       0 vda 100 0 2000 50 10 0 400 20 2 1500 70 0 0 0 0\n"
             " 254       1 vda1 90 0 1900 50 10 0 400 20 0 1500 70\n"
             " 259       0 nvme0n1 1 0 8 1 1 0 8 1 0 500 2\n"
             " 259       1 nvme0n1p1 1 0 8 1 1 0 8 1 0 500 2\n");
  tree.Write("/proc/sys/fs/file-nr", "1234\t0\t9223372036854775807\n");
  tree.Write("/proc/pressure/memory",
             "some avg10=1.00 avg60=0.00 avg300=0.00 total=3000000\n"
             "full avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n");
}

double ValueOf(const metrics::MetricsSnapshot& snapshot, const std::string& line) {
  const std::string text = "\n" + metrics::Expose(snapshot);
  const std::size_t at = text.find("\n" + line + " ");
  REQUIRE_MESSAGE(at != std::string::npos, line);
  return std::stod(text.substr(at + line.size() + 2));
}

}  // namespace

TEST_CASE("a stored machine is read as it stands there") {
  const FakeTree tree;
  WriteMachine(tree);
  SystemReader reader({tree.Root(), {"/", "/no/such/mount"}, 64});
  SystemReading now;
  for (int round = 0; round < 2; ++round) {  // the second reading uses what the first has made
    reader.Read(now);
    REQUIRE(now.cpu);
    const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
    CHECK(now.cpu->seconds[0] == doctest::Approx(200 * tick));
    CHECK(now.cpu->Idle() == doctest::Approx(740 * tick));
    CHECK(now.cpu->Total() == doctest::Approx(1073 * tick));
    CHECK(now.cpu->processors == 2);
    CHECK(now.cpu->context_switches == 1000);
    CHECK(now.cpu->boot_time == 1700000000);
    CHECK(now.cpu->running == 3);
    CHECK(now.cpu->blocked == 1);
    REQUIRE(now.memory);
    CHECK(now.memory->cached == 230 * 1024);
    CHECK(now.memory->Used() == 320 * 1024);
    CHECK(now.memory->available == 700 * 1024);
    REQUIRE(now.load);
    CHECK((*now.load)[1] == 1.25);
    REQUIRE(now.disks.size() == 2);  // no loop device, no partition
    CHECK(now.disks[0].device == "vda");
    CHECK(now.disks[0].read_bytes == 2000 * 512);
    CHECK(now.disks[0].write_seconds == doctest::Approx(0.02));
    CHECK(now.disks[0].in_flight == 2);
    CHECK(now.disks[0].busy_seconds == doctest::Approx(1.5));
    CHECK(now.disks[1].device == "nvme0n1");
    REQUIRE(now.networks.size() == 2);
    CHECK(now.networks[1].device == "eth0");
    CHECK(now.networks[1].received_bytes == 1000);
    CHECK(now.networks[1].receive_drops == 2);
    CHECK(now.networks[1].sent_bytes == 2000);
    CHECK(now.networks[1].send_drops == 4);
    CHECK(now.open_files == 1234);
    REQUIRE(now.mounts.size() == 1);  // what cannot be asked is absent
    CHECK(now.mounts[0].mount == "/");
    CHECK(now.mounts[0].size > now.mounts[0].available);
  }
}

TEST_CASE("what the kernel does not tell is absent, and seen when it appears") {
  const FakeTree tree;
  SystemReader reader({tree.Root(), {}, 64});
  SystemReading now;
  reader.Read(now);
  CHECK_FALSE(now.cpu);
  CHECK_FALSE(now.memory);
  CHECK_FALSE(now.load);
  CHECK_FALSE(now.open_files);
  CHECK_FALSE(now.cpu_pressure);
  CHECK_FALSE(now.cgroup);
  CHECK(now.disks.empty());
  WriteMachine(tree);
  reader.Read(now);
  CHECK(now.cpu);
  CHECK_FALSE(now.cpu_pressure);
  REQUIRE(now.memory_pressure);
  CHECK(now.memory_pressure->waiting_seconds == 3);
  CHECK(now.memory_pressure->stalled_seconds == 1);
  metrics::Registry registry;
  SystemSampler sampler({tree.Root(), {}, 64});
  const auto registration = sampler.RegisterMetrics(registry);
  const std::string text = metrics::Expose(registry.Gather());
  CHECK(text.find("resource=\"memory\"") != std::string::npos);
  CHECK(text.find("resource=\"cpu\"") == std::string::npos);
  CHECK(text.find("cgroup") == std::string::npos);
}

TEST_CASE("devices above the limit are left out and counted") {
  const FakeTree tree;
  WriteMachine(tree);
  SystemReader reader({tree.Root(), {}, 1});
  SystemReading now;
  reader.Read(now);
  CHECK(now.disks.size() == 1);
  CHECK(now.networks.size() == 1);
  CHECK(now.devices_left_out == 2);
}

TEST_CASE("the cgroup's limits, throttling and memory events") {
  const FakeTree tree;
  tree.Write("/proc/self/cgroup", "4:memory:/old\n0::/app.slice/x\n");
  const std::string dir = "/sys/fs/cgroup/app.slice/x";
  tree.Write(dir + "/cgroup.controllers", "cpu memory\n");
  tree.Write(dir + "/cpu.stat",
             "usage_usec 5000000\nuser_usec 1\nnr_periods 200\nnr_throttled 50\n"
             "throttled_usec 2500000\n");
  tree.Write(dir + "/cpu.max", "150000 100000\n");
  tree.Write(dir + "/memory.current", "1048576\n");
  tree.Write(dir + "/memory.max", "max\n");
  tree.Write(dir + "/memory.events", "low 0\nhigh 2\nmax 3\noom 1\noom_kill 1\n");
  CHECK(FindCgroup(tree.Root()) == tree.Root() + dir);
  SystemReader reader({tree.Root(), {}, 64});
  SystemReading now;
  reader.Read(now);
  REQUIRE(now.cgroup);
  CHECK(now.cgroup->cpu_seconds == 5);
  CHECK(now.cgroup->throttled_periods == 50);
  CHECK(now.cgroup->throttled_seconds == 2.5);
  CHECK(now.cgroup->cpu_limit == 1.5);
  CHECK(now.cgroup->memory == 1048576);
  CHECK_FALSE(now.cgroup->memory_limit);  // "max" is no number
  REQUIRE(now.cgroup->events);
  CHECK(now.cgroup->events->oom_kill == 1);
  // In a container the path is the host's, and our own root is the cgroup.
  tree.Write("/proc/self/cgroup", "0::/host/path\n");
  tree.Write("/sys/fs/cgroup/cgroup.controllers", "cpu\n");
  CHECK(FindCgroup(tree.Root()) == tree.Root() + "/sys/fs/cgroup");
}

TEST_CASE("rates are those between two samples; a counter that went back gives none") {
  const FakeTree tree;
  WriteMachine(tree);
  SystemSampler sampler({tree.Root(), {}, 64}, seconds(1));
  sampler.Sample(kStart);
  CHECK_FALSE(sampler.Latest().rates.cpu_percent);
  tree.Write("/proc/stat", Stat(275, 725, 3000));  // 75 of 100 ticks busy
  tree.Write("/proc/diskstats", " 254 0 vda 100 0 4000 50 10 0 400 20 2 2500 70 0 0 0 0\n");
  tree.Write("/proc/net/dev", "  eth0:1 1 1 2 0 0 0 0 4000 20 3 4 0 0 0 0\n");
  tree.Write("/proc/pressure/memory", "some avg10=1.00 total=4000000\nfull total=1000000\n");
  sampler.Sample(kStart + seconds(2));
  SystemSnapshot now = sampler.Latest();
  CHECK(now.rates.window == seconds(2));
  CHECK(now.rates.cpu_percent.value() == doctest::Approx(75));
  CHECK(now.rates.iowait_percent.value() == doctest::Approx(0));
  CHECK(now.rates.context_switches.value() == doctest::Approx(1000));
  CHECK(now.rates.disk_read_bytes.value() == doctest::Approx(2000 * 512 / 2));
  CHECK(now.rates.disk_busy_percent.value() == doctest::Approx(50));
  CHECK_FALSE(now.rates.received_bytes);
  CHECK(now.rates.sent_bytes.value() == doctest::Approx(1000));
  CHECK(now.rates.memory_pressure_percent.value() == doctest::Approx(50));
  CHECK_FALSE(now.rates.cpu_pressure_percent);
  // Too soon for other rates, but the readings are new.
  tree.Write("/proc/stat", Stat(275, 825, 4000));
  sampler.Sample(kStart + seconds(2) + std::chrono::milliseconds(10));
  now = sampler.Latest();
  CHECK(now.reading.cpu->context_switches == 4000);
  CHECK(now.rates.cpu_percent.value() == doctest::Approx(75));
  sampler.Sample(kStart + seconds(4));
  CHECK(sampler.Latest().rates.cpu_percent.value() == doctest::Approx(0));
}

TEST_CASE("a process is known by its start time, whatever its name and number") {
  const FakeTree tree;
  WriteMachine(tree);
  tree.Process(42, "odd) (name", 100, 5000);
  tree.Write("/proc/42/limits",
             "Limit                     Soft Limit           Hard Limit           Units\n"
             "Max open files            1024                 4096                 files\n");
  for (const char* fd : {"0", "1", "2"}) tree.Write(std::string("/proc/42/fd/") + fd, "");
  SystemSampler sampler({tree.Root(), {}, 64}, seconds(1));
  CHECK_THROWS_AS(sampler.SetProcess("", 1), Error);
  CHECK_THROWS_AS(sampler.SetProcess("x", 0), Error);
  sampler.SetProcess("web", 42);
  sampler.SetProcess("gone", 4242);
  sampler.Sample(kStart);
  tree.Process(42, "odd) (name", 125, 5000);
  sampler.Sample(kStart + seconds(1));
  SystemSnapshot now = sampler.Latest();
  REQUIRE(now.processes.size() == 2);
  CHECK(now.processes[0].name == "gone");
  CHECK_FALSE(now.processes[0].up);
  const ProcessSnapshot& web = now.processes[1];
  REQUIRE(web.up);
  CHECK(web.reading->pid == 42);
  CHECK(web.reading->threads == 7);
  CHECK(web.reading->virtual_bytes == 3133440);
  CHECK(web.reading->resident_bytes == 374U * static_cast<unsigned>(::sysconf(_SC_PAGESIZE)));
  CHECK(web.reading->open_fds == 3);
  CHECK(web.reading->max_fds == 1024);
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  CHECK(web.reading->start_time.value() == doctest::Approx(1700000000 + 5000 * tick));
  CHECK(web.cpu_percent.value() == doctest::Approx(25 * tick * 100));
  // Another process has the number now: the one that was watched is gone, and stays so.
  tree.Process(42, "imposter", 1, 9000);
  sampler.Sample(kStart + seconds(2));
  CHECK_FALSE(sampler.Latest().processes[1].up);
  tree.Process(42, "imposter", 1, 5000);
  sampler.Sample(kStart + seconds(3));
  CHECK_FALSE(sampler.Latest().processes[1].up);
  sampler.SetProcess("web", 42);
  sampler.Sample(kStart + seconds(4));
  now = sampler.Latest();
  CHECK(now.processes[1].up);
  CHECK(now.processes[1].restarts == 1);
  CHECK_FALSE(now.processes[1].cpu_percent);
  sampler.RemoveProcess("web");
  sampler.Sample(kStart + seconds(5));
  CHECK(sampler.Latest().processes.size() == 1);
}

TEST_CASE("a zombie is no living process") {
  const FakeTree tree;
  tree.Process(7, "z", 1, 1, "Z");
  CHECK_FALSE(ProcessReader(tree.Root(), 7).Read({}));
}

TEST_CASE("the real machine and this process") {
  SystemSampler sampler({}, std::chrono::milliseconds(1));
  metrics::Registry registry;
  const auto registration = sampler.RegisterMetrics(registry, Duration{});
  const metrics::MetricsSnapshot text = registry.Gather();
  CHECK(text.errors.empty());
  CHECK(ValueOf(text, "process_resident_memory_bytes") > 1e6);
  CHECK(ValueOf(text, "process_open_fds") >= 3);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(ValueOf(text, "process_max_fds") == static_cast<double>(limit.rlim_cur));
  CHECK(ValueOf(text, "process_start_time_seconds") > 1.6e9);
  CHECK(ValueOf(text, "perfkit_system_memory_size_bytes") > 1e8);
  CHECK(ValueOf(text, "perfkit_system_cpu_seconds_total{mode=\"user\"}") > 0);
  CHECK(ValueOf(text, "perfkit_system_filesystem_size_bytes{mount=\"/\"}") > 0);
  const SystemSnapshot first = sampler.Latest();
  CHECK(first.own.reading->pid == ::getpid());
  // Not sooner after the first than the least window, however fast this machine is.
  sampler.Sample(Clock::now() + std::chrono::milliseconds(1));
  CHECK(sampler.Latest().rates.window >= std::chrono::milliseconds(1));
}

TEST_CASE("a real child that ends is down, and its zombie too") {
  int wait_for_me[2];
  REQUIRE(::pipe(wait_for_me) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(wait_for_me[1]);
    char byte = 0;
    const ssize_t got = ::read(wait_for_me[0], &byte, 1);
    ::_exit(got == 0 ? 0 : 1);
  }
  ::close(wait_for_me[0]);
  ProcessReader reader("", child);
  const auto alive = reader.Read(1);
  CHECK(alive.has_value());
  if (alive) CHECK(alive->open_fds.value() > 0);
  ::close(wait_for_me[1]);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(reader.Read(1));
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(reader.Read(1));
}
