// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/cache/value_codec.hpp"
#include "libperf/metrics/cells.hpp"

namespace perf::cache {

/// What a typed look-up came to; `value` is set exactly where it is kFound.
template <typename T>
struct TypedAnswer {
  AnswerStatus status = AnswerStatus::kAbsent;
  AnswerFrom from = AnswerFrom::kNowhere;
  bool stale = false;
  bool coalesced = false;
  std::optional<T> value;
  std::exception_ptr error;
  bool Found() const noexcept { return value.has_value(); }
};

/// A cache of values of one type over a cache of bytes. Bytes that the codec cannot read (written
/// by another program, or as another type) are a miss: counted, removed, and loaded anew.
/// Thread safety: all methods. Lifetime: borrows the cache and the counter; cheap to copy.
template <typename T, typename Codec = ValueCodec<T>>
  requires CodecOf<Codec, T>
class TypedCache {
 public:
  /// The source's value, or nothing where it has none; throws what it likes.
  using Source = std::function<std::optional<T>()>;

  explicit TypedCache(Cache& cache, Codec codec = {}, metrics::Counter* undecodable = nullptr)
      : cache_(&cache), codec_(std::move(codec)), undecodable_(undecodable) {}

  /// As Cache::Get.
  TypedAnswer<T> Get(std::string_view key, Deadline deadline) {
    TypedAnswer<T> typed;
    if (!Take(cache_->Get(key, deadline), typed)) Discard(key, deadline);
    return typed;
  }

  /// As Cache::GetOrSet.
  TypedAnswer<T> GetOrSet(std::string_view key, const Source& source, Deadline deadline,
                          const EntryOptions* options = nullptr) {
    const Loader loader = [source, codec = codec_] {
      Loaded loaded;
      if (const std::optional<T> value = source()) codec.Encode(*value, loaded.bytes.emplace());
      return loaded;
    };
    TypedAnswer<T> typed;
    if (Take(cache_->GetOrSet(key, loader, deadline, options), typed)) return typed;
    Discard(key, deadline);
    if (Take(cache_->GetOrSet(key, loader, deadline, options), typed)) return typed;
    // Somebody keeps writing what is none of ours: the source is asked without the cache.
    Count();
    return Straight(source);
  }

  Written Set(std::string_view key, const T& value, Deadline deadline,
              const EntryOptions* options = nullptr) {
    std::string bytes;
    codec_.Encode(value, bytes);
    return cache_->Set(key, std::move(bytes), deadline, options);
  }

  Written Remove(std::string_view key, Deadline deadline) { return cache_->Remove(key, deadline); }

  Cache& Bytes() const noexcept { return *cache_; }

 private:
  /// False: there are bytes that are no value.
  bool Take(Answer answer, TypedAnswer<T>& typed) {
    typed.status = answer.status;
    typed.from = answer.from;
    typed.stale = answer.stale;
    typed.coalesced = answer.coalesced;
    typed.error = std::move(answer.error);
    if (!answer.Found()) return true;
    typed.value = codec_.Decode(answer.value.Bytes());
    if (typed.value) return true;
    typed = {};
    return false;
  }

  void Discard(std::string_view key, Deadline deadline) {
    Count();
    cache_->Remove(key, deadline);
  }

  void Count() noexcept {
    if (undecodable_ != nullptr) undecodable_->Add();
  }

  static TypedAnswer<T> Straight(const Source& source) {
    TypedAnswer<T> typed;
    typed.from = AnswerFrom::kLoader;
    try {
      typed.value = source();
      typed.status = typed.value ? AnswerStatus::kFound : AnswerStatus::kNegative;
    } catch (...) {
      typed.status = AnswerStatus::kError;
      typed.error = std::current_exception();
    }
    return typed;
  }

  Cache* cache_;
  Codec codec_;
  metrics::Counter* undecodable_;
};

}  // namespace perf::cache
