// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/progress.hpp"

#include <fmt/format.h>

#include "libperf/report/output_dir.hpp"
#include "libperf/report/summary.hpp"

namespace perf::report {
namespace {

void Write(const std::string& text) { WriteStderr(text); }

std::string Of(const load::Progress& progress) {
  if (progress.planned_s <= 0) return "";
  return fmt::format(" of {:.0f} s", progress.planned_s);
}

std::string Bar(double share) {
  constexpr int kWidth = 30;
  const int full = share >= 1 ? kWidth : static_cast<int>(share * kWidth);
  return "[" + std::string(static_cast<std::size_t>(full), '=') +
         std::string(static_cast<std::size_t>(kWidth - full), ' ') + "]";
}

}  // namespace

ProgressView::ProgressView(Style style, bool terminal) : style_(style), terminal_(terminal) {}

ProgressView::~ProgressView() { Clear(); }

void ProgressView::Clear() {
  if (lines_ > 0) Write(fmt::format("\x1b[{}A\x1b[J", lines_));
  lines_ = 0;
}

void ProgressView::Phase(const std::string& text) {
  Clear();
  if (text.empty()) return;
  Write(text + (terminal_ ? " …\n" : "\n"));
  if (terminal_) lines_ = 1;
}

void ProgressView::Update(const load::Progress& progress) {
  if (terminal_) {
    DrawBlock(progress);
  } else if (progress.elapsed_s >= next_line_s_) {
    PrintLine(progress);
    next_line_s_ += 10;
  }
}

void ProgressView::DrawBlock(const load::Progress& progress) {
  Clear();
  const load::SeriesPoint& now = progress.second;
  std::string text = fmt::format("{:>6.0f} s{} ", progress.elapsed_s, Of(progress));
  if (progress.planned_s > 0) text += Bar(progress.elapsed_s / progress.planned_s);
  text += '\n';
  text += now.target > 0
              ? fmt::format("  rate     {:>10.0f}/s  of {:.0f}/s", now.achieved, now.target)
              : fmt::format("  requests {:>10.0f}/s", now.requests);
  text += fmt::format("   under way {}, waiting {}\n", now.active, now.waiting);
  text += fmt::format("  latency  p50 {:>9}  p99 {:>9}  max {:>9}\n", FormatMs(now.p50_ms),
                      FormatMs(now.p99_ms), FormatMs(now.max_ms));
  const std::string bad = fmt::format("failed {}, dropped {}", Grouped(progress.total_failed),
                                      Grouped(progress.total_dropped));
  text += fmt::format("  total    {} requests, {}\n", Grouped(progress.total_requests),
                      progress.total_failed + progress.total_dropped > 0 ? style_.Bad(bad) : bad);
  // A line that a narrow terminal wrapped would not be cleared: lines are cut instead.
  Write("\x1b[?7l" + text + "\x1b[?7h");
  lines_ = 4;
}

void ProgressView::PrintLine(const load::Progress& progress) {
  const load::SeriesPoint& now = progress.second;
  const std::string rate = now.target > 0
                               ? fmt::format("rate {:.0f}/s of {:.0f}/s", now.achieved, now.target)
                               : fmt::format("{:.0f} requests/s", now.requests);
  Write(fmt::format(
      "{:.0f} s{}: {}, p50 {}, p99 {}, {} requests, failed {}, dropped {}, under way {}\n",
      progress.elapsed_s, Of(progress), rate, FormatMs(now.p50_ms), FormatMs(now.p99_ms),
      Grouped(progress.total_requests), Grouped(progress.total_failed),
      Grouped(progress.total_dropped), now.active));
}

}  // namespace perf::report
