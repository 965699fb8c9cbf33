// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "libperf/backends/speech_server.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// One target with `url: private`.
struct PrivateSpec {
  enum class Kind { kPostgres, kRedis, kSpeech };
  std::string name;  // of the target; unique within one call of Start
  Kind kind = Kind::kPostgres;
  SpeechConfig speech;
};

/// Where things are looked for and put; the defaults suit everybody but tests.
struct PrivateOptions {
  /// Directory for the temporary directory; empty: $TMPDIR, else /dev/shm where that is a memory
  /// file system with 2 GiB free, else /tmp.
  std::string temporary;
  /// Directories with the binaries, separated by ':'; empty: $PATH and the places of Debian.
  std::string search_path;
  /// Whom root becomes; empty: postgres, redis or nobody, the first that exists.
  std::string user;
};

/// Real servers for one run, in a process group, session and 0700 directory of their own
/// (perfkit-UID-XXXXXX). A small guardian process, forked here, starts them and ends
/// them when this object goes or this process ends in any way; if the guardian itself is
/// killed, the kernel ends the servers and the next Start removes the directory. Ctrl-C in a
/// terminal reaches none of them, so that a run can still write its results. Thread safety: none.
/// Lifetime: Start before the process has other threads (it forks without exec).
class PERF_EXPORT PrivateServers {
 public:
  /// Returns when every server answers.
  /// Throws: UnreachableError naming the target, what is missing and the package that brings it,
  /// or what the server's log says; ConfigError for two targets of one name.
  static PrivateServers Start(std::span<const PrivateSpec> specs, Deadline deadline,
                              const PrivateOptions& options = {});

  PrivateServers() noexcept = default;  // none
  PrivateServers(PrivateServers&& other) noexcept;
  PrivateServers& operator=(PrivateServers&& other) noexcept;
  ~PrivateServers();
  /// What the destructor does: stops all and removes the directory; returns when that is done,
  /// after at most 12 s.
  void Stop() noexcept;

  bool Has(std::string_view name) const noexcept;
  /// postgres: a conninfo, "host=/dir user=postgres dbname=postgres"; redis:
  /// "unix:///dir/redis.sock"; speech: "http://127.0.0.1:PORT". Throws: Error for an unknown name.
  const std::string& Url(std::string_view name) const;
  pid_t Pid(std::string_view name) const;
  pid_t GuardianPid() const noexcept { return guardian_; }
  const std::string& Directory() const noexcept { return directory_; }

 private:
  struct Server {
    std::string url;
    pid_t pid = -1;
  };
  const Server& Find(std::string_view name) const;
  void AwaitReady(std::span<const PrivateSpec> specs, Deadline deadline);
  /// True at the last line.
  bool Learn(std::span<const PrivateSpec> specs, std::string_view line);

  std::map<std::string, Server, std::less<>> servers_;
  std::string directory_;
  pid_t guardian_ = -1;
  int channel_ = -1;
};

}  // namespace perf::backends
