// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/one_liner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::load {
namespace {

/// A YAML scalar that is read back as exactly this text: JSON's strings are YAML's. What the user
/// wrote with "${" stays a template on purpose.
std::string Quoted(const std::string& text) {
  const std::string json = Json(text).Dump();
  std::string quoted;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const auto next = static_cast<unsigned char>(i + 1 < json.size() ? json[i + 1] : 0);
    // DEL and the control characters U+0080 to U+009F are JSON as they are, but not YAML.
    if (byte == 0x7f) {
      quoted += "\\u007f";
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      quoted += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      quoted += json[i];
    }
  }
  return quoted;
}

constexpr std::uint64_t kDefaultConnections = 10;
constexpr const char* kDefaultDuration = "10s";
constexpr std::uint64_t kDefaultPool = 100;  // under a rate: a pool that seldom limits

std::string TargetText(const OneLiner& line, const std::string& base) {
  constexpr const char* kKinds[] = {"http", "postgres", "redis"};
  std::string text = fmt::format("targets:\n  target:\n    kind: {}\n    url: {}\n",
                                 kKinds[static_cast<int>(line.kind)], Quoted(base));
  const std::uint64_t pool =
      line.connections.value_or(line.rate ? kDefaultPool : kDefaultConnections);
  text += fmt::format("    pool: {{max: {}}}\n", pool);
  if (!line.timeout.empty()) text += fmt::format("    timeout: {}\n", Quoted(line.timeout));
  if (line.kind == TargetKind::kPostgres && !line.prepared) text += "    prepared: false\n";
  if (line.kind != TargetKind::kHttp) return text;
  if (!line.client.empty()) text += fmt::format("    client: {}\n", Quoted(line.client));
  if (!line.http_version.empty())
    text += fmt::format("    http_version: {}\n", Quoted(line.http_version));
  if (!line.ca_file.empty() || line.insecure) {
    text += "    tls: {";
    if (!line.ca_file.empty()) text += "ca: " + Quoted(line.ca_file);
    if (line.insecure) text += std::string(line.ca_file.empty() ? "" : ", ") + "verify: false";
    text += "}\n";
  }
  return text;
}

std::string HttpText(const OneLiner& line, const std::string& path) {
  std::string text =
      fmt::format("      http:\n        target: target\n        method: {}\n        path: {}\n",
                  Quoted(line.method), Quoted(path));
  if (!line.headers.empty()) {
    text += "        headers:\n";
    for (const auto& [name, value] : line.headers) {
      text += fmt::format("          {}: {}\n", Quoted(name), Quoted(value));
    }
  }
  if (!line.body.empty()) text += fmt::format("        body: {}\n", Quoted(line.body));
  return text;
}

std::string List(const std::vector<std::string>& words) {
  std::string text = "[";
  for (const std::string& word : words) text += (text.size() > 1 ? ", " : "") + Quoted(word);
  return text + "]";
}

std::string StepText(const OneLiner& line, const std::string& path) {
  std::string text = "flows:\n  main:\n    - name: request\n";
  switch (line.kind) {
    case TargetKind::kHttp: return text + HttpText(line, path);
    case TargetKind::kPostgres:
      text += fmt::format("      sql:\n        target: target\n        query: {}\n",
                          Quoted(line.query));
      if (!line.parameters.empty())
        text += fmt::format("        params: {}\n", List(line.parameters));
      return text;
    case TargetKind::kRedis:
      text += fmt::format("      redis:\n        target: target\n        command: {}\n",
                          List(line.command));
      if (line.pipeline > 1) text += fmt::format("        pipeline: {}\n", line.pipeline);
      return text;
  }
  return text;
}

/// What the scenario would refuse, too, but at a place that the user has not written.
void CheckFlags(const OneLiner& line) {
  const auto time = [](std::string_view flag, const std::string& text, const char* example) {
    if (text.empty() || ParseDuration(text)) return;
    throw UsageError(fmt::format("{} {}: expected a time with its unit, such as {}", flag,
                                 Excerpt(text, 40), example));
  };
  time("--duration", line.duration, "10s");
  time("--warmup", line.warmup, "2s");
  time("--timeout", line.timeout, "250ms");
  if (line.rate && ParseRate(*line.rate).value_or(0) <= 0) {
    throw UsageError(
        fmt::format("--rate {}: expected a rate such as 1000/s", Excerpt(*line.rate, 40)));
  }
  if (line.rate && line.count && !line.duration.empty()) {
    throw UsageError("--rate and --requests say how long it takes: leave --duration out");
  }
  if (line.poisson && !line.rate) {
    throw UsageError("--poisson spaces the arrivals of --rate: there is no rate");
  }
  if (line.kind != TargetKind::kHttp || line.url == "private" || line.url.starts_with("${")) return;
  const std::string url = ToLower(line.url);
  constexpr std::string_view kSchemes[] = {"http://", "https://", "unix:"};
  if (std::any_of(std::begin(kSchemes), std::end(kSchemes),
                  [&](std::string_view scheme) { return url.starts_with(scheme); })) {
    return;
  }
  throw UsageError(fmt::format(
      "'{}' is no URL for HTTP: expected http://…, https://…, unix:///path/of/the/socket (with "
      ":/path of the request behind it) or 'private'{}",
      Excerpt(line.url, 100),
      url.find("://") == std::string::npos
          ? fmt::format("; did you mean 'http://{}'?", Excerpt(line.url, 100))
          : ""));
}

std::string LoadText(const OneLiner& line) {
  std::string text = "load:\n  - name: load\n    flow: main\n";
  // A pipeline is one iteration of that many requests.
  const std::uint64_t iterations = (line.count.value_or(0) + line.pipeline - 1) / line.pipeline;
  const std::string whole = line.duration.empty() ? kDefaultDuration : line.duration;
  if (line.rate) {
    std::string duration = whole;
    if (line.count) {
      // So many at that rate: the time follows.
      const double ns = static_cast<double>(iterations) / *ParseRate(*line.rate) * 1e9;
      if (ns > 9e18)
        throw UsageError(fmt::format("-n {} at {} never ends", *line.count, *line.rate));
      duration = FormatExact(Duration(static_cast<std::int64_t>(ns)));
    }
    text += fmt::format("    rate: {}\n    for: {}\n    spacing: {}\n", Quoted(*line.rate),
                        Quoted(duration), line.poisson ? "poisson" : "even");
  } else if (line.count) {
    text += fmt::format("    users: {}\n    iterations: {}\n", line.connections.value_or(1),
                        iterations);
    if (!line.duration.empty()) text += fmt::format("    for: {}\n", Quoted(line.duration));
  } else {
    text += fmt::format("    users: {}\n    for: {}\n",
                        line.connections.value_or(kDefaultConnections), Quoted(whole));
  }
  if (!line.warmup.empty()) text += fmt::format("    warmup: {}\n", Quoted(line.warmup));
  return text;
}

/// The target is the server; what follows the authority is the step's path.
void SplitUrl(const std::string& url, std::string& base, std::string& path) {
  if (url == "private") {
    path = "/echo";
    return;
  }
  // A fragment is never sent, and may hold a "/" itself.
  base = url.substr(0, url.find('#'));
  std::size_t begin = std::string::npos;
  if (base.starts_with("unix:")) {
    // As nginx writes it: a colon ends the path of the socket.
    begin = base.find(":/", sizeof "unix:/" - 1);
    if (begin == std::string::npos) return;
    path = base.substr(begin + 1);
  } else {
    const std::size_t authority = base.find("://");
    begin = base.find_first_of("/?", authority == std::string::npos ? 0 : authority + 3);
    if (begin == std::string::npos) return;
    path = base.substr(begin);
    if (path.front() == '?') path.insert(path.begin(), '/');
  }
  base.resize(begin);
}

}  // namespace

std::string ScenarioText(const OneLiner& line) {
  CheckFlags(line);
  std::string base = line.url;
  std::string path = "/";
  if (line.kind == TargetKind::kHttp) SplitUrl(line.url, base, path);
  std::string text =
      "scenario: one-liner\n" + TargetText(line, base) + StepText(line, path) + LoadText(line);
  text += "thresholds:\n";
  for (const std::string& threshold : line.thresholds)
    text += fmt::format("  - {}\n", Quoted(threshold));
  // A server that answers nothing but errors must not pass for want of a threshold.
  const bool about_errors = std::any_of(
      line.thresholds.begin(), line.thresholds.end(),
      [](const std::string& threshold) { return threshold.find("errors") != std::string::npos; });
  if (!about_errors) text += "  - \"errors: rate < 1%\"\n";
  return text;
}

}  // namespace perf::load
