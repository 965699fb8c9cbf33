// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/style.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string>

#include "tests/report/variable.hpp"

using namespace perf::report;
using perf::test::Variable;

namespace {

/// The program's end of a terminal.
struct Terminal {
  Terminal() : other(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    REQUIRE(other >= 0);
    REQUIRE(::grantpt(other) == 0);
    REQUIRE(::unlockpt(other) == 0);
    fd = ::open(::ptsname(other), O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(fd >= 0);
  }
  ~Terminal() {
    ::close(fd);
    ::close(other);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  int other;
  int fd = -1;
};

}  // namespace

TEST_CASE("style: escape sequences go only to a terminal that follows them") {
  const Terminal terminal;
  const Variable no_color("NO_COLOR", nullptr);
  {
    const Variable term("TERM", "xterm");
    CHECK(IsTerminal(terminal.fd));
    CHECK(Style(ColorChoice::kAuto, terminal.fd).Colored());
    CHECK(!Style(ColorChoice::kNever, terminal.fd).Colored());
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    CHECK(!IsTerminal(pipe[1]));
    CHECK(!Style(ColorChoice::kAuto, pipe[1]).Colored());
    CHECK(Style(ColorChoice::kAlways, pipe[1]).Colored());
    for (const int end : pipe) ::close(end);
    CHECK(!IsTerminal(-1));
    const Variable set("NO_COLOR", "1");
    CHECK(IsTerminal(terminal.fd));
    CHECK(!Style(ColorChoice::kAuto, terminal.fd).Colored());
  }
  for (const char* name : {"dumb", static_cast<const char*>(nullptr)}) {
    const Variable term("TERM", name);
    CHECK(!IsTerminal(terminal.fd));
    CHECK(!Style(ColorChoice::kAuto, terminal.fd).Colored());
  }
}
