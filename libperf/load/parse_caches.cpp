// SPDX-License-Identifier: Apache-2.0
// The section `caches`, and the step that uses one.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/cache/policy/policy.hpp"
#include "libperf/load/parse_flow.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 3> kCodecs{"none", "lz4", "zstd"};  // as cache::Codec
constexpr config::Range<std::int64_t> kEntries{0, 2'000'000'000};
constexpr config::Range<Duration> kTtl{1ms, std::chrono::hours(24 * 3650)};
constexpr config::Range<Duration> kSpan{Duration::zero(), std::chrono::hours(24 * 3650)};
constexpr std::size_t kMaxTags = 64;

/// Reads one cache; `spec` gets what is right.
class CacheParser {
 public:
  CacheParser(ParseContext& context, const Node::Entry& entry, CacheSpec& spec)
      : context_(context),
        entry_(entry),
        spec_(spec),
        reader_(context.Reader(entry.value, fmt::format("cache '{}'", entry.key))) {}

  void Run() {
    spec_.name = spec_.options.name = entry_.key;
    spec_.options.seed = context_.scenario.seed;
    CheckName(context_, entry_.key_at, "cache", entry_.key);
    Policy();
    Size();
    Entry();
    SecondTier();
    spec_.timeout = reader_.Duration("timeout", {1ms, kLongestWait}).value_or(spec_.timeout);
    reader_.Finish();
  }

 private:
  void Policy() {
    std::vector<std::string_view> names;
    for (const cache::PolicyKind& kind : cache::PolicyKinds()) {
      if (kind.online) names.push_back(kind.name);
    }
    if (const auto found = reader_.Enum("policy", names)) spec_.options.policy = names[*found];
  }

  void Size() {
    cache::CacheOptions& options = spec_.options;
    if (const auto entries = reader_.Integer("entries", kEntries)) {
      options.max_entries = static_cast<std::uint64_t>(*entries);
    }
    if (const auto bytes = reader_.Bytes("bytes")) options.max_bytes = *bytes;
    if (options.max_entries == 0 && options.max_bytes == 0 && !reader_.Has("redis")) {
      reader_.Error("bytes", "nothing is kept in memory, and there is no `redis`");
    }
  }

  void Entry() {
    cache::EntryOptions& entry = spec_.options.entry;
    entry.ttl = reader_.Duration("ttl", kTtl).value_or(entry.ttl);
    entry.memory_ttl = reader_.Duration("memory_ttl", kTtl).value_or(entry.memory_ttl);
    entry.negative_ttl = reader_.Duration("negative_ttl", kSpan).value_or(entry.negative_ttl);
    entry.stale_while_revalidate =
        reader_.Duration("stale", kSpan).value_or(entry.stale_while_revalidate);
    entry.stale_if_error = reader_.Duration("fail_safe", kSpan).value_or(entry.stale_if_error);
    entry.jitter = reader_.Fraction("jitter").value_or(entry.jitter);
    entry.eager_at = reader_.Fraction("eager", {0.01, 1}).value_or(entry.eager_at);
    entry.lock_across_processes = OfTier("lock") && reader_.Bool("lock").value_or(false);
  }

  void SecondTier() {
    if (reader_.Has("redis")) {
      spec_.redis = FindTarget(context_, reader_, TargetKind::kRedis, "redis", "a cache");
    }
    cache::TierOptions& tier = spec_.options.tier;
    if (OfTier("soft_timeout")) {
      tier.soft_timeout =
          reader_.Duration("soft_timeout", {1ms, kLongestWait}).value_or(tier.soft_timeout);
    }
    if (OfTier("hard_timeout")) {
      tier.hard_timeout =
          reader_.Duration("hard_timeout", {1ms, kLongestWait}).value_or(tier.hard_timeout);
    }
    if (tier.soft_timeout > tier.hard_timeout) {
      reader_.Error("soft_timeout", "soft_timeout is above hard_timeout");
    }
    if (OfTier("compression")) Compression();
  }

  /// Whether a key is there and has a meaning.
  bool OfTier(std::string_view key) {
    if (!reader_.Has(key)) return false;
    if (reader_.Has("redis")) return true;
    reader_.Error(key, fmt::format("'{}' is of the second tier: it needs `redis`", key));
    return false;
  }

  void Compression() {
    cache::CompressionOptions& options = spec_.options.compression;
    const auto codec = [&](std::optional<std::size_t> found) {
      if (found) options.codec = static_cast<cache::Codec>(*found);
    };
    if (!reader_.Get("compression")->IsMap()) {
      codec(reader_.Enum("compression", kCodecs));
      return;
    }
    MapReader reader = reader_.Child("compression");
    reader.Require("codec");
    codec(reader.Enum("codec", kCodecs));
    options.threshold_bytes =
        static_cast<std::size_t>(reader.Bytes("threshold").value_or(options.threshold_bytes));
    options.level = static_cast<int>(reader.Integer("level", {1, 19}).value_or(options.level));
    reader.Finish();
  }

  ParseContext& context_;
  const Node::Entry& entry_;
  CacheSpec& spec_;
  MapReader reader_;
};

std::optional<std::size_t> FindCache(const ParseContext& context, MapReader& reader) {
  const Node* node = reader.Require("cache");
  const auto name = node ? reader.String("cache") : std::nullopt;
  if (!name) return std::nullopt;
  std::vector<std::string_view> names;
  for (const CacheSpec& cache : context.scenario.caches) {
    if (cache.name == *name) return names.size();
    names.push_back(cache.name);
  }
  context.diagnostics.ErrorWithSuggestion(
      node->At(), fmt::format("no cache is named '{}'", Excerpt(*name, 64)), *name, names);
  return std::nullopt;
}

/// Reports a key that the action does not have.
bool Allowed(MapReader& reader, std::string_view key, bool allowed, std::string_view whose) {
  if (!reader.Has(key)) return false;
  if (!allowed) reader.Error(key, fmt::format("'{}' is for {}", key, whose));
  return allowed;
}

void ParseTags(FlowState& state, MapReader& reader, CacheStep& cache) {
  const std::vector<Node> items = reader.Items("tags");
  if (items.size() > kMaxTags) {
    reader.Error("tags", fmt::format("an entry has at most {} tags", kMaxTags));
    return;
  }
  for (const Node& item : items) {
    if (auto tag = state.Text(item)) cache.tags.push_back(std::move(*tag));
  }
}

void ParseValue(FlowState& state, MapReader& reader, CacheStep& cache) {
  std::string_view chosen;
  const Node* node = OneOf(reader, {"value", "json"}, chosen);
  if (!node) return;
  if (chosen == "value") {
    cache.value = state.Text(*node);
  } else {
    cache.json = CompileJson(state.context, *node, state.names.Here());
  }
}

}  // namespace

void ParseCaches(ParseContext& context, MapReader& root) {
  const auto entries = BoundedEntries(context, root, "caches");
  context.scenario.caches.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    CacheParser(context, entries[i], context.scenario.caches[i]).Run();
  }
}

CacheStep ParseCache(FlowState& state, const Node& node) {
  using Kind = CacheStep::Kind;
  CacheStep cache;
  MapReader reader = state.context.Reader(node, "cache");
  cache.cache = FindCache(state.context, reader).value_or(0);
  std::string_view action;
  const Node* key = OneOf(reader, {"get_or_set", "get", "set", "remove", "invalidate_tag"}, action);
  if (key) {
    if (auto text = state.Text(*key)) cache.key = std::move(*text);
  }
  cache.kind = action == "get_or_set" ? Kind::kGetOrSet
               : action == "get"      ? Kind::kGet
               : action == "set"      ? Kind::kSet
               : action == "remove"   ? Kind::kRemove
                                      : Kind::kInvalidateTag;
  const bool writes = cache.kind == Kind::kGetOrSet || cache.kind == Kind::kSet;
  if (Allowed(reader, "tags", writes || !key, "get_or_set and set"))
    ParseTags(state, reader, cache);
  if (Allowed(reader, "ttl", writes || !key, "get_or_set and set")) {
    cache.ttl = reader.Duration("ttl", kTtl);
  }
  const Node* from = cache.kind == Kind::kGetOrSet && key ? reader.Require("from") : nullptr;
  if (from) cache.from = ParseSource(state, *from);
  if (!from) Allowed(reader, "from", cache.kind == Kind::kGetOrSet || !key, "get_or_set");
  if (cache.kind == Kind::kSet) {
    ParseValue(state, reader, cache);
  } else {
    Allowed(reader, "value", !key, "set");
    Allowed(reader, "json", !key, "set");
  }
  reader.Finish();
  return cache;
}

}  // namespace perf::load
