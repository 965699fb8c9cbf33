// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "libperf/backends/loop.hpp"

namespace perf::backends {

/// The connections of one connector, by generations: when it turns out that they lead to the wrong
/// server, the generation of now is retired, and whoever has them in a pool is told.
/// Thread safety: none; belongs to one loop's thread. Lifetime: shared by its members.
class RedisGenerations : public std::enable_shared_from_this<RedisGenerations> {
 public:
  explicit RedisGenerations(EventLoop& loop) noexcept : loop_(loop) {}

  class Member {
   public:
    /// `all` null: belongs to none.
    Member(std::shared_ptr<RedisGenerations> all, std::uint64_t generation);
    virtual ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

   protected:
    /// The server said that it is of no use: retires the generation, unless that has happened.
    void Disown();
    /// Ends what is under way.
    virtual void Abandon(const std::string& why) = 0;

   private:
    friend class RedisGenerations;
    std::shared_ptr<RedisGenerations> all_;
    std::uint64_t generation_;
  };

  std::uint64_t Now() const noexcept { return now_; }
  bool Empty() const noexcept { return members_.empty(); }
  /// `listener` is called on a turn of its own, once for all that were retired since the last.
  void OnRetire(std::function<void()> listener) { listener_ = std::move(listener); }
  void Retire();
  /// Ends what is under way on members of generations before `first`.
  void AbandonBefore(std::uint64_t first, const std::string& why);

 private:
  EventLoop& loop_;
  std::uint64_t now_ = 0;
  bool telling_ = false;
  std::set<Member*> members_;
  std::function<void()> listener_;
};

}  // namespace perf::backends
