// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "libperf/base/units.hpp"

namespace perf::report {
namespace {

std::string FormatValue(double value, const std::string& unit) {
  if (unit == "ms") return FormatMs(value);
  if (unit == "fraction") return fmt::format("{:.3g} %", value * 100);
  // Counts in full: 1,234,567 and not 1.23457e+06.
  const bool whole = value >= 0 && value < 1e15 && value == std::floor(value);
  if (whole) return Grouped(static_cast<std::uint64_t>(value)) + unit;
  return fmt::format("{:.{}f}{}", value, value < 1000 ? 3 : 1, unit);
}

/// How far the observed value is from its limit, in the good direction.
std::string Margin(const load::ThresholdResult& threshold) {
  if (!threshold.observed || threshold.limit == 0) return "";
  const double room = threshold.less_is_better ? threshold.limit - *threshold.observed
                                               : *threshold.observed - threshold.limit;
  return fmt::format("{:+.0f} %", 100 * room / std::abs(threshold.limit));
}

std::string Note(const load::ThresholdResult& threshold) {
  std::string note;
  if (threshold.window_s) note = fmt::format(" (worst {:g} s)", *threshold.window_s);
  if (threshold.aborted) note += " ended the run";
  if (threshold.implicit) note += " (implicit)";
  return note;
}

// Both tables fit into 80 columns unless names are long.
void AppendThresholds(std::string& out, const load::Result& result, const Style& style) {
  if (result.thresholds.empty()) return;
  std::size_t width = 10;
  for (const auto& threshold : result.thresholds)
    width = std::max(width, threshold.expr.size() + Note(threshold).size());
  width = std::min<std::size_t>(width, 43);
  out += style.Bold(fmt::format("{:<{}} {:>10} {:>9} {:>8}\n", "thresholds", width + 7, "observed",
                                "limit", "margin"));
  for (const load::ThresholdResult& threshold : result.thresholds) {
    const std::string note = Note(threshold);
    const std::size_t used = threshold.expr.size() + note.size();
    const std::string mark = threshold.ok ? style.Good("ok  ") : style.Bad("FAIL");
    const std::string observed =
        threshold.observed ? FormatValue(*threshold.observed, threshold.unit) : "no samples";
    out += fmt::format("  {} {}{}{} {:>10} {:>9} {:>8}\n", mark, threshold.expr, style.Dim(note),
                       std::string(width > used ? width - used : 0, ' '), observed,
                       FormatValue(threshold.limit, threshold.unit), Margin(threshold));
  }
  out += '\n';
}

void AppendRow(std::string& out, const std::string& name, std::size_t width,
               const load::Section& section, const Style& style) {
  const std::string failed =
      section.requests.failed == 0
          ? fmt::format("{:>7}", 0)
          : style.Bad(fmt::format("{:>7}", Grouped(section.requests.failed)));
  out += fmt::format("{:<{}} {:>10} {} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8}\n", name, width,
                     Grouped(section.requests.total), failed, FormatMs(section.latency.p50),
                     FormatMs(section.latency.p90), FormatMs(section.latency.p99),
                     FormatMs(section.latency.max), FormatMs(section.wait.p99),
                     FormatMs(section.service_time.p99));
}

void AppendFlows(std::string& out, const load::Result& result, const Style& style) {
  std::size_t width = 11;
  for (const load::Section& flow : result.flows) {
    width = std::max(width, flow.name.size());
    for (const load::Section& step : flow.steps) width = std::max(width, step.name.size() + 2);
  }
  out += style.Bold(fmt::format("{:<{}} {:>10} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8}\n",
                                "flow, step", width, "requests", "failed", "p50", "p90", "p99",
                                "max", "wait p99", "serv p99"));
  for (const load::Section& flow : result.flows) {
    AppendRow(out, flow.name, width, flow, style);
    if (flow.steps.size() > 1 || (flow.steps.size() == 1 && flow.steps[0].name != flow.name)) {
      for (const load::Section& step : flow.steps)
        AppendRow(out, "  " + step.name, width, step, style);
    }
  }
  for (const load::Section& flow : result.flows) {
    if (!flow.duration || flow.steps.size() < 2) continue;
    out += style.Dim(fmt::format("{}: {} whole iterations, {} failed, p50 {}, p99 {}\n", flow.name,
                                 Grouped(flow.iterations), Grouped(flow.failed_iterations),
                                 FormatMs(flow.duration->p50), FormatMs(flow.duration->p99)));
  }
  out += '\n';
}

void AppendFaults(std::string& out, const load::Result& result, const Style& style) {
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(result.faults.size(), kShown); ++i) {
    const load::FaultResult& fault = result.faults[i];
    out += i == 0 ? style.Bold("faults     ") : "           ";
    out += fmt::format("{} at {:.4g} s", fault.target, fault.at_s);
    if (fault.for_s > 0) out += fmt::format(" for {:.4g} s", fault.for_s);
    out += ": " + fault.text;
    if (!fault.error.empty()) {
      out += style.Bad(" (failed: " + fault.error + ")");
    } else if (!fault.begun_s) {
      out += style.Dim(" (the run ended before)");
    }
    out += '\n';
  }
  if (result.faults.size() > kShown) {
    out += fmt::format("           and {} more in the result\n", result.faults.size() - kShown);
  }
}

void AppendFailures(std::string& out, const load::Result& result, const Style& style) {
  if (result.total.requests.dropped > 0) {
    out += style.Bad(fmt::format("dropped  {} arrivals found more than max_waiting before them\n",
                                 Grouped(result.total.requests.dropped)));
  }
  if (result.samples.empty()) return;
  out += style.Bold("first failure of each kind\n");
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(result.samples.size(), kShown); ++i) {
    const load::SampleResult& sample = result.samples[i];
    out += fmt::format("  {} at {:.1f} s, {}: {}\n", style.Bad(sample.kind), sample.at_s,
                       sample.step, sample.text);
  }
  if (result.samples.size() > kShown) {
    out += fmt::format("  and {} more in the result\n", result.samples.size() - kShown);
  }
  out += '\n';
}

std::string Percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", *share * 100) : "-";
}

void AppendCaches(std::string& out, const load::Result& result, const Style& style) {
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(result.caches.size(), kShown); ++i) {
    const load::CacheResult& cache = result.caches[i];
    out += i == 0 ? style.Bold("caches     ") : "           ";
    out += fmt::format("{}: {} of {} look-ups hit", cache.name, Percent(cache.HitRatio()),
                       Grouped(cache.seen.lookups));
    if (!cache.redis.empty()) {
      out += fmt::format(" (l1 {}, l2 {} of the rest)", Percent(cache.L1HitRatio()),
                         Percent(cache.L2HitRatio()));
    }
    out += fmt::format("; {} loads", Grouped(cache.seen.loads));
    if (cache.seen.coalesced > 0) out += fmt::format(", {} joined", Grouped(cache.seen.coalesced));
    out += fmt::format("; {} entries, {}\n", Grouped(cache.stats.entries),
                       FormatBytes(cache.stats.bytes));
    if (!cache.redis.empty() && !cache.stats.tier_reachable) {
      out += style.Warn(
          fmt::format("           {}: its second tier was not reachable at the end\n", cache.name));
    }
  }
  if (result.caches.size() > kShown) {
    out += fmt::format("           and {} more in the result\n", result.caches.size() - kShown);
  }
}

void AppendGenerator(std::string& out, const load::Result& result, const Style& style) {
  const load::Generator& own = result.generator;
  out += style.Bold("generator  ");
  out += fmt::format("lag p50 {}, p99 {}; the machine stood still for {:.0f} ms\n",
                     FormatMs(result.total.schedule_lag.p50),
                     FormatMs(result.total.schedule_lag.p99), own.stalled_ms);
  out += fmt::format("           cpu {:.0f} % of {} thread{}, {:.1f} µs per request; memory {}\n",
                     own.cpu_percent, own.threads, own.threads == 1 ? "" : "s", own.cpu_us_per_op,
                     FormatBytes(own.rss_max_bytes));
  if (result.target_rate > 0) {
    out += style.Bold("rate       ");
    out += fmt::format("{:.2f}/s achieved of {:.2f}/s asked for\n", result.achieved_rate,
                       result.target_rate);
  }
}

}  // namespace

std::string FormatMs(double ms) {
  if (ms <= 0) return "0 ms";
  // The borders are where rounding would give a fourth digit.
  if (ms >= 99'950) return fmt::format("{:.0f} s", ms / 1000);
  if (ms >= 999.5) return fmt::format("{:.{}f} s", ms / 1000, ms >= 9'995 ? 1 : 2);
  if (ms < 0.9995) return fmt::format("{:.{}f} µs", ms * 1000, ms >= 0.09995 ? 0 : 1);
  return fmt::format("{:.{}f} ms", ms, ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : 2);
}

std::string Grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string AudioLines(const load::Result& result, const Style& style) {
  if (!result.audio) return {};
  const load::AudioResult& audio = *result.audio;
  std::string out = style.Bold("audio      ");
  out +=
      fmt::format("{} stream{}, {} frames; late p50 {}, p99 {}, max {}, {} by more than a period\n",
                  Grouped(audio.streams), audio.streams == 1 ? "" : "s", Grouped(audio.frames),
                  FormatMs(audio.late.p50), FormatMs(audio.late.p99), FormatMs(audio.late.max),
                  Grouped(audio.over_period));
  const std::uint64_t wrong = audio.underruns.frames + audio.overruns.frames + audio.lost +
                              audio.torn + audio.leaked + audio.refused.value_or(0);
  std::string counts = fmt::format("{} frames not there, {} without room",
                                   Grouped(audio.underruns.frames), Grouped(audio.overruns.frames));
  if (audio.checked) {
    counts += fmt::format("; {} lost, {} torn, {} leaked", Grouped(audio.lost), Grouped(audio.torn),
                          Grouped(audio.leaked));
  }
  if (audio.refused) counts += fmt::format("; {} streams refused", Grouped(*audio.refused));
  out += "           " + (wrong > 0 ? style.Bad(counts) : counts) + "\n";
  std::string more;
  const auto add = [&more](const std::string& text) { more += (more.empty() ? "" : ", ") + text; };
  if (audio.bytes_per_stream && *audio.bytes_per_stream >= 0) {
    add(FormatBytes(static_cast<std::uint64_t>(*audio.bytes_per_stream)) + " a stream");
  }
  if (audio.cpu_ns_per_frame) add(fmt::format("cpu {:.0f} ns a frame", *audio.cpu_ns_per_frame));
  if (audio.hot_allocs) add(Grouped(*audio.hot_allocs) + " allocations on the hot path");
  if (audio.starved_ms) add(fmt::format("starved for {:.0f} ms", *audio.starved_ms));
  if (!more.empty()) out += "           " + more + "\n";
  return out;
}

std::string VerdictLine(const load::Result& result, const Style& style) {
  std::string word(load::Name(result.verdict));
  std::string why;
  const auto failed = std::count_if(result.thresholds.begin(), result.thresholds.end(),
                                    [](const auto& threshold) { return !threshold.ok; });
  switch (result.verdict) {
    case load::Verdict::kPass: word = style.Good("PASS"); break;
    case load::Verdict::kFail: word = style.Bad("FAIL"); break;
    case load::Verdict::kInvalid: word = style.Warn("INVALID"); break;
    case load::Verdict::kInterrupted: word = style.Warn("INTERRUPTED"); break;
  }
  for (const auto& [code, text] : result.invalid_reasons) {
    why += (why.empty() ? "not valid (" : ", ") + code;
  }
  if (!why.empty()) why += "), ";
  if (result.thresholds.empty()) {
    why += "no thresholds";
  } else if (failed > 0) {
    why += fmt::format("{} of {} thresholds failed", failed, result.thresholds.size());
  } else {
    why += fmt::format("{} threshold{} hold{}", result.thresholds.size(),
                       result.thresholds.size() == 1 ? "" : "s",
                       result.thresholds.size() == 1 ? "s" : "");
  }
  return fmt::format("{}  {}: {}, {} requests, {} failed, {:.1f} s", word, result.scenario_name,
                     why, Grouped(result.total.requests.total),
                     Grouped(result.total.requests.failed), result.duration_s);
}

std::string Summary(const load::Result& result, const Style& style,
                    const std::vector<std::string>& written) {
  std::string out = "\n" + VerdictLine(result, style) + "\n";
  for (const auto& [code, text] : result.invalid_reasons) {
    out += fmt::format("  {} {}\n", style.Warn("not valid (" + code + "):"), text);
  }
  out += '\n';
  AppendThresholds(out, result, style);
  AppendFlows(out, result, style);
  AppendFailures(out, result, style);
  AppendFaults(out, result, style);
  AppendCaches(out, result, style);
  out += AudioLines(result, style);
  AppendGenerator(out, result, style);
  for (const std::string& path : written) out += style.Bold("written    ") + path + "\n";
  return out;
}

}  // namespace perf::report
