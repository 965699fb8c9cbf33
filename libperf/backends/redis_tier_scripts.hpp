// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perf::backends {

/// What the cache's tier has the server do in one step, each as a Lua script: Redis runs one at a
/// time, so what it reads holds until it has written.
struct RedisScript {
  explicit RedisScript(std::string_view the_text);
  std::string text;
  std::string digest;  // its name on the server

  /// EVALSHA, or EVAL for a server that does not know it yet.
  std::vector<std::string> Call(bool known, std::vector<std::string> keys,
                                std::vector<std::string> arguments) const;
};

struct RedisTierScripts {
  /// KEYS value. Gives nil, or {bytes, PTTL}.
  RedisScript get;
  /// KEYS value, fence. ARGV rule (0 always, 1 unless newer, 2 if same), the stamp's upper and
  /// lower half, the fence or 0, bytes, ms or 0. Gives {1 if set, the upper and lower half of the
  /// stamp that was held}.
  RedisScript set;
  /// KEYS tags. ARGV floor and initial of each. Gives their generations.
  RedisScript read_tags;
  /// KEYS tags. ARGV floor of each. Gives their generations.
  RedisScript bump_tags;
  /// KEYS lock, fence. ARGV ms, token. Gives the fence as a number, or nil.
  RedisScript lock;
  /// KEYS lock. ARGV fence, ms. Gives 1, or 0 where that fence does not hold it.
  RedisScript renew;
  /// KEYS lock. ARGV fence, or ":" and the token.
  RedisScript unlock;

  static const RedisTierScripts& All();
  std::vector<const RedisScript*> List() const;
};

/// Names of one cache's keys. What is about one key has one slot of a cluster: all of the name that
/// varies stands in braces. Everything is under the prefix.
class RedisTierNames {
 public:
  /// Throws: ConfigError for an empty prefix, or one with a brace.
  explicit RedisTierNames(std::string prefix);
  std::string Value(std::string_view key) const { return Braced("v", key); }
  std::string Lock(std::string_view key) const { return Braced("l", key); }
  std::string Fence(std::string_view key) const { return Braced("f", key); }
  std::string Tag(std::string_view tag) const { return prefix_ + "t{:" + std::string(tag) + "}"; }
  /// What invalidations are asked for: values and tags.
  std::vector<std::string> Tracked() const { return {prefix_ + "v{:", prefix_ + "t{:"}; }
  /// A glob pattern of the values whose keys begin with `key_prefix`.
  std::string Pattern(std::string_view key_prefix) const;
  enum class Kind : std::uint8_t { kValue, kTag, kOther };
  /// What a name stands for; `key` is the key or tag.
  Kind Parse(std::string_view name, std::string_view& key) const noexcept;

 private:
  std::string Braced(std::string_view kind, std::string_view key) const;
  std::string prefix_;
};

}  // namespace perf::backends
