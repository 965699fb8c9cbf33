// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/silence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/utc.hpp"
#include "libperf/monitor/alerts/alert.hpp"

namespace perf::monitor::alerts {
namespace {

constexpr std::size_t kMostMatchers = 32;
constexpr std::size_t kLongestText = 1024;

std::optional<std::string> TextOf(const Json& object, std::string_view name) {
  const Json* member = object.Find(name);
  return member && member->IsString() ? std::optional(member->AsString()) : std::nullopt;
}

std::optional<Silence> FromJson(const Json& json) {
  const auto id = TextOf(json, "id");
  const auto author = TextOf(json, "author");
  const auto reason = TextOf(json, "reason");
  const auto starts = ParseRfc3339(TextOf(json, "starts_at").value_or(""));
  const auto ends = ParseRfc3339(TextOf(json, "ends_at").value_or(""));
  const Json* matchers = json.Find("matchers");
  if (!id || !author || !reason || !starts || !ends || !matchers || !matchers->IsArray()) {
    return std::nullopt;
  }
  Silence silence{*id, {}, *author, *reason, *starts, *ends};
  for (const Json& matcher : matchers->AsArray()) {
    const auto label = TextOf(matcher, "label");
    const auto value = TextOf(matcher, "value");
    const Json* equal = matcher.Find("equal");
    if (!label || !value || !equal || !equal->IsBool()) return std::nullopt;
    silence.matchers.push_back({*label, *value, equal->AsBool()});
  }
  return silence;
}

}  // namespace

Json ToJson(const Silence& silence) {
  Json json = Json::MakeObject();
  json["id"] = silence.id;
  Json& matchers = json["matchers"] = Json::MakeArray();
  for (const Matcher& matcher : silence.matchers) {
    Json one = Json::MakeObject();
    one["label"] = matcher.label;
    one["value"] = matcher.value;
    one["equal"] = matcher.equal;
    matchers.Append(std::move(one));
  }
  json["author"] = silence.author;
  json["reason"] = silence.reason;
  json["starts_at"] = ToRfc3339(silence.starts_at);
  json["ends_at"] = ToRfc3339(silence.ends_at);
  return json;
}

std::string Silences::Add(Silence silence, WallTime now) {
  Prune(now);
  if (silence.matchers.empty() || silence.matchers.size() > kMostMatchers) {
    throw ConfigError(
        "a silence needs a matcher such as alertname=PerfkitPoolSaturated, and has "
        "at most 32");
  }
  const bool selective =
      std::any_of(silence.matchers.begin(), silence.matchers.end(),
                  [](const Matcher& matcher) { return matcher.equal != matcher.value.empty(); });
  if (!selective) {
    throw ConfigError("the silence would match every alert: name a label that has a value");
  }
  if (Trim(silence.author).empty() || Trim(silence.reason).empty()) {
    throw ConfigError("a silence needs an author and a reason");
  }
  if (silence.author.size() > kLongestText || silence.reason.size() > kLongestText) {
    throw ConfigError("author and reason of a silence have at most 1024 bytes");
  }
  if (silence.starts_at == WallTime{}) silence.starts_at = now;
  if (silence.ends_at <= now || silence.ends_at <= silence.starts_at) {
    throw ConfigError("the silence would have ended already");
  }
  if (silence.ends_at - now > kLongestSilence) {
    throw ConfigError("a silence lasts at most 7 days from now");
  }
  if (silences_.size() >= kMostSilences) {
    throw ConfigError(fmt::format("there are {} silences already", kMostSilences));
  }
  // Unique also after a restart within the same millisecond's count.
  silence.id = fmt::format("s{:x}-{}", now.time_since_epoch().count(), ++made_);
  silences_.push_back(std::move(silence));
  return silences_.back().id;
}

bool Silences::Expire(std::string_view id, WallTime now) {
  Prune(now);
  return std::erase_if(silences_, [&](const Silence& silence) { return silence.id == id; }) > 0;
}

const Silence* Silences::Find(const Labels& labels, WallTime now) const noexcept {
  const Silence* found = nullptr;
  for (const Silence& silence : silences_) {
    if (silence.starts_at > now || silence.ends_at <= now) continue;
    if (found != nullptr && found->ends_at >= silence.ends_at) continue;
    if (Matches(silence.matchers, labels)) found = &silence;
  }
  return found;
}

void Silences::Prune(WallTime now) {
  std::erase_if(silences_, [&](const Silence& silence) { return silence.ends_at <= now; });
}

Json Silences::Save() const {
  Json all = Json::MakeArray();
  for (const Silence& silence : silences_) all.Append(ToJson(silence));
  return all;
}

std::size_t Silences::Restore(const Json& saved, WallTime now) {
  std::size_t left_out = 0;
  silences_.clear();
  if (!saved.IsArray()) return 1;
  for (const Json& item : saved.AsArray()) {
    std::optional<Silence> silence = FromJson(item);
    const bool good = silence && !silence->matchers.empty() && silences_.size() < kMostSilences &&
                      silence->ends_at - now <= kLongestSilence;
    if (!good) {
      ++left_out;
    } else if (silence->ends_at > now) {
      silences_.push_back(std::move(*silence));
    }
  }
  return left_out;
}

}  // namespace perf::monitor::alerts
