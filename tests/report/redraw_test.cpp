// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/redraw.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace perf;
using namespace perf::report;

namespace {

/// A terminal of `lines` lines, as far as Redraw uses one.
class Terminal {
 public:
  explicit Terminal(std::size_t lines) : rows_(lines) {}
  void Feed(std::string_view text) {
    ++writes_;
    while (!text.empty()) {
      if (text[0] == '\x1b') {
        const std::size_t end = text.find_first_of("AHJKhl");
        REQUIRE(end != std::string_view::npos);
        Escape(text.substr(2, end - 2), text[end]);
        text.remove_prefix(end + 1);
        continue;
      }
      if (text[0] == '\r') {
        column_ = 0;
      } else if (text[0] == '\n') {
        if (++row_ == rows_.size()) Scroll();
      } else {
        rows_[row_].resize(std::max(rows_[row_].size(), column_ + 1), ' ');
        rows_[row_][column_++] = text[0];
      }
      text.remove_prefix(1);
    }
  }
  const std::vector<std::string>& Rows() const { return rows_; }
  std::size_t Row() const { return row_; }
  std::size_t Scrolled() const { return scrolled_; }
  std::size_t Writes() const { return writes_; }
  bool cursor = true, wraps = true;

 private:
  void Scroll() {
    rows_.erase(rows_.begin());
    rows_.emplace_back();
    --row_;
    ++scrolled_;
  }
  void Escape(std::string_view number, char letter) {
    switch (letter) {
      case 'A':
        row_ -= std::min(row_, static_cast<std::size_t>(std::stoul(std::string(number))));
        break;
      case 'H': row_ = column_ = 0; break;
      case 'K': rows_[row_].resize(column_); break;
      case 'J':
        rows_[row_].resize(std::min(rows_[row_].size(), column_));
        for (std::size_t i = row_ + 1; i < rows_.size(); ++i) rows_[i].clear();
        break;
      default:
        if (number == "?25") cursor = letter == 'h';
        if (number == "?7") wraps = letter == 'h';
    }
  }
  std::vector<std::string> rows_;
  std::size_t row_ = 0, column_ = 0, scrolled_ = 0, writes_ = 0;
};

}  // namespace

TEST_CASE("redraw: a screen is drawn where the last one stood, and what was above stays") {
  Terminal terminal(8);
  terminal.Feed("$ perfctl status --watch\r\n");
  Redraw redraw(true, [&](std::string_view text) { terminal.Feed(text); });
  redraw.Draw("one\nlong line\nthree\n", 8, 80);
  CHECK(terminal.Rows() == std::vector<std::string>{"$ perfctl status --watch", "one", "long line",
                                                    "three", "", "", "", ""});
  redraw.Draw("one\nline\n", 8, 80);
  CHECK(terminal.Rows() ==
        std::vector<std::string>{"$ perfctl status --watch", "one", "line", "", "", "", "", ""});
  CHECK(terminal.Row() == 3);
  CHECK(terminal.cursor);
  CHECK(terminal.wraps);
  CHECK(terminal.Writes() == 3);  // no frame is seen half drawn
}

TEST_CASE("redraw: a line that did not change is not written again, nor cleared before") {
  std::vector<std::string> written;
  Redraw redraw(true, [&](std::string_view text) { written.emplace_back(text); });
  redraw.Draw("same\nold\n", 24, 80);
  redraw.Draw("same\nnew\n", 24, 80);
  REQUIRE(written.size() == 2);
  CHECK(written[1].find("same") == std::string::npos);
  CHECK(written[1].find("new\x1b[K") != std::string::npos);
  CHECK(written[1].find("\x1b[2J") == std::string::npos);
}

TEST_CASE("redraw: of a screen that is too long the top is shown, and nothing scrolls") {
  Terminal terminal(4);
  Redraw redraw(true, [&](std::string_view text) { terminal.Feed(text); });
  for (int i = 0; i < 5; ++i) redraw.Draw("1\n2\n3\n4\n5\n6\n", 4, 80);
  CHECK(terminal.Rows() == std::vector<std::string>{"1", "2", "3", ""});
  CHECK(terminal.Scrolled() == 0);
}

TEST_CASE("redraw: at the bottom of the terminal it moves up once, and then stands") {
  Terminal terminal(5);
  terminal.Feed("a\r\nb\r\nc\r\n");
  Redraw redraw(true, [&](std::string_view text) { terminal.Feed(text); });
  for (int i = 0; i < 3; ++i) redraw.Draw("1\n2\n3\n", 5, 80);
  CHECK(terminal.Rows() == std::vector<std::string>{"c", "1", "2", "3", ""});
  CHECK(terminal.Scrolled() == 2);
}

TEST_CASE("redraw: after a change of the width all is drawn anew from the top") {
  Terminal terminal(6);
  terminal.Feed("before\r\n");
  Redraw redraw(true, [&](std::string_view text) { terminal.Feed(text); });
  redraw.Draw("1\n2\n", 6, 80);
  redraw.Draw("1\n2\n", 6, 60);
  CHECK(terminal.Rows() == std::vector<std::string>{"1", "2", "", "", "", ""});
}

TEST_CASE("redraw: into a pipe screens follow one another, without escape sequences") {
  std::string text;
  Redraw redraw(false, [&](std::string_view more) { text += more; });
  redraw.Draw("one\n", 0, 80);
  redraw.Draw("one\n", 0, 60);
  CHECK(text == "one\n\none\n");
}

TEST_CASE("redraw: a watch draws at once, and a signal that sets its flag ends the wait") {
  static std::atomic<bool> stop;
  stop = false;
  struct sigaction action{}, before{};
  action.sa_handler = [](int) { stop = true; };
  REQUIRE(::sigaction(SIGTERM, &action, &before) == 0);
  int drawn = 0;
  const pthread_t self = ::pthread_self();
  std::jthread sender;
  Watch(std::chrono::hours(1), stop, [&] {
    if (++drawn == 1) sender = std::jthread([self] { ::pthread_kill(self, SIGWINCH); });
    // The change of size has it drawn again at once, although an hour is asked for.
    if (drawn == 2) {
      sender = std::jthread([self] { ::pthread_kill(self, SIGTERM); });
    }
  });
  CHECK(drawn == 2);
  CHECK(stop);
  ::sigaction(SIGTERM, &before, nullptr);
}
