// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "libperf/backends/server_plan.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Both programs of one installation: they must be of the same version.
struct Binaries {
  std::string initdb;
  std::string postgres;
};

std::optional<Binaries> BinariesIn(const std::string& directory) {
  auto initdb = FindProgram("initdb", directory);
  auto postgres = FindProgram("postgres", directory);
  if (!initdb || !postgres) return std::nullopt;
  return Binaries{*std::move(initdb), *std::move(postgres)};
}

/// /usr/lib/postgresql/VERSION/bin, the highest version first: not in anybody's PATH on Debian.
std::vector<std::string> VersionedDirectories() {
  std::vector<std::pair<double, std::string>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error))
    found.emplace_back(std::strtod(entry.path().filename().c_str(), nullptr), entry.path() / "bin");
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> result;
  for (auto& [version, path] : found) result.push_back(std::move(path));
  return result;
}

std::string PgConfigDirectory() {
  std::string text;
  FILE* pipe = ::popen("pg_config --bindir 2>/dev/null", "re");
  if (pipe == nullptr) return text;
  std::array<char, 256> buffer;
  while (const auto n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    text.append(buffer.data(), n);
  ::pclose(pipe);
  return std::string(Trim(text));
}

std::optional<Binaries> FindBinaries(const std::string& search_path) {
  const std::string path = search_path.empty() ? DefaultSearchPath() : search_path;
  for (const auto directory : Split(path, ':'))
    if (auto found = BinariesIn(std::string(directory))) return found;
  if (!search_path.empty()) return std::nullopt;
  for (const auto& directory : VersionedDirectories())
    if (auto found = BinariesIn(directory)) return found;
  const std::string directory = PgConfigDirectory();
  return directory.empty() ? std::nullopt : BinariesIn(directory);
}

/// What pg_ctl does: line 8 of postmaster.pid, padded with spaces.
bool SaysReady(const std::string& pid_file) {
  std::ifstream file(pid_file);
  std::string line;
  for (int i = 0; i < 8; ++i)
    if (!std::getline(file, line)) return false;
  return Trim(line) == "ready";
}

ServerCommand InitCommand(const Binaries& binaries, const std::string& data) {
  ServerCommand command;
  // Trust is safe here: the only socket lies in a 0700 directory.
  command.argv = {binaries.initdb,     "-D", data,   "-A", "trust",    "-N",
                  "--no-instructions", "-E", "UTF8", "-U", "postgres", "--locale=C"};
  return command;
}

ServerCommand ServeCommand(const Binaries& binaries, const std::string& data,
                           const std::string& sockets) {
  ServerCommand command;
  command.argv = {binaries.postgres, "-D", data};
  for (const std::string& setting :
       {std::string("listen_addresses="), "unix_socket_directories=" + sockets,
        std::string("cluster_name=perfkit"), std::string("max_connections=200"),
        std::string("shared_buffers=128MB"), std::string("fsync=off"),
        std::string("synchronous_commit=off"), std::string("full_page_writes=off"),
        // Segments as files of the data directory: needs no /dev/shm and leaves nothing there.
        std::string("dynamic_shared_memory_type=mmap"),
        // A load test may fail on purpose, and the log must not fill the disk.
        std::string("log_min_messages=fatal")}) {
    command.argv.push_back("-c");
    command.argv.push_back(setting);
  }
  return command;
}

}  // namespace

ServerPlan PlanPostgres(const PrivateSpec& spec, const ServerSite& site) {
  ServerPlan plan;
  plan.label = fmt::format("target {}: private PostgreSQL", spec.name);
  if (::geteuid() == 0)
    throw UnreachableError(plan.label +
                           ": it refuses to run as root, and there is no other user to become");
  const auto binaries = FindBinaries(site.search_path);
  if (!binaries) throw UnreachableError(plan.label + ": initdb not found: install postgresql");

  plan.place = fmt::format("pg{}", site.index);
  const std::string sockets = fmt::format("{}/{}", site.directory, plan.place);
  const std::string data = sockets + "/data";
  std::error_code error;
  fs::create_directory(sockets, error);  // the guardian's umask makes it 0700
  if (error)
    throw UnreachableError(fmt::format("{}: {}: {}", plan.label, sockets, error.message()));

  plan.url = fmt::format("host={} user=postgres dbname=postgres", sockets);
  plan.stages = {InitCommand(*binaries, data), ServeCommand(*binaries, data, sockets)};
  plan.ready = [pid_file = data + "/postmaster.pid"] { return SaysReady(pid_file); };
  // An immediate shutdown: nobody needs the data, but the System V segment should go.
  plan.death_signal = SIGQUIT;
  // After SIGQUIT the postmaster itself kills backends that do not react within 5 s (stopped
  // ones, say); killing it earlier would orphan them.
  plan.stop = {{SIGINT, 2s}, {SIGQUIT, 6s}, {SIGKILL, 1s}};
  return plan;
}

}  // namespace perf::backends
