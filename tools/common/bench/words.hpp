// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"

namespace perf::tool {

/// The values of flags. All throw UsageError, which names the flag, for a word that is none.

Duration DurationOf(const std::string& flag, const std::string& word);
Duration MillisecondsOf(const std::string& flag, const std::string& word);
Duration SecondsOf(const std::string& flag, const std::string& word);
/// Counts may be written as 1e8.
std::uint64_t CountOf(const std::string& flag, const std::string& word);
/// From 0 to `most`.
double NumberOf(const std::string& flag, const std::string& word, double most);
/// Bytes such as 64MiB; at least 1.
std::uint64_t BytesOf(const std::string& flag, const std::string& word);
/// A share below 1, such as 10% or 0.1.
double ShareOf(const std::string& flag, const std::string& word);
/// A pool's sizes: "1,2,4" or "1-16".
std::vector<std::size_t> SizesOf(const std::string& word);

}  // namespace perf::tool
