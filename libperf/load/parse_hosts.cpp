// SPDX-License-Identifier: Apache-2.0
// Which machines a target leads to, for the rule that load on foreign hosts needs leave.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "libperf/backends/tls_files.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using Settings = std::map<std::string, std::string, std::less<>>;

/// key=value pairs as PQconninfoParse reads them: blanks around '=', values in single quotes
/// with backslash escapes.
class ConninfoReader {
 public:
  explicit ConninfoReader(std::string_view text) : text_(text) {}

  Settings Read() {
    Settings settings;
    for (SkipBlanks(); at_ < text_.size(); SkipBlanks()) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && !IsBlank() && text_[at_] != '=') ++at_;
      std::string key(text_.substr(begin, at_ - begin));
      SkipBlanks();
      if (at_ >= text_.size() || text_[at_] != '=') {
        throw ConfigError(
            "expected postgresql://…, \"private\", or key=value pairs such as "
            "\"host=/run/postgresql "
            "dbname=test\"");
      }
      ++at_;
      SkipBlanks();
      settings[std::move(key)] = Value();
    }
    return settings;
  }

 private:
  bool IsBlank() const noexcept {
    const char c = text_[at_];
    return c == ' ' || (c >= '\t' && c <= '\r');
  }
  void SkipBlanks() noexcept {
    while (at_ < text_.size() && IsBlank()) ++at_;
  }
  std::string Value() {
    std::string value;
    const bool quoted = at_ < text_.size() && text_[at_] == '\'';
    if (quoted) ++at_;
    while (at_ < text_.size() && (quoted ? text_[at_] != '\'' : !IsBlank())) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_++];
    }
    if (!quoted) return value;
    if (at_ >= text_.size()) throw ConfigError("a quoted value has no end");
    ++at_;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string WithoutPort(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) throw ConfigError("an IPv6 address has no ']'");
    return std::string(host.substr(1, close - 1));
  }
  return PercentDecode(host.substr(0, host.find(':')));
}

/// postgresql://user:password@host1:port1,host2:port2/dbname?key=value&…
Settings ReadUri(std::string_view text) {
  Settings settings;
  text.remove_prefix(text.find("://") + 3);
  const std::size_t question = text.find('?');
  std::string_view authority = text.substr(0, question);
  authority = authority.substr(0, authority.find('/'));
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  std::string hosts;
  for (const std::string_view host : Split(authority, ',')) {
    hosts += (hosts.empty() ? "" : ",") + WithoutPort(host);
  }
  settings["host"] = hosts;
  if (question == std::string_view::npos) return settings;
  for (const std::string_view pair : Split(text.substr(question + 1), '&')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    settings[PercentDecode(pair.substr(0, equals))] = PercentDecode(pair.substr(equals + 1));
  }
  return settings;
}

void AddHosts(const std::string& list, std::vector<std::string>& hosts) {
  for (const std::string_view host : Split(list, ',')) {
    // A path, or '@' for the abstract namespace, is a unix socket.
    if (!host.empty() && host.front() != '/' && host.front() != '@') hosts.emplace_back(host);
  }
}

/// libpq complains of them at the first connection, or takes one that is missing for none.
void CheckCertificates(const Settings& settings) {
  const auto value = [&](std::string_view key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string() : found->second;
  };
  const auto check = [](const std::string& path) {
    const std::string fault = backends::CertificateFault(path);
    if (!fault.empty()) throw ConfigError(fault);
  };
  const std::string root = value("sslrootcert");
  const bool verified = value("sslmode").starts_with("verify-");
  if (verified && !root.empty() && root != "system") check(root);
  if (const std::string own = value("sslcert"); !own.empty()) check(own);
}

}  // namespace

std::vector<std::string> PostgresHosts(std::string_view conninfo) {
  const bool uri = conninfo.starts_with("postgres://") || conninfo.starts_with("postgresql://");
  if (!uri && conninfo.find("://") != std::string_view::npos &&
      conninfo.find('=') > conninfo.find("://")) {
    throw ConfigError("a postgres target needs postgresql://…, key=value pairs, or \"private\"");
  }
  Settings settings = uri ? ReadUri(conninfo) : ConninfoReader(conninfo).Read();
  // libpq takes what the text does not say from the environment.
  const auto from_environment = [](const char* variable) {
    const char* value = std::getenv(variable);
    return std::string(value ? value : "");
  };
  if (settings["service"].empty()) settings["service"] = from_environment("PGSERVICE");
  if (!settings["service"].empty()) {
    throw ConfigError("'service' (or PGSERVICE) hides which host is meant: name the host itself");
  }
  if (settings["hostaddr"].empty()) settings["hostaddr"] = from_environment("PGHOSTADDR");
  if (settings["host"].empty()) settings["host"] = from_environment("PGHOST");
  CheckCertificates(settings);
  std::vector<std::string> hosts;
  AddHosts(settings["host"], hosts);
  AddHosts(settings["hostaddr"], hosts);
  return hosts;
}

void CheckAllowed(const ParseContext& context, const config::Node& at,
                  const std::vector<std::string>& hosts) {
  for (const std::string& host : hosts) {
    if (IsLoopback(host) || context.scenario.allow.contains(ToLower(host))) continue;
    context.Error(at, fmt::format("host '{0}' is not this machine: load goes there only with "
                                  "`allow: [{0}]` in the scenario or --allow-host {0}",
                                  Excerpt(host, 253)));
  }
}

void ParseAllow(ParseContext& context, config::MapReader& root) {
  const auto add = [&](const std::string& text) {
    std::string_view host = text;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    context.scenario.allow.insert(ToLower(host));
    const bool port = std::count(host.begin(), host.end(), ':') == 1;
    return !host.empty() && !port && host.find_first_of("/@ *") == std::string_view::npos;
  };
  for (const config::Node& item : root.Items("allow")) {
    const auto text = ConstantText(context, item, "allow");
    if (text && !add(*text)) {
      context.Error(item,
                    "expected the name or address of a host, without scheme, port or pattern");
    }
  }
  for (const std::string& host : context.options.allow_hosts) {
    if (add(host)) continue;
    context.Error(
        config::Node(),
        fmt::format("--allow-host {}: expected the name or address of a host", Excerpt(host, 253)));
  }
}

}  // namespace perf::load
