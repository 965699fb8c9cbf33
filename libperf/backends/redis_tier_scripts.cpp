// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tier_scripts.hpp"

#include <utility>

#include "libperf/backends/digest.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

constexpr std::string_view kGet = R"(
local v = redis.call('GET', KEYS[1])
if not v then return false end
return {v, redis.call('PTTL', KEYS[1])})";

// Numbers are doubles, exact up to 2^53, and strings compare by the server's locale: so a stamp is
// compared by halves.
constexpr std::string_view kSet = R"(
local held = redis.call('GETRANGE', KEYS[1], 8, 15)
local high, low = 0, 0
if #held == 8 then high, low = struct.unpack('>I4I4', held) end
if ARGV[4] ~= '0' then
  local fence = redis.call('GET', KEYS[2])
  if fence and tonumber(fence) > tonumber(ARGV[4]) then return {0, high, low} end
end
local h, l = tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[1] == '1' and (high > h or (high == h and low > l)) then return {0, high, low} end
if ARGV[1] == '2' and (high ~= h or low ~= l) then return {0, high, low} end
if ARGV[6] == '0' then redis.call('SET', KEYS[1], ARGV[5])
else redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6]) end
return {1, high, low})";

constexpr std::string_view kReadTags = R"(
local all = {}
for i, key in ipairs(KEYS) do
  local held = tonumber(redis.call('GET', key) or '0')
  local now = math.max(held, tonumber(ARGV[2 * i - 1]))
  if now == 0 then now = tonumber(ARGV[2 * i]) end
  if now ~= held then redis.call('SET', key, string.format('%.0f', now)) end
  all[i] = now
end
return all)";

constexpr std::string_view kBumpTags = R"(
local all = {}
for i, key in ipairs(KEYS) do
  local now = math.max(tonumber(redis.call('GET', key) or '0') + 1, tonumber(ARGV[i]))
  redis.call('SET', key, string.format('%.0f', now))
  all[i] = now
end
return all)";

// A fence that was lost begins again with the server's clock, beyond all that were given out.
constexpr std::string_view kLock = R"(
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local time = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, time[1] * 1000000 + time[2])
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[1], text .. ':' .. ARGV[2], 'PX', ARGV[1])
redis.call('SET', KEYS[2], text, 'EX', 86400)
return fence)";

constexpr std::string_view kRenew = R"(
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
if ARGV[1] ~= string.sub(held, 1, string.find(held, ':', 1, true) - 1) then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2]))";

constexpr std::string_view kUnlock = R"(
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local colon = string.find(held, ':', 1, true)
if ARGV[1] ~= string.sub(held, 1, colon - 1) and ARGV[1] ~= string.sub(held, colon) then return 0 end
return redis.call('DEL', KEYS[1]))";

}  // namespace

RedisScript::RedisScript(std::string_view the_text) : text(the_text), digest(Sha1Hex(the_text)) {}

std::vector<std::string> RedisScript::Call(bool known, std::vector<std::string> keys,
                                           std::vector<std::string> arguments) const {
  std::vector<std::string> words;
  words.reserve(3 + keys.size() + arguments.size());
  words.emplace_back(known ? "EVALSHA" : "EVAL");
  words.push_back(known ? digest : text);
  words.push_back(std::to_string(keys.size()));
  for (std::string& key : keys) words.push_back(std::move(key));
  for (std::string& argument : arguments) words.push_back(std::move(argument));
  return words;
}

const RedisTierScripts& RedisTierScripts::All() {
  static const RedisTierScripts all{
      RedisScript(kGet),  RedisScript(kSet),   RedisScript(kReadTags), RedisScript(kBumpTags),
      RedisScript(kLock), RedisScript(kRenew), RedisScript(kUnlock)};
  return all;
}

std::vector<const RedisScript*> RedisTierScripts::List() const {
  return {&get, &set, &read_tags, &bump_tags, &lock, &renew, &unlock};
}

RedisTierNames::RedisTierNames(std::string prefix) : prefix_(std::move(prefix)) {
  if (prefix_.empty()) throw ConfigError("a cache's keys in Redis need a prefix");
  if (prefix_.find_first_of("{}") != std::string::npos) {
    throw ConfigError("the prefix of a cache's keys in Redis has no braces");
  }
}

std::string RedisTierNames::Braced(std::string_view kind, std::string_view key) const {
  std::string name;
  name.reserve(prefix_.size() + kind.size() + key.size() + 3);
  name.append(prefix_).append(kind).append("{:").append(key).append("}");
  return name;
}

std::string RedisTierNames::Pattern(std::string_view key_prefix) const {
  const std::string plain = prefix_ + "v{:" + std::string(key_prefix);
  std::string pattern;
  for (const char c : plain) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + "*";
}

RedisTierNames::Kind RedisTierNames::Parse(std::string_view name,
                                           std::string_view& key) const noexcept {
  if (!name.starts_with(prefix_) || !name.ends_with("}")) return Kind::kOther;
  const std::string_view rest = name.substr(prefix_.size());
  if (rest.size() < 4 || rest.substr(1, 2) != "{:") return Kind::kOther;
  key = rest.substr(3, rest.size() - 4);
  return rest[0] == 'v' ? Kind::kValue : rest[0] == 't' ? Kind::kTag : Kind::kOther;
}

}  // namespace perf::backends
