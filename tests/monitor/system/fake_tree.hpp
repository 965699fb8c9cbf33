// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/scratch_dir.hpp"

namespace test {

/// A directory that stands for the root of a machine's file system; files are rewritten in place,
/// as the kernel's are.
class FakeTree {
 public:
  const std::string& Root() const noexcept { return root_; }
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::trunc | std::ios::binary) << text;
  }
  void Remove(const std::string& path) const { std::filesystem::remove_all(root_ + path); }

  /// A line of /proc/PID/stat.
  void Process(int pid, const std::string& name, unsigned user_ticks, unsigned start_ticks,
               const std::string& state = "S") const {
    Write("/proc/" + std::to_string(pid) + "/stat",
          std::to_string(pid) + " (" + name + ") " + state + " 1 1 1 0 -1 4194304 101 0 0 0 " +
              std::to_string(user_ticks) + " 50 0 0 20 0 7 0 " + std::to_string(start_ticks) +
              " 3133440 374 184467 1 1 0\n");
  }

 private:
  ScratchDir scratch_;
  std::string root_ = scratch_ / "root";
};

}  // namespace test
