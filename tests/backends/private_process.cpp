// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/private_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace perf::test {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void Become(const std::string& directory, char** arguments, int last, pid_t parent,
                         const struct stat& owner) {
  ::prctl(PR_SET_PDEATHSIG, last);
  if (::getppid() != parent) ::_exit(1);
  const int output =
      ::open((directory + "/output.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(output, 1);
  ::dup2(output, 2);
  if (::geteuid() == 0 && owner.st_uid != 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(owner.st_gid) != 0 ||
        ::setuid(owner.st_uid) != 0) {
      ::_exit(1);
    }
    ::prctl(PR_SET_PDEATHSIG, last);  // a change of user takes it away
  }
  if (::chdir(directory.c_str()) != 0) ::_exit(1);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

bool AwaitConnect(const sockaddr* address, socklen_t length, PrivateProcess& process) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (process.Lives() && std::chrono::steady_clock::now() < deadline) {
    const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = ::connect(fd, address, length) == 0;
    ::close(fd);
    if (connected) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

}  // namespace

PrivateProcess::PrivateProcess(const std::string& directory,
                               const std::vector<std::string>& arguments, int last)
    : last_(last) {
  struct stat owner{};
  if (::stat(directory.c_str(), &owner) != 0) throw std::runtime_error("no " + directory);
  std::vector<char*> raw;
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) Become(directory, raw.data(), last, parent, owner);
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

PrivateProcess::~PrivateProcess() {
  if (!Lives()) return;
  ::kill(pid_, last_);
  ::waitpid(pid_, nullptr, 0);
}

bool PrivateProcess::Finish() {
  if (pid_ > 0) ::waitpid(pid_, &status_, 0);
  pid_ = -1;
  return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
}

bool PrivateProcess::Lives() {
  if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

int FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool good = ::bind(fd, any, length) == 0 && ::getsockname(fd, any, &length) == 0;
  ::close(fd);
  if (!good) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool AwaitListener(int port, PrivateProcess& process) {
  const sockaddr_in address = Loopback(port);
  return AwaitConnect(reinterpret_cast<const sockaddr*>(&address), sizeof address, process);
}

bool AwaitListener(const std::string& socket, PrivateProcess& process) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return false;
  socket.copy(address.sun_path, socket.size());
  return AwaitConnect(reinterpret_cast<const sockaddr*>(&address), sizeof address, process);
}

void GiveTo(const std::string& name, const std::string& path) {
  if (::geteuid() != 0) return;
  const passwd* user = ::getpwnam(name.c_str());
  if (user == nullptr) user = ::getpwnam("nobody");
  if (user == nullptr || ::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
    throw std::runtime_error("cannot give away " + path);
  }
}

std::string FirstProgram(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

}  // namespace perf::test
