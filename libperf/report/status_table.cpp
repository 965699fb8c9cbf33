// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/status_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "libperf/report/status_text.hpp"
#include "libperf/report/terminal_text.hpp"

namespace perf::report {
namespace {

constexpr std::size_t kIndent = 2, kGap = 2, kLeastSpark = 7, kMostSpark = 30, kMostName = 28;

std::size_t OrderOf(std::string_view area) {
  static constexpr std::array<std::string_view, 6> kAreas{"pools",  "caches", "audio",
                                                          "system", "load",   "targets"};
  return static_cast<std::size_t>(std::find(kAreas.begin(), kAreas.end(), area) - kAreas.begin());
}

/// "CRITICAL", or "STALE 3 m" where what was said is no longer so.
std::string StateWord(const StatusDocument& document, const StatusRow& row) {
  const StatusAgent* const agent = row.agent.empty() ? nullptr : document.FindAgent(row.agent);
  if (agent != nullptr && agent->Stale()) return "STALE " + ShownAge(*agent->sampled_age_s);
  return std::string(Name(document.StateOfRow(row)));
}

/// Where several agents see something, a name alone could be that of either.
bool SeveralAgents(const std::vector<const StatusRow*>& rows) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const StatusRow* row) { return row->agent != rows.front()->agent; });
}

/// A reading, in parts that stand below those of the rows of its area.
struct Cell {
  std::string name, value, want;
};

struct Line {
  const StatusRow* row = nullptr;
  std::string state, name;
  std::vector<Cell> cells;
  std::string readings;
};

using Lines = std::vector<Line>;

/// Column `at` of the lines of one area: values at the right where all rows have the same reading.
std::size_t LayOutColumn(Line* first, Line* last, std::size_t at, std::vector<std::string>& texts) {
  std::size_t value_width = 0, width = 0;
  const std::string* name = nullptr;
  bool same = true;
  for (Line* line = first; line != last; ++line) {
    if (at >= line->cells.size()) continue;
    const Cell& cell = line->cells[at];
    if (name != nullptr && cell.name != *name) same = false;
    name = &cell.name;
    value_width = std::max(value_width, DisplayWidth(cell.value));
  }
  texts.clear();
  for (Line* line = first; line != last; ++line) {
    if (at >= line->cells.size()) {
      texts.emplace_back();
      continue;
    }
    const Cell& cell = line->cells[at];
    std::string text = cell.name.empty() ? "" : cell.name + " ";
    if (same) text.append(value_width - DisplayWidth(cell.value), ' ');
    text += cell.value + cell.want;
    width = std::max(width, DisplayWidth(text));
    texts.push_back(std::move(text));
  }
  return width;
}

/// Fills in `readings` of the lines of one area, as many columns as fit into `room`; the first is
/// always there. Gives their width.
std::size_t LayOutReadings(Line* first, Line* last, std::size_t room) {
  std::size_t columns = 0, used = 0;
  for (Line* line = first; line != last; ++line) {
    line->readings.clear();
    columns = std::max(columns, line->cells.size());
  }
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < columns; ++at) {
    const std::size_t width = LayOutColumn(first, last, at, texts);
    const std::size_t gap = at == 0 ? 0 : kGap;
    if (at > 0 && used + gap + width > room) break;
    for (Line* line = first; line != last; ++line) {
      const std::string& text = texts[static_cast<std::size_t>(line - first)];
      line->readings.append(gap, ' ').append(text).append(width - DisplayWidth(text), ' ');
    }
    used += gap + width;
  }
  return used;
}

std::size_t LayOutAll(Lines& lines, std::size_t room) {
  std::size_t widest = 0;
  for (std::size_t begin = 0; begin < lines.size();) {
    std::size_t end = begin;
    while (end < lines.size() && lines[end].row->area == lines[begin].row->area) ++end;
    widest = std::max(widest, LayOutReadings(&lines[begin], lines.data() + end, room));
    begin = end;
  }
  return widest;
}

struct Widths {
  std::size_t area = 4, state = 8, name = 4, readings = 8, spark = 0;
  std::size_t Before() const { return kIndent + area + state + name + 3 * kGap; }
};

Widths LayOut(Lines& lines, std::size_t width) {
  Widths widths;
  std::size_t points = 0;
  for (const Line& line : lines) {
    widths.area = std::max(widths.area, DisplayWidth(line.row->area));
    widths.state = std::max(widths.state, line.state.size());
    widths.name = std::max(widths.name, DisplayWidth(line.name));
    points = std::max(points, line.row->spark.size());
  }
  widths.area = std::min<std::size_t>(widths.area, 10);
  widths.name = std::min(widths.name, std::min(kMostName, std::max<std::size_t>(width / 4, 8)));
  const std::size_t room = width > widths.Before() + 8 ? width - widths.Before() : 8;
  widths.readings = std::max(widths.readings, LayOutAll(lines, room));
  const std::size_t used = widths.Before() + std::min(widths.readings, room) + kGap;
  if (points > 0 && used + kLeastSpark <= width) {
    widths.spark = std::min({kMostSpark, width - used, std::max(points, kLeastSpark)});
  }
  widths.readings = std::min(widths.readings, room);
  return widths;
}

std::string Trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string Heading(const StatusDocument& document, const Widths& widths, const Style& style) {
  std::string line(kIndent, ' ');
  line += Padded("AREA", widths.area + kGap) + Padded("STATE", widths.state + kGap) +
          Padded("NAME", widths.name + kGap) + Padded("READINGS", widths.readings + kGap);
  if (widths.spark > 0) {
    line += fmt::format("{:.0f} MIN", std::clamp(document.spark_window_s / 60, 1.0, 1e5));
  }
  return style.Dim(Trimmed(line));
}

std::string Shown(const Line& line, bool first_of_area, StatusState state, const Widths& widths,
                  const Style& style) {
  const std::string before =
      std::string(kIndent, ' ') +
      Padded(first_of_area ? line.row->area : std::string(), widths.area + kGap);
  std::string after = std::string(widths.state + kGap - line.state.size(), ' ') +
                      Padded(line.name, widths.name) + std::string(kGap, ' ') +
                      Padded(line.readings, widths.readings);
  if (widths.spark > 0 && !line.row->spark.empty()) {
    after += std::string(kGap, ' ') + Sparkline(line.row->spark, widths.spark);
  }
  after = Trimmed(after);
  if (line.state.starts_with("STALE")) return before + style.Dim(line.state + after);
  return before + Colored(state, line.state, style) + after;
}

struct LeftOut {
  std::size_t count = 0;
  bool all_ok = true;
};

/// One screen: from the least bad on rows go, those at the end first, until the rest fits below a
/// heading and above the line that tells how many went. The order of the rest stays.
LeftOut LeaveOut(const StatusDocument& document, std::vector<const StatusRow*>& rows,
                 std::size_t height) {
  LeftOut left_out;
  if (height == 0 || rows.size() + 1 <= height) return left_out;
  const std::size_t keep = std::max<std::size_t>(height, 3) - 2;
  std::vector<const StatusRow*> ranked = rows;
  std::stable_sort(ranked.begin(), ranked.end(), [&](const StatusRow* a, const StatusRow* b) {
    return document.StateOfRow(*a) > document.StateOfRow(*b);
  });
  for (std::size_t i = keep; i < ranked.size(); ++i) {
    left_out.all_ok = left_out.all_ok && document.StateOfRow(*ranked[i]) <= StatusState::kInfo;
    rows.erase(std::find(rows.begin(), rows.end(), ranked[i]));
    ++left_out.count;
  }
  return left_out;
}

}  // namespace

std::vector<const StatusRow*> SortedRows(const StatusDocument& document, const StatusView& view) {
  std::vector<const StatusRow*> rows;
  std::map<std::string_view, StatusState> worst;
  for (const StatusRow& row : document.rows) {
    if (!view.only.empty() && row.area != view.only) continue;
    const StatusState state = document.StateOfRow(row);
    if (view.problems && state <= StatusState::kInfo) continue;
    StatusState& of_area = worst[row.area];
    of_area = std::max(of_area, state);
    rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const StatusRow* a, const StatusRow* b) {
    if (a->area != b->area) {
      const StatusState in_a = worst[a->area], in_b = worst[b->area];
      if (in_a != in_b) return in_a > in_b;
      const std::size_t order_a = OrderOf(a->area), order_b = OrderOf(b->area);
      return order_a != order_b ? order_a < order_b : a->area < b->area;
    }
    const StatusState now_a = document.StateOfRow(*a), now_b = document.StateOfRow(*b);
    return now_a != now_b ? now_a > now_b : a->state > b->state;
  });
  return rows;
}

std::vector<std::string> StatusTable(const StatusDocument& document, const StatusView& view,
                                     const Style& style) {
  std::vector<const StatusRow*> rows = SortedRows(document, view);
  if (rows.empty()) return {};
  const bool several = SeveralAgents(rows);
  const auto [left_out, all_ok] = LeaveOut(document, rows, view.height);
  Lines lines;
  for (const StatusRow* const row : rows) {
    Line line{row, StateWord(document, *row), row->name, {}, {}};
    if (several && !row->agent.empty()) line.name += " @" + row->agent;
    for (const StatusReading& reading : row->readings) {
      line.cells.push_back({reading.name, ShownValue(reading), ShownWant(reading)});
    }
    lines.push_back(std::move(line));
  }
  const Widths widths = LayOut(lines, view.width);
  std::vector<std::string> out{Heading(document, widths, style)};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool first = i == 0 || lines[i - 1].row->area != lines[i].row->area;
    out.push_back(Shown(lines[i], first, document.StateOfRow(*lines[i].row), widths, style));
  }
  if (left_out > 0) {
    out.push_back(fmt::format("  … and {} more{}", left_out, all_ok ? ", all ok" : ""));
  }
  return out;
}

}  // namespace perf::report
