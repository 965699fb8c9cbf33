// SPDX-License-Identifier: Apache-2.0
// Snapshots of caches: read whole, or refused with the documented error before anything is shown.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/cache/frame.hpp"
#include "libperf/cache/snapshot_format.hpp"
#include "tests/fuzz/require.hpp"

using perf::fuzz::Require;

namespace {

void Try(const std::string& bytes) {
  std::size_t shown = 0;
  std::string again;
  try {
    const perf::cache::SnapshotHeader header =
        perf::cache::ParseSnapshot(bytes, [&](const perf::cache::SnapshotEntry& entry) {
          ++shown;
          perf::cache::AppendEntry(again, entry);
        });
    again = perf::cache::BeginSnapshot(header) + again + perf::cache::EndSnapshot(shown);
    const std::uint64_t sum = perf::cache::Checksum(again);
    again.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
    std::size_t second = 0;
    perf::cache::ParseSnapshot(again, [&](const perf::cache::SnapshotEntry&) { ++second; });
    Require(second == shown, "what was read can be written and read");
  } catch (const perf::ConfigError&) {
    Require(shown == 0, "nothing is shown of what is refused");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Try(bytes);
  // The checksum put right: else the fuzzer would not get behind it.
  const std::uint64_t sum = perf::cache::Checksum(bytes);
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
  Try(bytes);
  return 0;
}
