// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/doctor_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/base/text.hpp"
#include "libperf/report/status.hpp"
#include "libperf/report/status_text.hpp"
#include "libperf/report/terminal_text.hpp"

namespace perf::report {
namespace {

using monitor::DoctorCheck;
using monitor::Level;

constexpr std::size_t kIndent = 12;

std::string Clean(std::string_view text) { return Excerpt(text, text.size()); }

/// Words in lines of at most `width` columns, each behind the indent.
std::string Wrapped(std::string_view text, std::size_t width) {
  std::string out, line;
  const std::size_t room = std::max<std::size_t>(width, kIndent + 20) - kIndent;
  for (const std::string_view word : Split(text, ' ')) {
    if (!line.empty() && DisplayWidth(line) + 1 + DisplayWidth(word) > room) {
      out += std::string(kIndent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  return out + std::string(kIndent, ' ') + line + "\n";
}

std::string Verdict(const DoctorChecks& checks, const Style& style) {
  const auto count = [&checks](Level level) {
    return std::count_if(checks.begin(), checks.end(),
                         [level](const DoctorCheck& check) { return check.level == level; });
  };
  const Level worst = WorstOf(checks);
  const std::string_view word = Name(worst);
  const std::string shown =
      worst == Level::kOk ? style.Good(word) : Colored(StateOf(worst), word, style);
  std::string text = fmt::format("  {}{}", shown, std::string(10 - word.size(), ' '));
  if (const auto critical = count(Level::kCritical)) text += fmt::format("{} critical, ", critical);
  if (const auto warnings = count(Level::kWarning)) {
    text += fmt::format("{} warning{}, ", warnings, warnings == 1 ? "" : "s");
  }
  if (const auto notes = count(Level::kInfo)) text += fmt::format("{} to know, ", notes);
  return text + fmt::format("{} of {} checks ok\n", count(Level::kOk), checks.size());
}

}  // namespace

Level WorstOf(const DoctorChecks& checks) noexcept {
  Level worst = Level::kOk;
  for (const DoctorCheck& check : checks) worst = std::max(worst, check.level);
  return worst;
}

std::string DoctorScreen(const DoctorChecks& checks, std::string_view version, std::size_t width,
                         bool utf8, const Style& style) {
  std::vector<const DoctorCheck*> sorted;
  std::size_t name_width = 8;
  for (const DoctorCheck& check : checks) {
    sorted.push_back(&check);
    name_width = std::max(name_width, DisplayWidth(check.name));
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const DoctorCheck* a, const DoctorCheck* b) { return a->level > b->level; });
  std::string out = style.Bold(fmt::format("perfctl {} · what would spoil a run here", version));
  out += "\n\n" + Verdict(checks, style);
  bool in_ok = false;
  for (const DoctorCheck* const check : sorted) {
    // A blank line around each thing to mend; what is well stands close together.
    if (check->level != Level::kOk || !in_ok) out += '\n';
    in_ok = check->level == Level::kOk;
    const std::string_view word = Name(check->level);
    out += fmt::format("  {}{}{}  {}\n", Colored(StateOf(check->level), word, style),
                       std::string(10 - word.size(), ' '), Padded(check->name, name_width),
                       Clean(check->seen));
    if (!check->spoils.empty()) out += Wrapped(Clean(check->spoils), width);
    if (!check->remedy.empty()) {
      // Where nothing is to be set, the command shows who it is.
      const bool shows = check->remedy.starts_with("ps ") || check->remedy.starts_with("df ");
      out += std::string(kIndent, ' ') + (shows ? "see: " : "mend: ") +
             style.Bold(Clean(check->remedy)) + "\n";
    }
  }
  return utf8 ? out : ToAscii(out);
}

std::string DoctorPlain(const DoctorChecks& checks) {
  std::string out;
  for (const DoctorCheck& check : checks) {
    out += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", Name(check.level), check.area, check.name,
                       Clean(check.seen), Clean(check.spoils), Clean(check.remedy));
  }
  return out;
}

Json DoctorJson(const DoctorChecks& checks, std::string_view version,
                std::string_view generated_at) {
  Json json = Json::MakeObject();
  json["schema"] = "perfkit.doctor/1";
  json["tool_version"] = version;
  json["generated_at"] = generated_at;
  json["state"] = Name(WorstOf(checks));
  Json& list = json["checks"] = Json::MakeArray();
  for (const DoctorCheck& check : checks) {
    Json one = Json::MakeObject();
    one["area"] = check.area;
    one["name"] = check.name;
    one["state"] = Name(check.level);
    one["seen"] = check.seen;
    one["spoils"] = check.spoils;
    one["remedy"] = check.remedy;
    list.Append(std::move(one));
  }
  return json;
}

}  // namespace perf::report
