// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/front_memory.hpp"

#include <utility>

namespace perf::cache {

FrontMemory::FrontMemory(const CacheOptions& options) {
  if (options.max_entries == 0 && options.max_bytes == 0) return;
  MemoryOptions memory;
  memory.policy = options.policy;
  memory.limits = {options.max_entries, options.max_bytes};
  memory.seed = options.seed;
  memory_.emplace(memory);
}

std::optional<FrontMemory::Hit> FrontMemory::Check(Handle handle, const Tags& tags) {
  if (!handle) return std::nullopt;
  const RecordView record(handle.Meta(), handle.Expires());
  if (!record.Valid(tags)) return std::nullopt;
  return Hit{std::move(handle), record};
}

std::optional<FrontMemory::Hit> FrontMemory::Find(std::string_view key, std::uint64_t hash,
                                                  TimePoint now, const Tags& tags) {
  return memory_ ? Check(memory_->Get(key, hash, now), tags) : std::nullopt;
}

std::optional<FrontMemory::Hit> FrontMemory::Look(std::string_view key, std::uint64_t hash,
                                                  TimePoint now, const Tags& tags) {
  return memory_ ? Check(memory_->Peek(key, hash, now), tags) : std::nullopt;
}

bool FrontMemory::Put(std::string_view key, std::uint64_t hash, std::string_view bytes,
                      const Record& record, TimePoint now) {
  if (!memory_) return false;
  const TimePoint end = record.End();
  const std::string meta = EncodeRecord(record);
  PutOptions options;
  options.ttl = end == TimePoint::max() ? Duration::max() : end - now;
  options.meta = meta;
  const PutResult result = memory_->Put(key, hash, bytes, now, options);
  return result == PutResult::kStored || result == PutResult::kReplaced;
}

void FrontMemory::Remove(std::string_view key, std::uint64_t hash) {
  if (memory_) memory_->Remove(key, hash);
}

void FrontMemory::RemovePrefix(std::string_view prefix) {
  if (memory_) memory_->RemovePrefix(prefix);
}

std::uint64_t FrontMemory::Expire(TimePoint now) { return memory_ ? memory_->Expire(now) : 0; }

void FrontMemory::Clear() {
  if (memory_) memory_->Clear();
}

void FrontMemory::ForEach(TimePoint now, const std::function<bool(Handle)>& show) const {
  if (memory_) memory_->ForEach(now, show);
}

MemoryStats FrontMemory::Stats() const { return memory_ ? memory_->Stats() : MemoryStats(); }

}  // namespace perf::cache
