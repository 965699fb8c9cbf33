// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/frame_cache.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace perf {

TEST_CASE("frame cache: live frames never overlap, whatever their size") {
  struct Frame {
    unsigned char* at;
    std::size_t size;
    unsigned char mark;
  };
  std::vector<Frame> live;
  unsigned char mark = 0;
  for (int round = 0; round < 20; ++round) {
    for (const std::size_t size : {1u, 127u, 128u, 129u, 1000u, 2048u, 2049u, 100'000u}) {
      auto* at = static_cast<unsigned char*>(FrameCache::Allocate(size));
      std::memset(at, ++mark, size);
      live.push_back({at, size, mark});
    }
    while (live.size() > 30) {
      const Frame frame = live[live.size() / 2];
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(live.size() / 2));
      CHECK(frame.at[0] == frame.mark);
      CHECK(frame.at[frame.size - 1] == frame.mark);
      FrameCache::Release(frame.at, frame.size);
    }
  }
  for (const Frame& frame : live) FrameCache::Release(frame.at, frame.size);
}

TEST_CASE("frame cache: a frame may be released on another thread, also as that thread ends") {
  std::vector<void*> frames;
  for (int i = 0; i < 200; ++i) frames.push_back(FrameCache::Allocate(256));
  CHECK(std::set<void*>(frames.begin(), frames.end()).size() == 200);
  std::jthread([&frames] {
    for (void* frame : frames) FrameCache::Release(frame, 256);
  }).join();
  void* again = FrameCache::Allocate(256);
  CHECK(again != nullptr);
  FrameCache::Release(again, 256);
}

}  // namespace perf
