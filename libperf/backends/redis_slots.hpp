// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/redis.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

inline constexpr std::size_t kRedisSlots = 16'384;

/// The slot of a key: CRC16 (XMODEM) of it, or of what stands between its first '{' and the next
/// '}' where that is not empty, modulo 16384 (the Redis Cluster specification).
PERF_EXPORT std::uint16_t SlotOfKey(std::string_view key) noexcept;

/// Which nodes a command is for.
struct RedisRoute {
  enum class Kind : std::uint8_t {
    kSlot,     // the one that has the slot of the first key
    kAny,      // it has no key
    kAll,      // every master: it is about all of the data, or all of the scripts
    kRefused,  // what it leaves behind on a connection has no place where commands go to many
  };
  Kind kind = Kind::kAny;
  std::uint16_t slot = 0;
};

/// By the position of a command's first key, which is 1 but for those in the table; what has no
/// key goes anywhere.
PERF_EXPORT RedisRoute RouteOf(const std::vector<std::string>& words) noexcept;

/// "MOVED 3999 127.0.0.1:6381" or "ASK 3999 127.0.0.1:6381".
struct RedisRedirect {
  bool ask = false;
  std::uint16_t slot = 0;
  RedisHost to;  // host empty: that of the node that said so
};
PERF_EXPORT std::optional<RedisRedirect> ParseRedirect(std::string_view error);

/// Who has which slots: the reply to CLUSTER SLOTS.
struct PERF_EXPORT RedisSlotMap {
  static constexpr std::uint16_t kNobody = 0xFFFF;
  std::vector<RedisHost> masters;
  std::array<std::uint16_t, kRedisSlots> owner{};  // index into `masters`, or kNobody
  /// `asked`: the host that said so, for nodes that do not know their own name. Nothing where
  /// the reply is none, or names nobody.
  static std::optional<RedisSlotMap> Parse(const Json& reply, const std::string& asked);
};

}  // namespace perf::backends
