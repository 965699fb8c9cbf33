// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_slots.hpp"

#include <algorithm>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kMostMasters = 1'000;

constexpr std::array<std::uint16_t, 256> MakeCrcTable() noexcept {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr auto kCrcTable = MakeCrcTable();

std::uint16_t Crc16(std::string_view text) noexcept {
  unsigned crc = 0;
  for (const char c : text) {
    crc = (crc << 8) ^ kCrcTable[((crc >> 8) ^ static_cast<unsigned char>(c)) & 0xFFU];
  }
  return static_cast<std::uint16_t>(crc);
}

/// Where a command's first key stands, if not behind the command itself.
enum class Place : std::uint8_t {
  kNowhere,  // no key
  kSecond,   // behind a subcommand: XINFO STREAM key
  kThird,    // MIGRATE host port key
  kCount,    // behind how many there are: ZUNION numkeys key …
  kCount2,   // behind another word and that: EVAL script numkeys key …
  kStreams,  // behind STREAMS
  kAll,
  kRefused,
};

struct Special {
  std::string_view command;
  Place place;
};

// Sorted.
constexpr std::array kSpecial = std::to_array<Special>({
    {"acl", Place::kNowhere},        {"asking", Place::kRefused},    {"auth", Place::kRefused},
    {"bgrewriteaof", Place::kAll},   {"bgsave", Place::kAll},        {"bitop", Place::kSecond},
    {"blmpop", Place::kCount2},      {"bzmpop", Place::kCount2},     {"client", Place::kNowhere},
    {"cluster", Place::kNowhere},    {"command", Place::kNowhere},   {"config", Place::kNowhere},
    {"dbsize", Place::kNowhere},     {"debug", Place::kSecond},      {"discard", Place::kRefused},
    {"echo", Place::kNowhere},       {"eval", Place::kCount2},       {"eval_ro", Place::kCount2},
    {"evalsha", Place::kCount2},     {"evalsha_ro", Place::kCount2}, {"exec", Place::kRefused},
    {"fcall", Place::kCount2},       {"fcall_ro", Place::kCount2},   {"flushall", Place::kAll},
    {"flushdb", Place::kAll},        {"function", Place::kAll},      {"hello", Place::kRefused},
    {"info", Place::kNowhere},       {"keys", Place::kNowhere},      {"lastsave", Place::kNowhere},
    {"latency", Place::kNowhere},    {"lmpop", Place::kCount},       {"lolwut", Place::kNowhere},
    {"memory", Place::kSecond},      {"migrate", Place::kThird},     {"module", Place::kNowhere},
    {"multi", Place::kRefused},      {"object", Place::kSecond},     {"ping", Place::kNowhere},
    {"publish", Place::kNowhere},    {"pubsub", Place::kNowhere},    {"quit", Place::kRefused},
    {"randomkey", Place::kNowhere},  {"readonly", Place::kRefused},  {"readwrite", Place::kRefused},
    {"replicaof", Place::kRefused},  {"reset", Place::kRefused},     {"role", Place::kNowhere},
    {"save", Place::kAll},           {"scan", Place::kNowhere},      {"script", Place::kAll},
    {"select", Place::kRefused},     {"shutdown", Place::kNowhere},  {"sintercard", Place::kCount},
    {"slaveof", Place::kRefused},    {"slowlog", Place::kNowhere},   {"time", Place::kNowhere},
    {"unwatch", Place::kRefused},    {"wait", Place::kNowhere},      {"watch", Place::kRefused},
    {"xgroup", Place::kSecond},      {"xinfo", Place::kSecond},      {"xread", Place::kStreams},
    {"xreadgroup", Place::kStreams}, {"zdiff", Place::kCount},       {"zinter", Place::kCount},
    {"zintercard", Place::kCount},   {"zmpop", Place::kCount},       {"zunion", Place::kCount},
});
static_assert(std::is_sorted(kSpecial.begin(), kSpecial.end(),
                             [](const Special& a, const Special& b) {
                               return a.command < b.command;
                             }));

constexpr char Lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Nothing where the command's key is the word behind it.
std::optional<Place> PlaceIn(std::string_view command) noexcept {
  std::array<char, 16> lower{};
  if (command.size() > lower.size()) return std::nullopt;
  std::transform(command.begin(), command.end(), lower.begin(), Lower);
  const std::string_view name(lower.data(), command.size());
  const auto found =
      std::lower_bound(kSpecial.begin(), kSpecial.end(), name,
                       [](const Special& a, std::string_view b) { return a.command < b; });
  if (found == kSpecial.end() || found->command != name) return std::nullopt;
  return found->place;
}

/// 0: nowhere.
std::size_t IndexOf(Place place, const std::vector<std::string>& words) noexcept {
  const auto counted = [&](std::size_t at) -> std::size_t {
    return words.size() > at && ParseInteger(words[at]).value_or(0) > 0 ? at + 1 : 0;
  };
  switch (place) {
    case Place::kSecond: return 2;
    case Place::kThird: return 3;
    case Place::kCount: return counted(1);
    case Place::kCount2: return counted(2);
    case Place::kStreams:
      for (std::size_t i = 1; i < words.size(); ++i) {
        if (EqualsIgnoreCase(words[i], "streams")) return i + 1;
      }
      return 0;
    default: return 0;
  }
}

bool ReadRange(const Json& entry, const std::string& asked, RedisSlotMap& map) {
  if (!entry.IsArray() || entry.AsArray().size() < 3) return false;
  const Json::Array& range = entry.AsArray();
  if (!range[0].IsInt() || !range[1].IsInt() || !range[2].IsArray()) return false;
  const std::int64_t first = range[0].AsInt();
  const std::int64_t last = range[1].AsInt();
  const Json::Array& master = range[2].AsArray();
  if (first < 0 || last < first || last >= static_cast<std::int64_t>(kRedisSlots)) return false;
  if (master.size() < 2 || !master[1].IsInt()) return false;
  const std::int64_t port = master[1].AsInt();
  if (port < 1 || port > 65'535) return false;
  RedisHost host{asked, static_cast<std::uint16_t>(port)};
  // "", "?" or nothing: it does not know its own name.
  if (master[0].IsString() && !master[0].AsString().empty() && master[0].AsString() != "?") {
    host.host = master[0].AsString();
  }
  const auto same = [&](const RedisHost& other) {
    return other.host == host.host && other.port == host.port;
  };
  auto found = std::find_if(map.masters.begin(), map.masters.end(), same);
  if (found == map.masters.end()) {
    if (map.masters.size() == kMostMasters) return false;
    found = map.masters.insert(found, std::move(host));
  }
  const auto index = static_cast<std::uint16_t>(found - map.masters.begin());
  std::fill(map.owner.begin() + first, map.owner.begin() + last + 1, index);
  return true;
}

}  // namespace

std::uint16_t SlotOfKey(std::string_view key) noexcept {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return Crc16(key) % kRedisSlots;
}

RedisRoute RouteOf(const std::vector<std::string>& words) noexcept {
  RedisRoute route;
  if (words.empty()) return route;
  std::size_t at = 1;
  if (const auto place = PlaceIn(words[0])) {
    if (*place == Place::kAll) route.kind = RedisRoute::Kind::kAll;
    if (*place == Place::kRefused) route.kind = RedisRoute::Kind::kRefused;
    at = IndexOf(*place, words);
  }
  if (at == 0 || at >= words.size()) return route;
  route.kind = RedisRoute::Kind::kSlot;
  route.slot = SlotOfKey(words[at]);
  return route;
}

std::optional<RedisRedirect> ParseRedirect(std::string_view error) {
  const std::vector<std::string_view> words = Split(Trim(error), ' ');
  if (words.size() < 3 || (words[0] != "MOVED" && words[0] != "ASK")) return std::nullopt;
  const auto slot = ParseInteger(words[1]);
  // An IPv6 address has colons of its own, and no brackets.
  const std::size_t colon = words[2].rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = ParseInteger(words[2].substr(colon + 1));
  if (!slot || *slot < 0 || *slot >= static_cast<std::int64_t>(kRedisSlots)) return std::nullopt;
  if (!port || *port < 1 || *port > 65'535) return std::nullopt;
  RedisRedirect redirect;
  redirect.ask = words[0] == "ASK";
  redirect.slot = static_cast<std::uint16_t>(*slot);
  redirect.to.host = std::string(words[2].substr(0, colon));
  redirect.to.port = static_cast<std::uint16_t>(*port);
  if (redirect.to.host == "?") redirect.to.host.clear();
  return redirect;
}

std::optional<RedisSlotMap> RedisSlotMap::Parse(const Json& reply, const std::string& asked) {
  if (!reply.IsArray() || reply.AsArray().empty()) return std::nullopt;
  RedisSlotMap map;
  map.owner.fill(kNobody);
  for (const Json& entry : reply.AsArray()) {
    if (!ReadRange(entry, asked, map)) return std::nullopt;
  }
  return map;
}

}  // namespace perf::backends
