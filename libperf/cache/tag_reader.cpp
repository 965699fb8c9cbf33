// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/tag_reader.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace perf::cache {

std::vector<TagQuery> TagReader::Queries(std::span<const std::string> tags) const {
  // A tag that nobody has stored begins at the time: were its counter lost (evicted, flushed) and
  // begun again at 1, values of long ago could seem valid again.
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(time_.WallMicros(), 1));
  std::vector<TagQuery> queries;
  queries.reserve(tags.size());
  for (const std::string& tag : tags) queries.push_back({tag, tags_.Floor(tag), now});
  return queries;
}

void TagReader::Learn(const std::string& tag, std::uint64_t generation, std::uint64_t epoch) {
  if (tags_.Learn(tag, generation, time_.Now(), epoch)) tags_.BumpLocal(tag);
}

void TagReader::Read(std::vector<std::string> tags, Duration age, Deadline deadline, Done done) {
  const TimePoint now = time_.Now();
  const TimePoint since = age >= now.time_since_epoch() ? TimePoint::min() : now - age;
  std::vector<TagMark> marks;
  std::vector<std::size_t> unknown;
  std::vector<std::string> ask;
  marks.reserve(tags.size());
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const std::optional<std::uint64_t> known = tags_.Known(tags[i], since);
    if (!known) {
      unknown.push_back(i);
      ask.push_back(tags[i]);
    }
    marks.push_back({std::move(tags[i]), known.value_or(0)});
  }
  if (unknown.empty()) {
    done(true, std::move(marks));
    return;
  }
  const std::shared_ptr<Gate::Pass> pass = gate_.EnterShared();
  if (!pass) {
    done(false, {});
    return;
  }
  const std::uint64_t epoch = tags_.Epoch();
  tier_.ReadTags(
      Queries(ask), deadline,
      [this, pass, epoch, marks = std::move(marks), unknown = std::move(unknown),
       done = std::move(done)](const TierTags& answer) mutable {
        if (answer.status != TierStatus::kOk || answer.generations.size() != unknown.size()) {
          done(false, {});
          return;
        }
        for (std::size_t i = 0; i < unknown.size(); ++i) {
          TagMark& mark = marks[unknown[i]];
          mark.generation = answer.generations[i];
          Learn(mark.tag, mark.generation, epoch);
        }
        done(true, std::move(marks));
      });
}

void TagReader::Verify(std::span<const std::string> tags, Deadline deadline) {
  std::vector<std::string> compare;
  for (const std::string& tag : tags) {
    // Nothing to compare with: void at once.
    if (tags_.Floor(tag) == 0) tags_.BumpLocal(tag);
    tags_.Doubt(tag);
    if (tags_.Floor(tag) != 0) compare.push_back(tag);
  }
  if (compare.empty()) return;
  const std::shared_ptr<Gate::Pass> pass = gate_.EnterShared();
  if (!pass) return;
  const std::uint64_t epoch = tags_.Epoch();
  std::vector<TagQuery> queries = Queries(compare);
  tier_.ReadTags(
      std::move(queries), deadline, [this, pass, epoch, compare](const TierTags& answer) {
        for (std::size_t i = 0; i < compare.size(); ++i) {
          if (answer.status == TierStatus::kOk && answer.generations.size() == compare.size()) {
            Learn(compare[i], answer.generations[i], epoch);
          } else {
            tags_.BumpLocal(compare[i]);
          }
        }
      });
}

}  // namespace perf::cache
