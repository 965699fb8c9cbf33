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
  {
    auto asking = asking_.Lock();
    asking->insert(ask.begin(), ask.end());
  }
  std::vector<TagQuery> queries = Queries(ask);
  tier_.ReadTags(
      std::move(queries), deadline,
      [this, pass, epoch, ask = std::move(ask), marks = std::move(marks),
       unknown = std::move(unknown), done = std::move(done)](const TierTags& answer) mutable {
        if (answer.status != TierStatus::kOk || answer.generations.size() != unknown.size()) {
          Answered(ask);
          done(false, {});
          return;
        }
        for (std::size_t i = 0; i < unknown.size(); ++i) {
          TagMark& mark = marks[unknown[i]];
          mark.generation = answer.generations[i];
          Learn(mark.tag, mark.generation, epoch);
        }
        Answered(ask);  // after it was learned: see Verify
        done(true, std::move(marks));
      });
}

bool TagReader::Asking(const std::string& tag) {
  auto asking = asking_.Lock();
  return asking->contains(tag);
}

void TagReader::Answered(std::span<const std::string> tags) {
  auto asking = asking_.Lock();
  for (const std::string& tag : tags) asking->erase(asking->find(tag));
}

void TagReader::Verify(std::span<const std::string> tags, Deadline deadline,
                       const Void& make_void) {
  std::vector<std::string> compare;
  for (const std::string& tag : tags) {
    // That we ask for a tag for the first time stores it, and we are told so before we have the
    // answer: at once void would be each first load with a new tag.
    const bool known = Asking(tag) || tags_.Floor(tag) != 0;
    // Nothing to compare with: void at once.
    if (!known) make_void(tag);
    tags_.Doubt(tag);
    if (known) compare.push_back(tag);
  }
  if (compare.empty()) return;
  const std::shared_ptr<Gate::Pass> pass = gate_.EnterShared();
  if (!pass) return;
  const std::uint64_t epoch = tags_.Epoch();
  std::vector<TagQuery> queries = Queries(compare);
  tier_.ReadTags(std::move(queries), deadline,
                 [this, pass, epoch, compare, deadline, make_void](const TierTags& answer) {
                   const bool answered = answer.status == TierStatus::kOk &&
                                         answer.generations.size() == compare.size();
                   std::vector<std::string> again;
                   for (std::size_t i = 0; i < compare.size(); ++i) {
                     const std::string& tag = compare[i];
                     // The first read of it is still under way: there will be something to compare
                     // with.
                     if (answered && tags_.Floor(tag) == 0 && Asking(tag)) {
                       again.push_back(tag);
                       continue;
                     }
                     // Nothing to compare with, or no answer: void.
                     const bool known = answered && tags_.Floor(tag) != 0;
                     const bool later =
                         answered && tags_.Learn(tag, answer.generations[i], time_.Now(), epoch);
                     if (!known || later) make_void(tag);
                   }
                   if (!again.empty()) Verify(again, deadline, make_void);
                 });
}

}  // namespace perf::cache
