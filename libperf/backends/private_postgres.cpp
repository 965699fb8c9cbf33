// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/shm.h>
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

#include "libperf/backends/private_topology.hpp"
#include "libperf/backends/server_plan.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Programs of one installation: they must be of the same version.
struct Binaries {
  std::string initdb;
  std::string postgres;
  std::string base_backup;  // empty where missing
};

std::optional<Binaries> BinariesIn(const std::string& directory) {
  auto initdb = FindProgram("initdb", directory);
  auto postgres = FindProgram("postgres", directory);
  if (!initdb || !postgres) return std::nullopt;
  // It may be linked there from where the others are, too.
  const std::string real = fs::weakly_canonical(*postgres).parent_path();
  return Binaries{*std::move(initdb), *std::move(postgres),
                  FindProgram("pg_basebackup", directory + ":" + real).value_or("")};
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

/// Where the nodes of one target live; node i answers at conninfos[i].
struct Places {
  Binaries binaries;
  std::vector<std::string> sockets;  // directories
  std::vector<std::string> conninfos;

  std::string Data(std::size_t node) const { return sockets[node] + "/data"; }
};

ServerCommand ServeCommand(const Places& places, std::size_t node,
                           std::optional<std::size_t> primary) {
  std::vector<std::string> settings = {
      "listen_addresses=", "port=5432", "unix_socket_directories=" + places.sockets[node],
      "cluster_name=perfkit", "max_connections=200", "shared_buffers=128MB", "fsync=off",
      "synchronous_commit=off", "full_page_writes=off",
      // Segments as files of the data directory: needs no /dev/shm and leaves nothing there.
      "dynamic_shared_memory_type=mmap",
      // A load test may fail on purpose, and the log must not fill the disk.
      "log_min_messages=fatal"};
  if (places.sockets.size() > 1) {
    // What was committed survives a crash of the process, as faults are about that. Both servers
    // start at once, and a killed one is missed soon.
    for (const char* setting :
         {"synchronous_commit=local", "wal_retrieve_retry_interval=50ms", "wal_keep_size=64MB",
          "wal_sender_timeout=5s", "wal_receiver_timeout=5s"})
      settings.emplace_back(setting);
  }
  if (primary)
    settings.push_back(fmt::format("primary_conninfo={} application_name=perfkit_replica",
                                   places.conninfos[*primary]));
  ServerCommand command;
  command.argv = {places.binaries.postgres, "-D", places.Data(node)};
  for (std::string& setting : settings) {
    command.argv.emplace_back("-c");
    command.argv.push_back(std::move(setting));
  }
  return command;
}

/// A data directory whose server has never run is as good as a base backup of it.
ServerCommand CopyCommand(const Places& places) {
  ServerCommand command;
  command.run = [from = places.Data(0), to = places.Data(1)] {
    fs::copy(from, to, fs::copy_options::recursive);
    std::ofstream(to + "/standby.signal").close();
  };
  return command;
}

/// What a primary wrote after another one was promoted is nobody's: it begins with a new copy.
std::vector<ServerCommand> CloneCommands(const Places& places, std::size_t node,
                                         std::size_t primary) {
  ServerCommand clear;
  clear.run = [data = places.Data(node)] { fs::remove_all(data); };
  ServerCommand clone;
  clone.argv = {places.binaries.base_backup,
                "-D",
                places.Data(node),
                "-d",
                places.conninfos[primary],
                "-c",
                "fast",
                "-X",
                "stream",
                "-R",
                "--no-sync"};
  return {clear, clone};
}

/// After a crash: the System V segment that nobody is attached to any more, and the files that
/// would be taken for those of a living server.
void Bury(const std::string& sockets) {
  const std::string pid_file = sockets + "/data/postmaster.pid";
  std::ifstream file(pid_file);
  std::string line;
  int lines = 0;
  while (lines < 7 && std::getline(file, line)) ++lines;
  long key = 0;
  int segment = -1;
  // Line 7: key and number.
  if (lines == 7 && std::sscanf(line.c_str(), "%ld %d", &key, &segment) == 2) {
    shmid_ds info{};
    if (::shmctl(segment, IPC_STAT, &info) == 0 && info.shm_nattch == 0 &&
        info.shm_perm.__key == static_cast<key_t>(key))
      ::shmctl(segment, IPC_RMID, nullptr);
  }
  std::error_code ignored;
  fs::remove(pid_file, ignored);
  fs::remove(sockets + "/.s.PGSQL.5432", ignored);
  fs::remove(sockets + "/.s.PGSQL.5432.lock", ignored);
}

Places MakePlaces(const PrivateSpec& spec, const ServerSite& site, const std::string& label) {
  if (::geteuid() == 0)
    throw UnreachableError(label +
                           ": it refuses to run as root, and there is no other user to become");
  const auto binaries = FindBinaries(site.search_path);
  if (!binaries) throw UnreachableError(label + ": initdb not found: install postgresql");
  Places places{*binaries, {}, {}};
  const bool pair = spec.topology == Topology::kPrimaryReplica;
  if (pair && binaries->base_backup.empty())
    throw UnreachableError(label + ": pg_basebackup not found: install postgresql-client");
  for (std::size_t node = 0; node < (pair ? 2 : 1); ++node) {
    const std::string sockets = pair ? fmt::format("{}/pg{}-{}", site.directory, site.index, node)
                                     : fmt::format("{}/pg{}", site.directory, site.index);
    std::error_code error;
    fs::create_directory(sockets, error);  // the guardian's umask makes it 0700
    if (error) throw UnreachableError(fmt::format("{}: {}: {}", label, sockets, error.message()));
    places.sockets.push_back(sockets);
    // The port is named, for PGPORT may be set where it is read.
    places.conninfos.push_back(
        fmt::format("host={} port=5432 user=postgres dbname=postgres", sockets));
  }
  return places;
}

ServerPlan PlanNode(const std::string& label, const Places& places, std::size_t node) {
  ServerPlan plan;
  plan.label = label;
  plan.place = fs::path(places.sockets[node]).filename();
  plan.url = places.conninfos[node];
  plan.ready = [pid_file = places.Data(node) + "/postmaster.pid"] { return SaysReady(pid_file); };
  plan.again = [places, node](const Comeback& comeback) {
    std::vector<ServerCommand> stages;
    if (comeback.primary && comeback.diverged)
      stages = CloneCommands(places, node, *comeback.primary);
    stages.push_back(ServeCommand(places, node, comeback.primary));
    return stages;
  };
  plan.bury = [sockets = places.sockets[node]] { Bury(sockets); };
  // An immediate shutdown: nobody needs the data, but the System V segment should go.
  plan.death_signal = SIGQUIT;
  // After SIGQUIT the postmaster itself kills backends that do not react within 5 s (stopped
  // ones, say); killing it earlier would orphan them.
  plan.stop = {{SIGINT, 2s}, {SIGQUIT, 6s}, {SIGKILL, 1s}};
  return plan;
}

}  // namespace

TargetPlan PlanPostgres(const PrivateSpec& spec, const ServerSite& site) {
  TargetPlan target;
  target.label = fmt::format("target {}: private PostgreSQL", spec.name);
  const Places places = MakePlaces(spec, site, target.label);
  ServerPlan first = PlanNode(target.label, places, 0);
  first.stages = {InitCommand(places.binaries, places.Data(0)), ServeCommand(places, 0, {})};
  target.url = first.url;
  if (spec.topology == Topology::kSingle) {
    target.nodes.push_back(std::move(first));
    return target;
  }
  ServerPlan second = PlanNode(target.label + "'s replica", places, 1);
  first.stages.insert(first.stages.end() - 1, CopyCommand(places));
  second.stages = {ServeCommand(places, 1, 0)};
  second.role = "replica";
  second.after = 1;
  second.after_ready = false;
  target.nodes.push_back(std::move(first));
  target.nodes.push_back(std::move(second));
  target.url =
      fmt::format("host={} port=5432 user=postgres dbname=postgres target_session_attrs=read-write",
                  fmt::join(places.sockets, ","));
  target.settle = [conninfos = places.conninfos](std::size_t primary, Deadline deadline) {
    AwaitReplication(conninfos[primary], deadline);
  };
  target.promote = [conninfos = places.conninfos](std::size_t node, Deadline deadline) {
    PromotePostgres(conninfos[node], deadline);
  };
  return target;
}

}  // namespace perf::backends
