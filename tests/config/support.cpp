// SPDX-License-Identifier: Apache-2.0
#include "tests/config/support.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace perf::config::test {

Document Good(const std::string& text, const LoadOptions& options) {
  Diagnostics diagnostics;
  Document document = LoadText("t.yaml", text, diagnostics, options);
  CHECK_MESSAGE(!diagnostics.HasErrors(), diagnostics.Render());
  return document;
}

std::string Complaints(const std::string& text, const LoadOptions& options) {
  Diagnostics diagnostics;
  LoadText("t.yaml", text, diagnostics, options);
  return diagnostics.Render();
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "perfkit-config-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::Write(const std::string& name, const std::string& text) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

}  // namespace perf::config::test
