// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/backends/delay_model.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/backends/tls_files.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 3> kKinds{"http", "postgres", "redis"};
constexpr std::array<std::string_view, 3> kClients{"auto", "native", "curl"};
constexpr std::array<std::string_view, 3> kVersions{"auto", "1.1", "2"};
constexpr std::array<std::string_view, 4> kTopologies{"single", "primary+replica", "sentinel",
                                                      "cluster"};
constexpr std::array<std::string_view, 3> kResets{"none", "rollback", "discard"};
constexpr std::array<std::string_view, 6> kProxySchemes{"http",    "https",  "socks4",
                                                        "socks4a", "socks5", "socks5h"};
constexpr std::array<std::string_view, 6> kHttpKeys{"client", "http_version", "headers",
                                                    "proxy",  "speech",       "traceparent"};
constexpr double kFastestPace = 1000;

/// Reads one target; `spec` gets what is right.
class TargetParser {
 public:
  TargetParser(ParseContext& context, const Node::Entry& entry, TargetSpec& spec,
               std::string& path_prefix)
      : context_(context),
        entry_(entry),
        spec_(spec),
        path_prefix_(path_prefix),
        reader_(context.Reader(entry.value, fmt::format("target '{}'", entry.key))) {}

  void Run() {
    spec_.name = entry_.key;
    CheckName(context_, entry_.key_at, "target", entry_.key);
    if (!entry_.value.IsMap()) {
      context_.broken_targets.insert(entry_.key);
      return;
    }
    const Node* kind_node = reader_.Require("kind");
    const auto kind = kind_node ? reader_.Enum("kind", kKinds) : std::nullopt;
    if (kind) {
      spec_.kind = static_cast<TargetKind>(*kind);
    } else {
      context_.broken_targets.insert(entry_.key);
    }
    Pool();
    spec_.timeout = reader_.Duration("timeout", {1ms, kLongestWait}).value_or(spec_.timeout);
    spec_.connect_timeout =
        reader_.Duration("connect_timeout", {1ms, kLongestWait}).value_or(spec_.connect_timeout);
    const Node* url = reader_.Require("url");
    if (!kind) {
      for (const std::string_view key : kHttpKeys) reader_.Get(key);
      for (const std::string_view key : {"prepared", "tls", "topology"}) reader_.Get(key);
      reader_.Finish();
      return;
    }
    if (url) Address(*url);
    ReadTopology(url);
    Only("prepared", TargetKind::kPostgres);
    spec_.prepared = reader_.Bool("prepared").value_or(true);
    for (const std::string_view key : kHttpKeys) Only(key, TargetKind::kHttp);
    if (spec_.kind == TargetKind::kPostgres && reader_.Has("tls")) {
      reader_.Error("tls",
                    "TLS to postgres is libpq's: sslmode, sslrootcert, sslcert and sslkey in "
                    "the url");
    }
    if (spec_.kind == TargetKind::kHttp) Http(url);
    if (spec_.kind == TargetKind::kRedis) RedisTls(url);
    reader_.Finish();
  }

 private:
  void Only(std::string_view key, TargetKind kind) {
    if (spec_.kind == kind || !reader_.Has(key)) return;
    reader_.Error(key, fmt::format("'{}' is for {} targets; this one is {}", key, Name(kind),
                                   Name(spec_.kind)));
  }

  void ReadTopology(const Node* url) {
    const auto topology = reader_.Enum("topology", kTopologies);
    if (!topology) return;
    spec_.topology = static_cast<backends::Topology>(*topology);
    const bool small = spec_.topology == backends::Topology::kSingle ||
                       spec_.topology == backends::Topology::kPrimaryReplica;
    if (spec_.kind == TargetKind::kHttp || (spec_.kind == TargetKind::kPostgres && !small)) {
      reader_.Error("topology", fmt::format("{} targets have no topology '{}'", Name(spec_.kind),
                                            kTopologies[*topology]));
      return;
    }
    if (spec_.topology == backends::Topology::kSingle) return;
    // A URL from the environment may replace the private servers; then this has no meaning.
    if (url && !spec_.is_private && !url->Tainted()) {
      reader_.Error("topology", "'topology' is of private servers: it needs `url: private`");
    }
  }

  void Pool() {
    MapReader pool = reader_.Child("pool");
    const auto most = static_cast<std::int64_t>(kMaxPool);
    const auto max = pool.Integer("max", {1, most});
    const auto min = pool.Integer("min", {0, most});
    if (max) spec_.pool.max = static_cast<std::size_t>(*max);
    if (min) spec_.pool.min = static_cast<std::size_t>(*min);
    if (spec_.pool.min > spec_.pool.max) {
      pool.Error("min", fmt::format("min {} is above max {}", spec_.pool.min, spec_.pool.max));
    }
    spec_.pool.acquire_timeout =
        pool.Duration("acquire_timeout", {1ms, kLongestWait}).value_or(spec_.pool.acquire_timeout);
    spec_.pool.idle_timeout =
        pool.Duration("idle_timeout", {1ms, kLongestRun}).value_or(spec_.pool.idle_timeout);
    for (const std::string_view key : {"reset", "init"}) {
      if (spec_.kind == TargetKind::kPostgres || !pool.Has(key)) continue;
      pool.Error(
          key, fmt::format("'{}' is for postgres targets; this one is {}", key, Name(spec_.kind)));
    }
    if (const auto reset = pool.Enum("reset", kResets)) {
      spec_.pool.reset = static_cast<backends::PostgresReset>(*reset);
    }
    for (const Node& item : pool.Items("init")) {
      const auto text = ConstantText(context_, item, "an init statement");
      if (text) spec_.pool.init.push_back(*text);
    }
    pool.Finish();
  }

  void Address(const Node& node) {
    const auto text = ConstantText(context_, node, "a url");
    if (!text) return;
    spec_.url = *text;
    if (*text == "private") {
      spec_.is_private = true;
      return;
    }
    try {
      std::vector<std::string> hosts;
      switch (spec_.kind) {
        case TargetKind::kPostgres: hosts = PostgresHosts(*text); break;
        case TargetKind::kRedis: hosts = RedisHosts(*text); break;
        case TargetKind::kHttp: hosts = HttpHosts(*text); break;
      }
      spec_.host = fmt::format("{}", fmt::join(hosts, ","));
      CheckAllowed(context_, node, hosts);
    } catch (const ConfigError& error) {
      context_.Error(node, error.what());
    }
  }

  std::vector<std::string> RedisHosts(const std::string& text) {
    const std::string scheme = ToLower(text.substr(0, text.find("://")));
    if (!scheme.starts_with("redis") && !scheme.starts_with("unix:") && scheme != "unix") {
      throw ConfigError("a redis target needs redis://…, rediss://…, unix:///…, or \"private\"");
    }
    const backends::RedisConfig config = backends::ParseRedisUrl(text);
    spec_.allow = context_.scenario.allow;
    if (config.url.scheme == "unix") return {};
    std::vector<std::string> hosts;
    for (const backends::RedisHost& host : config.hosts) hosts.push_back(host.host);
    if (hosts.empty()) hosts.push_back(config.url.host);
    return hosts;
  }

  std::vector<std::string> HttpHosts(const std::string& text) {
    Url url = Url::Parse(text);
    if (url.scheme == "unix") {
      if (url.path.empty()) throw ConfigError("expected unix:///path/of/the/socket");
      spec_.http.unix_socket = url.path;
      spec_.url = "http://localhost";
      spec_.http.base = Url::Parse(spec_.url);
      return {};
    }
    if (url.scheme != "http" && url.scheme != "https") {
      throw ConfigError("an http target needs http://…, https://…, unix:///…, or \"private\"");
    }
    if (url.host.empty()) throw ConfigError("the URL names no host");
    if (!url.query.empty()) throw ConfigError("a query belongs into the steps' `path`");
    path_prefix_ = url.path;
    while (path_prefix_.ends_with('/')) path_prefix_.pop_back();
    url.path.clear();
    spec_.http.base = url;
    return {url.host};
  }

  void Http(const Node* url) {
    backends::HttpConfig& http = spec_.http;
    if (const auto client = reader_.Enum("client", kClients)) {
      http.client = static_cast<backends::HttpClient>(*client);
    }
    if (const auto version = reader_.Enum("http_version", kVersions)) {
      http.version = static_cast<backends::HttpVersion>(*version);
    }
    spec_.traceparent = reader_.Bool("traceparent").value_or(false);
    Headers();
    Tls({http.ca_file, http.cert_file, http.key_file, http.verify});
    Proxy();
    Speech(url);
    if (http.client != backends::HttpClient::kNative) return;
    const auto refuse = [&](std::string_view what) {
      reader_.Error("client", fmt::format("the native client has no {}: use curl or auto", what));
    };
    if (http.base.scheme == "https") refuse("TLS");
    if (http.version == backends::HttpVersion::k2) refuse("HTTP/2");
    if (!http.proxy.empty()) refuse("proxies");
  }

  void Headers() {
    for (const Node::Entry& entry : reader_.Entries("headers")) {
      CheckHeaderName(context_, entry.key_at, entry.key);
      const auto value = ConstantText(context_, entry.value, "a target's headers");
      if (!value) continue;
      if (BreaksHeader(*value)) context_.Error(entry.value, "a header's value is one line");
      spec_.http.headers.emplace_back(entry.key, *value);
    }
  }

  void RedisTls(const Node* url) {
    if (!reader_.Has("tls")) return;
    backends::RedisTls& files = spec_.redis_tls;
    Tls({files.ca_file, files.cert_file, files.key_file, files.verify});
    const bool used = spec_.url.starts_with("rediss");
    // A URL from the environment may be another one next time.
    if (url && !used && !spec_.url.empty() && !url->Tainted()) {
      reader_.Error("tls", "'tls' needs a url with rediss://");
    }
  }

  struct TlsPlaces {
    std::string& ca_file;
    std::string& cert_file;
    std::string& key_file;
    bool& verify;
  };

  void Tls(const TlsPlaces& to) {
    MapReader tls = reader_.Child("tls");
    const auto file = [&](std::string_view key, std::string& path) -> const Node* {
      const Node* node = tls.Get(key);
      const auto text = node ? ConstantText(context_, *node, "a path") : std::nullopt;
      if (!text) return nullptr;
      path = node->At().Resolve(*text);
      return context_.options.files.files ? node : nullptr;
    };
    const auto report = [&](const Node& node, const std::string& fault) {
      if (!fault.empty()) context_.Error(node, fault);
      return fault.empty();
    };
    if (const Node* ca = file("ca", to.ca_file)) {
      report(*ca, backends::CertificateFault(to.ca_file));
    }
    const Node* cert = file("cert", to.cert_file);
    const bool good = cert && report(*cert, backends::CertificateFault(to.cert_file));
    const Node* key = file("key", to.key_file);
    // A key that is not named stands beside the certificate.
    const bool apart = tls.Has("key");
    if (good && (key || !apart)) {
      report(apart ? *key : *cert,
             backends::KeyFault(apart ? to.key_file : to.cert_file, to.cert_file));
    }
    to.verify = tls.Bool("verify").value_or(true);
    if (tls.Has("key") && !tls.Has("cert")) tls.Error("key", "a key needs its `cert`");
    tls.Finish();
  }

  void Proxy() {
    const Node* node = reader_.Get("proxy");
    const auto text = node ? ConstantText(context_, *node, "a proxy") : std::nullopt;
    if (!text || text->empty()) return;
    try {
      const std::size_t colon = text->find("://");
      const std::string scheme = ToLower(text->substr(0, colon));
      if (colon == std::string::npos ||
          std::find(kProxySchemes.begin(), kProxySchemes.end(), scheme) == kProxySchemes.end()) {
        throw ConfigError(
            fmt::format("a proxy is a URL of the schemes {}", fmt::join(kProxySchemes, ", ")));
      }
      const Url url = Url::Parse("http" + text->substr(colon));
      if (url.host.empty()) throw ConfigError("the URL names no host");
      spec_.http.proxy = *text;
      CheckAllowed(context_, *node, {url.host});
    } catch (const ConfigError& error) {
      context_.Error(*node, error.what());
    }
  }

  void Speech(const Node* url) {
    MapReader speech = reader_.Child("speech");
    // A URL from the environment may replace the private server; then this has no meaning.
    if (reader_.Has("speech") && url && !spec_.is_private && !url->Tainted()) {
      reader_.Error("speech", "'speech' is for the built-in server: it needs `url: private`");
    }
    if (const Node* node = speech.Get("first_byte")) {
      if (const auto text = ConstantText(context_, *node, "a delay")) {
        try {
          backends::DelayModel::Parse(*text);
          spec_.speech_first_byte = *text;
        } catch (const ConfigError& error) {
          context_.Error(*node, error.what());
        }
      }
    }
    spec_.speech_pace = speech.Number("pace", {0, kFastestPace}).value_or(0);
    speech.Finish();
  }

  ParseContext& context_;
  const Node::Entry& entry_;
  TargetSpec& spec_;
  std::string& path_prefix_;
  MapReader reader_;
};

}  // namespace

std::string_view Name(TargetKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }

void ParseTargets(ParseContext& context, config::MapReader& root) {
  const auto entries = BoundedEntries(context, root, "targets");
  // First all names, so that a broken target is not unknown to the steps as well.
  context.scenario.targets.resize(entries.size());
  context.path_prefixes.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    TargetParser(context, entries[i], context.scenario.targets[i], context.path_prefixes[i]).Run();
  }
}

std::optional<std::size_t> FindTarget(const ParseContext& context, config::MapReader& reader,
                                      TargetKind kind, std::string_view key,
                                      std::string_view whose) {
  const config::Node* node = reader.Require(key);
  const auto name = node ? reader.String(key) : std::nullopt;
  if (!name) return std::nullopt;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < context.scenario.targets.size(); ++i) {
    const TargetSpec& target = context.scenario.targets[i];
    if (target.name == *name) {
      if (context.broken_targets.contains(*name)) return std::nullopt;  // reported there
      if (target.kind == kind) return i;
      context.Error(*node, fmt::format("target '{}' is {}; {} needs one of kind {}", *name,
                                       Name(target.kind), whose, Name(kind)));
      return std::nullopt;
    }
    names.push_back(target.name);
  }
  context.diagnostics.ErrorWithSuggestion(
      node->At(), fmt::format("no target is named '{}'", Excerpt(*name, 64)), *name, names);
  return std::nullopt;
}

}  // namespace perf::load
