// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/redraw.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::report {
namespace {

std::atomic<bool> size_changed{false};

void OnSizeChange(int) { size_changed.store(true); }

/// Takes SIGWINCH, and lets no signal in but during a wait: one that came between the look at
/// `stop` and the wait would be slept through.
class SignalScope {
 public:
  SignalScope() {
    struct sigaction action{};
    action.sa_handler = OnSizeChange;
    ::sigaction(SIGWINCH, &action, &before_action_);
    sigset_t blocked;
    ::sigemptyset(&blocked);
    for (const int number : {SIGWINCH, SIGINT, SIGTERM}) ::sigaddset(&blocked, number);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
    open_ = before_;
    for (const int number : {SIGWINCH, SIGINT, SIGTERM}) ::sigdelset(&open_, number);
  }
  ~SignalScope() {
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    ::sigaction(SIGWINCH, &before_action_, nullptr);
  }
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  void Wait(Duration length) const {
    // In short parts: another thread may have taken the signal.
    const auto part =
        std::clamp<Duration>(length, Duration::zero(), std::chrono::milliseconds(200));
    const timespec time{0, static_cast<long>(part.count())};
    ::ppoll(nullptr, 0, &time, &open_);
  }

 private:
  sigset_t before_{}, open_{};
  struct sigaction before_action_{};
};

}  // namespace

Redraw::Redraw(bool terminal, Write write) : terminal_(terminal), write_(std::move(write)) {}

void Redraw::Draw(std::string_view screen, std::size_t lines, std::size_t columns) {
  if (!terminal_) {
    write_(shown_.empty() ? std::string(screen) : "\n" + std::string(screen));
    shown_.assign(1, "");
    return;
  }
  std::vector<std::string> next;
  for (const std::string_view line : Split(screen, '\n')) next.emplace_back(line);
  if (!next.empty() && next.back().empty()) next.pop_back();
  if (lines > 0 && next.size() >= lines) next.resize(std::max<std::size_t>(lines, 2) - 1);
  // The cursor hides and lines do not wrap only as long as the frame is written.
  std::string frame = "\x1b[?25l\x1b[?7l";
  const bool anew = columns != columns_;
  if (anew && columns_ != 0) {
    // The terminal has wrapped what was there anew: nobody knows where it begins.
    frame += "\x1b[H";
  } else if (!shown_.empty()) {
    frame += fmt::format("\r\x1b[{}A", shown_.size());
  }
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (anew || i >= shown_.size() || shown_[i] != next[i]) frame += next[i] + "\x1b[K";
    frame += "\r\n";
  }
  frame += "\x1b[J\x1b[?7h\x1b[?25h";
  write_(frame);
  shown_ = std::move(next);
  columns_ = columns;
}

void Watch(Duration every, const std::atomic<bool>& stop, const std::function<void()>& draw) {
  const SignalScope signals;
  TimePoint due = Clock::now();
  while (!stop.load()) {
    size_changed.store(false);
    draw();
    due = std::max(Saturated(due, every), Clock::now());
    // What takes longer than its step must not keep the machine busy without a pause.
    if (due <= Clock::now()) due = Saturated(due, every / 4);
    while (!stop.load() && !size_changed.load() && Clock::now() < due) {
      signals.Wait(due - Clock::now());
    }
    if (size_changed.load()) due = Clock::now();
  }
}

}  // namespace perf::report
