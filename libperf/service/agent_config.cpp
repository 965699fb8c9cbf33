// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/agent_config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/config/reader.hpp"
#include "libperf/service/agent_settings.hpp"

namespace perf::service {
namespace {

constexpr std::size_t kMostFiles = 64;  // of rules, and of endpoints to scrape

/// What is wrong outside of the file.
using Complaints = std::vector<std::string>;

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string Shown(const Setting& setting, const std::string& text) {
  if (setting.kind != SettingKind::kUrl || text.empty()) return text;
  try {
    return Url::Parse(text).Masked();
  } catch (const ConfigError&) {
    return "***";
  }
}

/// The nodes of the file by their keys ("pools.database_max"), and the readers that know which
/// keys were asked for.
class File {
 public:
  File(const std::string& path, const config::Environment::Lookup& lookup)
      : document_(path.empty() ? config::Document{}
                               : config::LoadWithIncludes(path, diagnostics_, {lookup, true})),
        root_(document_.root, diagnostics_, "the configuration") {}

  const config::Node* Find(std::string_view key) {
    const std::size_t dot = key.find('.');
    return Section(key.substr(0, dot)).Get(key.substr(dot + 1));
  }
  std::vector<std::string> List(std::string_view key) {
    const std::size_t dot = key.find('.');
    return Section(key.substr(0, dot)).Strings(key.substr(dot + 1));
  }
  void Error(const config::Node& node, std::string message) {
    diagnostics_.Error(node.At(), std::move(message));
  }
  /// Unknown keys, then all of it.
  std::string Errors() {
    for (auto& [name, section] : sections_) section.Finish();
    root_.Finish();
    return diagnostics_.HasErrors() ? diagnostics_.Render() : std::string();
  }

 private:
  config::MapReader& Section(std::string_view name) {
    const auto found = sections_.find(name);
    if (found != sections_.end()) return found->second;
    return sections_.emplace(std::string(name), root_.Child(name)).first->second;
  }

  config::Diagnostics diagnostics_;
  config::Document document_;
  config::MapReader root_;
  std::map<std::string, config::MapReader, std::less<>> sections_;
};

/// One setting: the environment, else the file, else the default.
EffectiveSetting Take(const Setting& setting, const config::Environment& environment, File& file,
                      AgentConfig& config, Complaints& complaints) {
  EffectiveSetting effective{std::string(setting.key), std::string(setting.variable),
                             std::string(setting.fallback), "default"};
  const config::Node* node = file.Find(setting.key);
  if (node != nullptr && !node->IsScalar()) {
    file.Error(*node, fmt::format("{}: {}", setting.key, RuleOf(setting)));
    node = nullptr;
  }
  // Also where the environment wins: a file that is wrong is told before somebody relies on it.
  if (node != nullptr && !node->Unresolved()) {
    effective.value = node->Text();
    effective.origin = node->At().Describe();
    if (!effective.value.empty() && !ReadSetting(setting, effective.value)) {
      std::string message = fmt::format("{}: {}", setting.key, RuleOf(setting));
      if (setting.kind == SettingKind::kUrl) {
        // Its line is not shown: what is no URL may hold a password where no mask looks for it.
        complaints.push_back(fmt::format("{}: error: {}", effective.origin, message));
      } else {
        file.Error(*node, std::move(message));
      }
    }
  }
  if (!setting.variable.empty()) {
    if (const auto text = environment.Text(effective.variable)) {
      effective.value = *text;
      effective.origin = "environment";
      if (!ReadSetting(setting, *text)) {
        complaints.push_back(
            fmt::format("environment variable {}: {}", setting.variable, RuleOf(setting)));
      }
    }
  }
  if (!effective.value.empty()) {
    if (const auto value = ReadSetting(setting, effective.value)) setting.apply(config, *value);
  }
  effective.value = Shown(setting, effective.value);
  return effective;
}

void TakeLists(File& file, AgentConfig& config, Complaints& complaints) {
  config.rules = file.List("monitor.rules");
  config.scrape = file.List("targets.scrape");
  if (config.rules.size() > kMostFiles || config.scrape.size() > kMostFiles) {
    complaints.push_back(fmt::format("at most {} rules files and endpoints to scrape", kMostFiles));
  }
  for (const std::string& url : config.scrape) {
    try {
      const std::string scheme = Url::Parse(url).scheme;
      if (scheme == "http" || scheme == "https") continue;
    } catch (const ConfigError&) {
    }
    complaints.push_back("targets.scrape: expected URLs of scheme http or https");
  }
  const auto show = [&](const char* key, const std::vector<std::string>& values, bool urls) {
    std::vector<std::string> shown;
    for (const std::string& value : values) shown.push_back(urls ? MaskSecrets(value) : value);
    config.effective.push_back({key, "", fmt::format("{}", fmt::join(shown, " ")),
                                values.empty() ? "default" : config.file});
  };
  show("monitor.rules", config.rules, false);
  show("targets.scrape", config.scrape, true);
}

/// What only shows when values are looked at together.
void CheckTogether(const AgentConfig& config, Complaints& complaints) {
  const auto check = [&](auto&& validate) {
    try {
      validate();
    } catch (const ConfigError& error) {
      complaints.emplace_back(error.what());
    }
  };
  if (config.pools.db_min_size > config.pools.db_max_size) {
    complaints.push_back(
        "DB_POOL_MIN_SIZE (pools.database_min) must not exceed DB_POOL_MAX_SIZE "
        "(pools.database_max)");
  } else {
    check([&] { backends::Validate(config.pools); });
  }
  check([&] { cache::Validate(config.cache); });
  check([&] { audio::Validate(config.audio); });
  check([&] { monitor::Validate(config.performance); });
  if (config.certificate.empty() != config.key.empty()) {
    complaints.push_back("service.certificate and service.key belong together: set both or none");
  }
}

}  // namespace

std::vector<std::string> ConfigPlaces(const config::Environment& environment) {
  std::vector<std::string> places;
  const auto home = environment.Text("HOME");
  if (const auto xdg = environment.Text("XDG_CONFIG_HOME"); xdg && xdg->front() == '/') {
    places.push_back(*xdg + "/perfkit/perfkit.yaml");
  } else if (home && home->front() == '/') {
    places.push_back(*home + "/.config/perfkit/perfkit.yaml");
  }
  places.emplace_back("/etc/perfkit/perfkit.yaml");
  return places;
}

AgentConfig AgentConfig::Load(const Source& source) {
  const config::Environment environment(source.lookup);
  AgentConfig config;
  config.file = source.path;
  if (config.file.empty()) {
    const auto places = ConfigPlaces(environment);
    const auto found = std::find_if(places.begin(), places.end(), Exists);
    if (found != places.end()) config.file = *found;
  }
  File file(config.file, source.lookup);
  Complaints complaints;
  for (const Setting& setting : Settings()) {
    config.effective.push_back(Take(setting, environment, file, config, complaints));
  }
  TakeLists(file, config, complaints);
  const std::string in_file = file.Errors();
  if (in_file.empty() && complaints.empty()) CheckTogether(config, complaints);
  const std::string outside = fmt::format("{}", fmt::join(complaints, "\n"));
  if (!in_file.empty()) throw config::PlacedError(in_file + outside);
  if (!outside.empty()) throw ConfigError(outside);
  return config;
}

Json AgentConfig::Effective() const {
  Json settings = Json::MakeArray();
  for (const EffectiveSetting& one : effective) {
    Json line = Json::MakeObject();
    line["key"] = one.key;
    if (!one.variable.empty()) line["variable"] = one.variable;
    line["value"] = one.value;
    line["origin"] = one.origin;
    settings.Append(std::move(line));
  }
  Json all = Json::MakeObject();
  all["file"] = file.empty() ? Json() : Json(file);
  all["settings"] = std::move(settings);
  return all;
}

}  // namespace perf::service
