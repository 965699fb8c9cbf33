// SPDX-License-Identifier: Apache-2.0
// Traces of all formats, packed or not: the first byte chooses the format and how they are asked
// for.
#include <algorithm>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/cache/trace.hpp"
#include "tests/fuzz/require.hpp"

using namespace perf::cache;
using perf::fuzz::Require;

namespace {

constexpr std::uint64_t kMost = 5000;

/// What was read, or the message; the same whatever the size of batches.
std::string Read(std::string_view bytes, const TraceOptions& options, std::size_t batch) {
  std::string all;
  try {
    const auto reader = OpenTrace(OpenMemory(bytes, "fuzz"), "fuzz", options);
    Require(reader->Format() != TraceFormat::kAuto, "a format is known");
    Require(reader->Guess().empty() == (options.format != TraceFormat::kAuto), "a guess is said");
    std::vector<Request> requests(batch);
    std::uint64_t count = 0;
    for (std::size_t got = 0; (got = reader->Read(requests)) > 0; count += got) {
      Require(got <= batch, "no more than asked for");
      for (std::size_t i = 0; i < got; ++i) {
        all += std::to_string(requests[i].id) + ' ' + std::to_string(requests[i].size) + '\n';
      }
    }
    Require(count <= kMost, "the limit holds");
  } catch (const perf::ConfigError& error) {
    // Requests before a fault may have been handed out or not: it depends on the batch.
    return error.what();
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  TraceOptions options{.limit = kMost};
  options.format = static_cast<TraceFormat>((data[0] & 0x3f) % TraceFormatNames().size());
  if ((data[0] & 0x80) != 0) options.key_column = "2";
  if ((data[0] & 0x40) != 0) options.size_column = "1";
  const std::string_view bytes = perf::fuzz::Text(data + 1, size - 1);
  Require(Read(bytes, options, 64) == Read(bytes, options, 1000), "batches change nothing");
  return 0;
}
