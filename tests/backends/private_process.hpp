// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace perf::test {

/// A server of a test's own: a child that ends with this process and with its owner.
class PrivateProcess {
 public:
  /// Runs `arguments` (the first is a path) as the owner of `directory`, which is also where it
  /// works and where its output goes (output.log): servers that refuse to be root take that user.
  /// `last`: the signal that ends it.
  PrivateProcess(const std::string& directory, const std::vector<std::string>& arguments, int last);
  ~PrivateProcess();
  PrivateProcess(const PrivateProcess&) = delete;
  PrivateProcess& operator=(const PrivateProcess&) = delete;
  /// Waits for its end; whether it exited with 0.
  bool Finish();
  bool Lives();

 private:
  pid_t pid_ = -1;
  int last_;
  int status_ = 0;
};

/// A loopback TCP port that is free now.
int FreePort();
/// Waits until somebody listens there: a port of 127.0.0.1, or a unix socket.
bool AwaitListener(int port, PrivateProcess& process);
bool AwaitListener(const std::string& socket, PrivateProcess& process);
/// Gives a file or directory to the user under whom servers run here: our own, or where we are
/// root `name`, nobody where there is none.
void GiveTo(const std::string& name, const std::string& path);
/// The first of these files that can be run; empty where there is none.
std::string FirstProgram(const std::vector<std::string>& paths);

}  // namespace perf::test
