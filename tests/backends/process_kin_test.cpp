// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/process_kin.hpp"

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace perf::backends {
namespace {

TEST_CASE("process kin: descendants are found whatever session they made, and others are not") {
  const KinMark mark = NewKinMark();
  CHECK(mark != NewKinMark());
  CHECK(KinMarkOf(::getpid()) == 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::array<int, 2> ready{};
  REQUIRE(::pipe(ready.data()) == 0);
  const pid_t first = ::fork();
  if (first == 0) {
    if (!TakeKinMark(mark)) ::_exit(1);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::setsid();
    const char byte = 1;
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  const pid_t stranger = ::fork();
  if (stranger == 0)
    for (;;) ::pause();
  std::array<char, 2> bytes{};
  REQUIRE(::read(ready[0], bytes.data(), 1) == 1);
  REQUIRE(::read(ready[0], bytes.data() + 1, 1) == 1);

  auto kin = KinOf(mark, first);
  REQUIRE(kin.size() == 2);
  CHECK(kin[0] == first);
  const pid_t grandchild = kin[1];
  CHECK(::getsid(grandchild) == grandchild);
  // Also when its parent is gone.
  ::kill(first, SIGKILL);
  CHECK(::waitpid(first, nullptr, 0) == first);
  CHECK(KinOf(mark, first).size() == 1);
  CHECK(SignalKin(mark, first, SIGKILL) == 1);
  CHECK(::waitpid(grandchild, nullptr, 0) == grandchild);
  CHECK(KinOf(mark, first).empty());
  CHECK(KinOf(0, first).empty());

  ::kill(stranger, SIGKILL);
  CHECK(::waitpid(stranger, nullptr, 0) == stranger);
  for (const int fd : ready) ::close(fd);
}

}  // namespace
}  // namespace perf::backends
