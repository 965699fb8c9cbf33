// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/doctor/doctor.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "libperf/base/error.hpp"
#include "tests/support/scratch_dir.hpp"

using namespace perf;
using namespace perf::monitor;

namespace {

/// A machine in files. What a test does not write is not there, as on machines without it.
class Machine {
 public:
  Machine() {
    options.root = root_ / "";
    options.root.pop_back();
    options.search_path = "/usr/bin:/usr/sbin";
    Write("/proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 50 0 50 400 0\ncpu1 50 0 50 400 0");
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = options.root + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text << "\n";
  }
  void Program(const std::string& path) {
    Write(path, "#!/bin/sh");
    ::chmod((options.root + path).c_str(), 0755);
  }
  DoctorCheck Look(const std::string& name) const {
    for (const DoctorCheck& check : Examine(options)) {
      if (check.name == name) return check;
    }
    return {"", "absent", Level::kOk, "", "", ""};
  }
  DoctorOptions options;

 private:
  test::ScratchDir root_;
};

std::string LimitsLine(const std::string& soft, const std::string& hard) {
  return "Limit                     Soft Limit           Hard Limit           Units     \n"
         "Max processes             62876                62876                processes \n"
         "Max open files            " +
         soft + "                 " + hard + "               files     ";
}

}  // namespace

TEST_CASE("doctor: open files, by what the shell may raise them to") {
  Machine machine;
  CHECK(machine.Look("open files").name == "absent");
  machine.Write("/proc/self/limits", LimitsLine("1024", "524288"));
  DoctorCheck check = machine.Look("open files");
  CHECK(check.level == Level::kInfo);
  CHECK(check.seen == "1,024, may be raised to 524,288");
  CHECK(check.remedy == "ulimit -n 65536");
  machine.Write("/proc/self/limits", LimitsLine("1024", "4096"));
  CHECK(machine.Look("open files").remedy == "sudo prlimit --pid $$ --nofile=65536");
  machine.options.superuser = true;
  CHECK(machine.Look("open files").remedy == "prlimit --pid $$ --nofile=65536");
  machine.Write("/proc/self/limits", LimitsLine("256", "524288"));
  CHECK(machine.Look("open files").level == Level::kCritical);
  machine.Write("/proc/self/limits", LimitsLine("unlimited", "unlimited"));
  CHECK(machine.Look("open files").level == Level::kOk);
  CHECK(machine.Look("open files").seen == "no limit");
  CHECK(machine.Look("processes").level == Level::kOk);
}

TEST_CASE("doctor: network") {
  Machine machine;
  machine.Write("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999");
  CHECK(machine.Look("ephemeral ports").level == Level::kOk);
  CHECK(machine.Look("ephemeral ports").seen == "28,232 (32768 to 60999)");
  machine.Write("/proc/net/sockstat", "sockets: used 9\nTCP: inuse 4 orphan 0 tw 20000 alloc 5");
  CHECK(machine.Look("ephemeral ports").level == Level::kWarning);
  machine.Write("/proc/net/sockstat", "sockets: used 9\nTCP: inuse 4 orphan 0 tw 3 alloc 5");
  machine.Write("/proc/sys/net/ipv4/ip_local_port_range", "60000\t61000");
  const DoctorCheck check = machine.Look("ephemeral ports");
  CHECK(check.level == Level::kWarning);
  CHECK(check.remedy == "sudo sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\"");
  machine.Write("/proc/sys/net/core/somaxconn", "128");
  CHECK(machine.Look("accept queue").level == Level::kWarning);
  CHECK(machine.Look("accept queue").remedy == "sudo sysctl -w net.core.somaxconn=4096");
  machine.Write("/proc/sys/net/core/somaxconn", "4096");
  CHECK(machine.Look("accept queue").level == Level::kOk);
  machine.Write("/proc/sys/net/core/rmem_max", "212992");
  CHECK(machine.Look("receive buffer").level == Level::kInfo);
}

TEST_CASE("doctor: the clock of the processors") {
  Machine machine;
  const std::string cpus = "/sys/devices/system/cpu";
  CHECK(machine.Look("governor").seen == "cannot be seen");
  machine.Write(cpus + "/cpu0/online", "1");
  machine.Write(cpus + "/cpufreq/policy0/x", "1");  // no CPU of that name
  CHECK(machine.Look("governor").level == Level::kOk);
  CHECK(machine.Look("turbo").name == "absent");
  machine.Write(cpus + "/cpu0/cpufreq/scaling_governor", "performance");
  CHECK(machine.Look("governor").level == Level::kOk);
  machine.Write(cpus + "/cpu1/cpufreq/scaling_governor", "powersave");
  const DoctorCheck check = machine.Look("governor");
  CHECK(check.level == Level::kWarning);
  CHECK(check.seen == "performance on 1 of 2 CPUs, powersave on 1 of 2 CPUs");
  CHECK(check.remedy ==
        "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
  machine.Write(cpus + "/cpufreq/boost", "1");
  CHECK(machine.Look("turbo").level == Level::kInfo);
  CHECK(machine.Look("turbo").remedy == "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost");
  machine.Write(cpus + "/intel_pstate/no_turbo", "1");  // 1 is off there, and has the last word
  CHECK(machine.Look("turbo").seen == "off");
}

TEST_CASE("doctor: steal is told since the start, and of the last moment") {
  Machine machine;
  machine.Write("/proc/stat", "cpu  1000 0 0 9000 0 0 0 0 0 0\ncpu0 1");
  CHECK(machine.Look("steal").level == Level::kOk);
  machine.options.stat_before = "cpu  1000 0 0 8910 0 0 0 0 0 0\ncpu0 1";
  machine.Write("/proc/stat", "cpu  1000 0 0 8990 0 0 0 20 0 0\ncpu0 1");
  const DoctorCheck check = machine.Look("steal");
  CHECK(check.level == Level::kWarning);
  CHECK(check.seen == "20 % now, 0.2 % since the start");
}

TEST_CASE("doctor: pressure and load") {
  Machine machine;
  machine.Write("/proc/pressure/cpu", "some avg10=3.10 avg60=90.00 avg300=9.00 total=1");
  CHECK(machine.Look("waiting for cpu").level == Level::kOk);
  machine.Write("/proc/pressure/memory",
                "some avg10=2.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0 total=1");
  CHECK(machine.Look("waiting for memory").level == Level::kWarning);
  machine.Write("/proc/pressure/io", "some avg10=80.00 avg60=0.00 avg300=0.00 total=1");
  CHECK(machine.Look("waiting for disk").level == Level::kCritical);
  machine.Write("/proc/loadavg", "0.90 0.50 0.40 1/300 4000");
  CHECK(machine.Look("load average").level == Level::kOk);
  machine.Write("/proc/loadavg", "2.10 0.50 0.40 1/300 4000");
  CHECK(machine.Look("load average").level == Level::kWarning);
  CHECK(machine.Look("load average").seen == "2.1 on 2 CPUs");
}

TEST_CASE("doctor: control groups of version 2, the tightest of the own and those above") {
  Machine machine;
  const std::string top = "/sys/fs/cgroup";
  machine.Write("/proc/self/cgroup", "0::/user.slice/app.scope");
  machine.Write(top + "/cgroup.controllers", "cpu memory pids");
  machine.Write(top + "/user.slice/app.scope/cpu.max", "max 100000");
  machine.Write(top + "/user.slice/app.scope/memory.max", "max");
  CHECK(machine.Look("cgroup cpu").seen == "no limit");
  CHECK(machine.Look("cgroup memory").seen == "no limit");
  machine.Write(top + "/user.slice/cpu.max", "150000 100000");
  machine.Write(top + "/user.slice/cpu.stat", "usage_usec 9\nnr_periods 1000\nnr_throttled 250");
  const DoctorCheck check = machine.Look("cgroup cpu");
  CHECK(check.level == Level::kWarning);
  CHECK(check.seen == "1.5 CPUs, throttled in 25 % of 1,000 periods");
  CHECK(check.remedy == "echo max | sudo tee /sys/fs/cgroup/user.slice/cpu.max");
  machine.Write(top + "/user.slice/app.scope/memory.max", "1073741824");
  machine.Write(top + "/user.slice/app.scope/memory.current", "1060000000");
  CHECK(machine.Look("cgroup memory").level == Level::kCritical);
  machine.Write(top + "/user.slice/app.scope/memory.current", "10000000");
  CHECK(machine.Look("cgroup memory").level == Level::kOk);
  machine.Write(top + "/user.slice/pids.max", "100");
  CHECK(machine.Look("cgroup processes").level == Level::kWarning);
}

TEST_CASE("doctor: control groups of version 1, and a path that is not mounted") {
  Machine machine;
  const std::string top = "/sys/fs/cgroup";
  machine.Write("/proc/self/cgroup", "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/");
  machine.Write(top + "/cpu/cpu.cfs_quota_us", "50000");
  machine.Write(top + "/cpu/cpu.cfs_period_us", "100000");
  machine.Write(top + "/cpu/cpu.stat", "nr_periods 10\nnr_throttled 0\nthrottled_time 0");
  machine.Write(top + "/memory/memory.limit_in_bytes", "9223372036854771712");
  CHECK(machine.Look("cgroup cpu").level == Level::kInfo);
  CHECK(machine.Look("cgroup cpu").remedy ==
        "echo -1 | sudo tee /sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  CHECK(machine.Look("cgroup memory").seen == "no limit");
  machine.Write(top + "/cpu/cpu.cfs_quota_us", "-1");
  CHECK(machine.Look("cgroup cpu").seen == "no limit");
}

TEST_CASE("doctor: memory") {
  Machine machine;
  machine.Write("/proc/meminfo",
                "MemTotal:       1000000 kB\nMemFree: 10 kB\nMemAvailable:    20000 kB\n"
                "SwapTotal:      100000 kB\nSwapFree:       40000 kB");
  CHECK(machine.Look("available").level == Level::kCritical);
  CHECK(machine.Look("swap").level == Level::kWarning);
  CHECK(machine.Look("swap").remedy == "sudo swapoff -a && sudo swapon -a");
  machine.Write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
  CHECK(machine.Look("huge pages").level == Level::kOk);
  machine.Write("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
  CHECK(machine.Look("huge pages").level == Level::kWarning);
  CHECK(machine.Look("huge pages").remedy ==
        "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled");
  machine.Write("/proc/sys/vm/overcommit_memory", "0");
  CHECK(machine.Look("overcommit").level == Level::kInfo);
}

TEST_CASE("doctor: time") {
  Machine machine;
  const std::string source = "/sys/devices/system/clocksource/clocksource0";
  machine.Write(source + "/current_clocksource", "tsc");
  CHECK(machine.Look("clock source").level == Level::kOk);
  machine.Write(source + "/current_clocksource", "hpet");
  machine.Write(source + "/available_clocksource", "hpet acpi_pm");
  CHECK(machine.Look("clock source").level == Level::kWarning);
  CHECK(machine.Look("clock source").remedy == "");
  machine.Write(source + "/available_clocksource", "hpet kvm-clock tsc acpi_pm");
  CHECK(machine.Look("clock source").remedy ==
        "echo kvm-clock | sudo tee " + source + "/current_clocksource");
  CHECK(machine.Look("synchronized").name == "absent");
  machine.options.clock_synchronized = false;
  CHECK(machine.Look("synchronized").level == Level::kInfo);
  CHECK(machine.Look("synchronized").remedy == "sudo apt install systemd-timesyncd");
}

TEST_CASE("doctor: servers and their versions") {
  Machine machine;
  CHECK(machine.Look("postgres").level == Level::kInfo);
  CHECK(machine.Look("postgres").remedy == "sudo apt install postgresql");
  CHECK(machine.Look("nginx").name == "absent");  // nothing needs it
  machine.Program("/usr/lib/postgresql/9.6/bin/postgres");
  machine.Program("/usr/lib/postgresql/15/bin/postgres");
  machine.Program("/usr/bin/valkey-server");
  machine.Program("/usr/sbin/nginx");
  machine.Write("/usr/sbin/haproxy", "not executable");
  machine.options.version_of = [](const std::string& program) -> std::optional<std::string> {
    if (program.ends_with("/15/bin/postgres")) return "postgres (PostgreSQL) 15.7 (Debian 15.7-0)";
    if (program.ends_with("/nginx")) return "nginx version: nginx/1.22.1";
    if (program.ends_with("/valkey-server")) return "Server v=8.0.1 sha=00000000:0 malloc=jemalloc";
    return std::nullopt;
  };
  CHECK(machine.Look("postgres").seen == "15.7 (/usr/lib/postgresql/15/bin/postgres)");
  CHECK(machine.Look("redis").seen == "8.0.1 (/usr/bin/valkey-server)");
  CHECK(machine.Look("nginx").seen == "1.22.1 (/usr/sbin/nginx)");
  CHECK(machine.Look("haproxy").name == "absent");
}

TEST_CASE("doctor: places are tried where they are, or where they would be made") {
  Machine machine;
  std::filesystem::create_directories(machine.options.root + "/run/user/0");
  machine.options.run_directory = "/run/user/0/perfkit";
  const DoctorCheck check = machine.Look("run directory");
  CHECK(check.level != Level::kCritical);
  CHECK(check.seen.find("(made when needed)") != std::string::npos);
  std::filesystem::create_directories(machine.options.root + "/run/user/0/perfkit");
  ::chmod((machine.options.root + "/run/user/0/perfkit").c_str(), 0777);
  CHECK(machine.Look("run directory").level == Level::kWarning);
  CHECK(machine.Look("run directory").remedy == "chmod o-w /run/user/0/perfkit");
  machine.Write("/state", "a file");
  machine.options.state_directory = "/state/perfkit";
  CHECK(machine.Look("state directory").level == Level::kCritical);
}

TEST_CASE("doctor: a machine that cannot be seen at all is an error, garbage is not") {
  DoctorOptions nowhere;
  nowhere.root = "/nonexistent";
  CHECK_THROWS_AS(Examine(nowhere), IoError);
  Machine machine;
  for (const char* const path :
       {"/proc/stat", "/proc/self/limits", "/proc/self/cgroup", "/proc/meminfo", "/proc/loadavg",
        "/proc/swaps", "/proc/pressure/cpu", "/proc/net/sockstat",
        "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/net/core/somaxconn",
        "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.controllers",
        "/sys/fs/cgroup/cpu.max"}) {
    for (const std::string& garbage :
         {std::string(), std::string("x"), std::string("-1 99999999999999999999 ]["),
          std::string("Max open files"), std::string("0::\n::::\ncpu"),
          std::string(300'000, 'a')}) {
      machine.Write(path, garbage);
      CHECK_NOTHROW(Examine(machine.options));
    }
  }
}

TEST_CASE("doctor: this machine") {
  const std::vector<DoctorCheck> checks = Examine(ThisMachine());
  CHECK(checks.size() >= 8);
  for (const DoctorCheck& check : checks) {
    INFO(check.name);
    CHECK(!check.area.empty());
    CHECK(!check.seen.empty());
    // Who is told that something is wrong is told what it spoils.
    CHECK((check.level == Level::kOk) == check.spoils.empty());
  }
}
