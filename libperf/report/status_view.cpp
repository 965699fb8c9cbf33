// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/status_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/report/status_table.hpp"
#include "libperf/report/status_text.hpp"
#include "libperf/report/terminal_text.hpp"

namespace perf::report {
namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t kNarrowest = 40;

std::string Plural(std::size_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

/// Parts between " · ", as many from the front on as fit; what stands in parentheses goes first.
std::string Joined(const std::vector<std::string>& parts, std::size_t width) {
  std::string line;
  for (const std::string& part : parts) {
    const std::string before = line.empty() ? "" : " · ";
    const std::size_t room = width - std::min(width, DisplayWidth(line) + DisplayWidth(before));
    const std::string shorter = part.substr(0, part.find(" ("));
    if (DisplayWidth(part) <= room) {
      line += before + part;
    } else if (line.empty() || DisplayWidth(shorter) <= room) {
      return Fitted(line + before + shorter, width);
    } else {
      break;
    }
  }
  return line;
}

std::vector<std::string> PartsOf(const StatusAgent& agent) {
  std::vector<std::string> parts{Excerpt(agent.name, 60)};
  const std::string kind = Excerpt(agent.kind, 20);
  if (!agent.error.empty()) {
    parts.push_back(kind + " does not answer: " + Excerpt(agent.error, 200));
    return parts;
  }
  const std::string up = fmt::format("{} up {}", kind, ShownUptime(agent.uptime_s));
  if (agent.Stale()) {
    // The one thing that a narrow screen must not leave out.
    parts.push_back(fmt::format("STALE: sampled {} ago", ShownAge(*agent.sampled_age_s)));
    parts.push_back(up);
    return parts;
  }
  parts.push_back(up);
  if (!agent.sampled_age_s) {
    parts.emplace_back("not sampled yet");
    return parts;
  }
  parts.push_back(fmt::format("sampled {} ago", ShownAge(*agent.sampled_age_s)));
  if (agent.sampled_every_s > 0) {
    parts.back() += fmt::format(" (every {})", ShownAge(agent.sampled_every_s));
  }
  return parts;
}

Lines Header(const StatusDocument& document, const StatusView& view, const Style& style) {
  std::vector<std::string> first{"perfctl " + document.tool_version};
  if (document.agents.empty()) {
    first.emplace_back("no agent is running");
    if (document.source == "history") first.emplace_back("from the history file");
    if (document.source == "self") first.emplace_back("looked itself");
    if (document.machine_only) first.emplace_back("machine only");
    return {style.Bold(Joined(first, view.width))};
  }
  if (document.agents.size() == 1) {
    for (std::string& part : PartsOf(document.agents.front())) first.push_back(std::move(part));
    return {style.Bold(Joined(first, view.width))};
  }
  first.push_back(Plural(document.agents.size(), "agent"));
  Lines lines{style.Bold(Joined(first, view.width))};
  std::vector<const StatusAgent*> sorted;
  for (const StatusAgent& agent : document.agents) sorted.push_back(&agent);
  std::stable_sort(sorted.begin(), sorted.end(), [](const StatusAgent* a, const StatusAgent* b) {
    return a->State() > b->State();
  });
  constexpr std::size_t kShown = 6;
  for (std::size_t i = 0; i < std::min(sorted.size(), kShown); ++i) {
    const std::string line = "  " + Joined(PartsOf(*sorted[i]), view.width - 2);
    lines.push_back(sorted[i]->State() == StatusState::kOk ? line : style.Warn(line));
  }
  if (sorted.size() > kShown) {
    lines.push_back(fmt::format("  … and {} more", sorted.size() - kShown));
  }
  return lines;
}

std::string Verdict(const StatusDocument& document, const StatusView& view, const Style& style) {
  std::size_t counts[5] = {};
  for (const StatusRow& row : document.rows) {
    ++counts[static_cast<std::size_t>(document.StateOfRow(row))];
  }
  const auto count = [&counts](StatusState state) {
    return counts[static_cast<std::size_t>(state)];
  };
  std::vector<std::string> parts;
  if (count(StatusState::kCritical) > 0) {
    parts.push_back(fmt::format("{} critical", count(StatusState::kCritical)));
  }
  if (count(StatusState::kUnknown) > 0) {
    parts.push_back(fmt::format("{} unknown", count(StatusState::kUnknown)));
  }
  if (count(StatusState::kWarning) > 0) {
    parts.push_back(Plural(count(StatusState::kWarning), "warning"));
  }
  const auto firing = std::count_if(document.alerts.begin(), document.alerts.end(),
                                    [](const auto& alert) { return alert.state == "firing"; });
  if (firing > 0) parts.push_back(Plural(static_cast<std::size_t>(firing), "alert"));
  std::int64_t ok = 0, total = 0;
  for (const StatusAgent& agent : document.agents) {
    ok += agent.checks_ok;
    total += agent.checks_total;
  }
  if (total > 0) {
    parts.push_back(fmt::format("{} of {} checks ok", ok, total));
  } else if (!document.rows.empty()) {
    parts.push_back(fmt::format("{} of {} ok", count(StatusState::kOk) + count(StatusState::kInfo),
                                document.rows.size()));
  }
  const StatusState overall = document.Overall();
  const std::string_view word = Name(overall);
  std::string line = "  ";
  line += overall == StatusState::kOk ? style.Good(word) : Colored(overall, word, style);
  const std::string joined = Joined(parts, view.width - 13);
  if (!joined.empty()) line += std::string(11 - word.size(), ' ') + joined;
  return line;
}

int RankOf(const StatusAlert& alert) {
  const int kind = alert.state == "firing" ? 2 : alert.state == "pending" ? 1 : 0;
  return kind * 8 + static_cast<int>(alert.level);
}

/// Alerts of two lines and more: what, and what to do about it.
void AppendAlert(Lines& lines, const StatusAlert& alert, const StatusView& view,
                 const Style& style) {
  const std::string indent(12, ' ');
  const std::string_view level = monitor::Name(alert.level);
  std::string head = fmt::format(
      "{}  {}  {} {}", Excerpt(alert.name, 80), Excerpt(alert.subject, 80),
      alert.state == "firing" ? "for" : Excerpt(alert.state, 20), ShownAge(alert.for_s));
  const std::string text = Excerpt(alert.text, 400);
  const bool together =
      12 + DisplayWidth(head) + 3 + DisplayWidth(text) <= view.width && !text.empty();
  if (together) head += "   " + text;
  const StatusState state = alert.state == "firing" ? StateOf(alert.level) : StatusState::kInfo;
  lines.push_back("  " + Colored(state, level, style) + std::string(10 - level.size(), ' ') + head);
  if (!together && !text.empty()) lines.push_back(indent + text);
  const std::string runbook =
      alert.runbook.empty() ? "" : "runbook: " + Excerpt(alert.runbook, 400);
  const std::string next = alert.next.empty() ? "" : "next: " + Excerpt(alert.next, 400);
  if (!runbook.empty() && !next.empty() &&
      12 + DisplayWidth(runbook) + 3 + DisplayWidth(next) <= view.width) {
    lines.push_back(indent + runbook + "   " + next);
    return;
  }
  for (const std::string& line : {runbook, next}) {
    if (!line.empty()) lines.push_back(indent + line);
  }
}

Lines Alerts(const StatusDocument& document, const StatusView& view, const Style& style) {
  std::vector<const StatusAlert*> sorted;
  for (const StatusAlert& alert : document.alerts) {
    if (view.problems && alert.state != "firing") continue;
    sorted.push_back(&alert);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const StatusAlert* a, const StatusAlert* b) {
    return RankOf(*a) > RankOf(*b);
  });
  Lines lines;
  // A third of the screen, so that the rows keep their place above.
  const std::size_t room = view.height == 0 ? 48 : std::max<std::size_t>(view.height / 3, 3);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (lines.size() + 2 > room && i > 0) {
      lines.push_back(fmt::format("  … and {} more: perfctl alerts", sorted.size() - i));
      break;
    }
    AppendAlert(lines, *sorted[i], view, style);
  }
  return lines;
}

/// What stands where there are no rows.
std::string Nothing(const StatusDocument& document, const StatusView& view) {
  if (document.rows.empty() && document.agents.empty()) {
    return document.notes.empty() ? "  nothing to show; start an agent by: perfctl serve"
                                  : "  nothing to show";
  }
  const std::string area = view.only.empty() ? "" : " in " + view.only;
  if (document.rows.empty()) return "  nothing is watched yet";
  const auto in_area = [&view](const StatusRow& row) { return row.area == view.only; };
  const bool any =
      view.only.empty() || std::any_of(document.rows.begin(), document.rows.end(), in_area);
  return any ? fmt::format("  no problems{}", area) : fmt::format("  no {}", view.only);
}

Lines Notes(const StatusDocument& document) {
  Lines lines;
  if (document.machine_only) {
    lines.emplace_back(
        "  No target is named: set DATABASE_URL, REDIS_URL or SPEECH_URL, or name\n"
        "  targets in perfkit.yaml; perfctl serve keeps watching them.");
  }
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(document.notes.size(), kShown); ++i) {
    lines.push_back("  " + Excerpt(document.notes[i], 400));
  }
  return lines;
}

void Append(Lines& lines, Lines more) {
  if (more.empty()) return;
  if (!lines.empty()) lines.emplace_back();
  lines.insert(lines.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

std::string FieldOf(std::string_view text) { return "\t" + Excerpt(text, text.size()); }

}  // namespace

std::string StatusScreen(const StatusDocument& document, const StatusView& given,
                         const Style& style) {
  StatusView view = given;
  view.width = std::max(view.width, kNarrowest);
  Lines lines = Header(document, view, style);
  Append(lines, {Verdict(document, view, style)});
  const Lines alerts = view.only.empty() ? Alerts(document, view, style) : Lines{};
  const Lines notes = Notes(document);
  StatusView table = view;
  if (view.height > 0) {
    // A blank line before each part, the heading, and the line that a prompt takes.
    const std::size_t taken = lines.size() + alerts.size() + notes.size() + 2 +
                              (alerts.empty() ? 0 : 1) + (notes.empty() ? 0 : 1) + 1;
    table.height = view.height > taken + 3 ? view.height - taken : 3;
  }
  const Lines rows = StatusTable(document, table, style);
  Append(lines, rows.empty() ? Lines{Nothing(document, view)} : rows);
  Append(lines, alerts);
  Append(lines, notes);
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return view.utf8 ? out : ToAscii(out);
}

std::string StatusPlain(const StatusDocument& document, const StatusView& view) {
  std::string out = fmt::format("overall\t{}\n", Name(document.Overall()));
  for (const StatusAgent& agent : document.agents) {
    out += "agent" + FieldOf(agent.name) + FieldOf(Name(agent.State())) + FieldOf(agent.kind) +
           FieldOf(agent.version) + fmt::format("\t{}\t", agent.uptime_s) +
           (agent.sampled_age_s ? fmt::format("{}", *agent.sampled_age_s) : "") +
           FieldOf(agent.error) + "\n";
  }
  for (const StatusRow* const row : SortedRows(document, view)) {
    out += "row" + FieldOf(row->area) + FieldOf(Name(document.StateOfRow(*row))) +
           FieldOf(row->name) + FieldOf(row->agent);
    for (const StatusReading& reading : row->readings) out += FieldOf(PlainValue(reading));
    out += "\n";
  }
  for (const StatusAlert& alert : document.alerts) {
    if (!view.only.empty() || (view.problems && alert.state != "firing")) continue;
    out += "alert" + FieldOf(monitor::Name(alert.level)) + FieldOf(alert.name) +
           FieldOf(alert.subject) + FieldOf(alert.agent) + FieldOf(alert.state) +
           fmt::format("\t{}", alert.for_s) + FieldOf(alert.text) + FieldOf(alert.runbook) +
           FieldOf(alert.next) + "\n";
  }
  for (const std::string& note : document.notes) out += "note" + FieldOf(note) + "\n";
  return out;
}

}  // namespace perf::report
