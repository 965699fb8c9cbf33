// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libperf/backends/postgres.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/load/audio_spec.hpp"
#include "libperf/load/cache_spec.hpp"
#include "libperf/load/template.hpp"

namespace re2 {
class RE2;
}

namespace perf::load {

struct Step;
using Steps = std::vector<Step>;

struct HttpStep {
  std::size_t target = 0;
  std::string method = "GET";
  Template path;
  std::vector<std::pair<std::string, Template>> headers;
  std::optional<Template> body;
  std::optional<JsonTemplate> json;  // Content-Type application/json unless a header says otherwise
};

struct SqlStep {
  std::size_t target = 0;
  backends::SqlStatement statement;
  std::vector<Template> parameters;
};

struct RedisStep {
  std::size_t target = 0;
  std::vector<Template> words;
  unsigned pipeline = 1;
  bool constant = false;  // no word has an expression
};

struct CacheStep {
  enum class Kind : std::uint8_t { kGetOrSet, kGet, kSet, kRemove, kInvalidateTag };
  Kind kind = Kind::kGet;
  std::size_t cache = 0;
  Template key;                   // of kInvalidateTag the tag
  std::optional<Template> value;  // kSet
  std::optional<JsonTemplate> json;
  std::vector<Template> tags;        // kGetOrSet, kSet
  std::optional<Duration> ttl;       // instead of the cache's
  std::shared_ptr<const Step> from;  // kGetOrSet: the request that reads the source
  bool LooksUp() const noexcept { return kind <= Kind::kGet; }
};

/// Plays audio in real time.
struct PlayStep {
  std::shared_ptr<const Sound> sound;  // a file's; or
  std::optional<Template> text;        // what the built-in voice says; or
  std::size_t reply = 0;               // the body of a reply: Step::reply_slot of
  std::string from;                    // the step of that name
  audio::AudioFormat format;
  Duration period{};
  bool mirror = false;  // through a ring of its own instead of slots
};

struct SleepStep {
  Duration least{};
  Duration most{};  // uniform between; equal for a constant pause
};

struct GroupStep {
  Steps steps;
};

struct RepeatStep {
  std::uint64_t times = 1;
  Steps steps;
};

struct ChooseStep {
  std::vector<double> cumulative;  // weights summed up; the last is the total
  std::vector<Steps> branches;
};

struct SetStep {
  std::vector<std::pair<std::size_t, Template>> values;  // slot, value
};

/// Takes a value out of a reply into a slot. From a JSON body, the rows
/// ({"rows": [{column: value}]}) or a Redis reply by JSON pointer; from text by RE2 (first group).
struct Capture {
  std::size_t slot = 0;
  std::string name;
  std::string pointer;
  std::shared_ptr<const re2::RE2> pattern;  // instead of the pointer
  std::string header;                       // HTTP: a header's value instead of the body
};

/// What must hold of a reply; anything else makes the request a `status` (status codes) or
/// `check` failure.
struct Expect {
  std::vector<int> status;  // HTTP: any of; empty: 200 to 399
  std::vector<std::pair<std::string, std::shared_ptr<const re2::RE2>>> headers;
  std::shared_ptr<const re2::RE2> body;                 // must match somewhere
  std::vector<std::pair<std::string, Json>> body_json;  // pointer, value
  std::optional<std::int64_t> rows;                     // SQL
  std::optional<Json> value;           // Redis reply, single value of a SQL row, cached value
  std::optional<bool> hit;             // cache: not absent and not loaded for this look-up
  std::optional<bool> stale;           // cache: past its TTL
  std::optional<CacheTier> tier;       // cache: where the value came from
  std::optional<Duration> first_byte;  // service time until the first byte
  std::optional<Duration> time;        // whole service time
  bool NeedsBody() const noexcept { return body != nullptr || !body_json.empty(); }
};

/// One named step of a flow. Its `id` is unique in the flow and indexes the recorders; only
/// requests (http, sql, redis, cache, play) have one.
struct Step {
  std::string name;
  std::variant<HttpStep, SqlStep, RedisStep, CacheStep, PlayStep, SleepStep, GroupStep, RepeatStep,
               ChooseStep, SetStep>
      action;
  std::vector<Capture> captures;
  Expect expect;
  std::size_t request_id = 0;
  std::optional<std::size_t> reply_slot;  // http, cache: where its body is kept for a later play
  bool keep_going = false;  // `on_failure: continue`: the iteration goes on after a failure
  bool IsRequest() const noexcept { return action.index() <= 4; }
};

}  // namespace perf::load
