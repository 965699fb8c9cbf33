// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/terminal_text.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <limits>
#include <vector>

#include "tests/report/variable.hpp"

using namespace perf::report;
using perf::test::Variable;

TEST_CASE("terminal text: the size is the variables', else the terminal's, else that of a file") {
  const int other = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(other >= 0);
  REQUIRE(::grantpt(other) == 0);
  REQUIRE(::unlockpt(other) == 0);
  const int fd = ::open(::ptsname(other), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  winsize window{};
  window.ws_col = 72;
  window.ws_row = 30;
  REQUIRE(::ioctl(fd, TIOCSWINSZ, &window) == 0);
  {
    const Variable columns("COLUMNS", nullptr), lines("LINES", nullptr);
    CHECK(SizeOfTerminal(fd).columns == 72);
    CHECK(SizeOfTerminal(fd).lines == 30);
    CHECK(SizeOfTerminal(-1).columns == 120);
    CHECK(SizeOfTerminal(-1).lines == 0);
  }
  const Variable lines("LINES", "12");
  for (const char* const wrong : {"", "0", "19", "-80", "80x", "99999999999999999999"}) {
    const Variable columns("COLUMNS", wrong);
    CHECK(SizeOfTerminal(fd).columns == 72);
  }
  const Variable columns("COLUMNS", "60");
  CHECK(SizeOfTerminal(fd).columns == 60);
  CHECK(SizeOfTerminal(fd).lines == 12);
  ::close(fd);
  ::close(other);
}

TEST_CASE("terminal text: the locale's letters") {
  const Variable all("LC_ALL", nullptr), type("LC_CTYPE", nullptr), lang("LANG", nullptr);
  CHECK(!Utf8Locale());
  {
    const Variable here("LANG", "de_DE.UTF-8@euro");
    CHECK(Utf8Locale());
    const Variable first("LC_ALL", "C");
    CHECK(!Utf8Locale());
  }
  const Variable here("LC_CTYPE", "C.utf8");
  CHECK(Utf8Locale());
  const Variable empty("LC_ALL", "");  // as if it were not set
  CHECK(Utf8Locale());
}

TEST_CASE("terminal text: columns") {
  CHECK(DisplayWidth("plain") == 5);
  CHECK(DisplayWidth("µ▁…") == 3);
  CHECK(DisplayWidth("日本") == 4);
  CHECK(DisplayWidth("e\u0301") == 1);
  CHECK(DisplayWidth("\xff\xfe") == 2);
  CHECK(Fitted("pg-main", 7) == "pg-main");
  CHECK(Fitted("pg-main-2", 7) == "pg-mai…");
  CHECK(Fitted("日本語", 4) == "日…");
  CHECK(Fitted("x", 0) == "");
  CHECK(Padded("日", 4) == "日  ");
  // A name must not be able to send a command to the terminal.
  CHECK(Fitted("a\x1b[2Jb", 20) == "a\\x1b[2Jb");
}

TEST_CASE("terminal text: sparks") {
  const double gap = std::numeric_limits<double>::quiet_NaN();
  CHECK(Sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}, 8) == "▁▂▃▄▅▆▇█");
  CHECK(Sparkline(std::vector<double>{1, 2}, 4) == "  ▁█");
  CHECK(Sparkline(std::vector<double>{1, gap, 2}, 3) == "▁ █");
  CHECK(Sparkline(std::vector<double>{0, 0, 9, 0}, 2) == "▁█");  // a peak is never lost
  CHECK(Sparkline(std::vector<double>{0, 0, 0}, 3) == "▁▁▁");
  CHECK(Sparkline(std::vector<double>{98.4, 98.5, 98.4}, 3) == "▁▁▁");  // noise is no mountain
  CHECK(Sparkline(std::vector<double>{gap, gap}, 2) == "  ");
  CHECK(Sparkline(std::vector<double>{}, 3) == "   ");
}

TEST_CASE("terminal text: ASCII keeps the columns") {
  const std::string text = "a · µs … ▁▂▃▄▅▆▇█ é 日";
  const std::string ascii = ToAscii(text);
  CHECK(ascii == "a - us ~ ..::--=# ? ??");
  CHECK(DisplayWidth(ascii) == DisplayWidth(text));
}
