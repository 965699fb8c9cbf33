// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "libperf/config/document.hpp"
#include "tests/config/support.hpp"

namespace perf::config {

using test::Folder;
using test::With;

TEST_CASE("config: an include joins lists, unites maps and lets vars win") {
  const Folder folder;
  folder.Write("parts/a.yaml",
               "scenario: part\ndescription: no\nvars: {x: 1, y: 1}\nload: [one]\n"
               "targets: {db: 1}\ninclude: [b.yaml]\n");
  folder.Write("parts/b.yaml", "load: [zero]\ntargets:\nsetup: [s]\n");
  const std::string main =
      folder.Write("main.yaml",
                   "scenario: main\ninclude: [parts/a.yaml]\nvars: {x: 2, z: 3}\nload: [two]\n"
                   "targets: {kv: 2}\n");
  Diagnostics diagnostics;
  const Document document = LoadWithIncludes(main, diagnostics, With({}));
  CHECK_MESSAGE(!diagnostics.HasErrors(), diagnostics.Render());
  CHECK(ToJson(document.root).Dump() ==
        R"({"load":["zero","one","two"],"targets":{"db":1,"kv":2},"setup":["s"],)"
        R"("vars":{"x":2,"y":1,"z":3},"scenario":"main"})");
  REQUIRE(document.sources.size() == 3);
  CHECK(document.sources[0]->Name() == main);
  CHECK(document.root.Find("load")->Items()[0].At().source->Name() ==
        folder.Path() + "/parts/b.yaml");
}

TEST_CASE("config: a file that is reached twice counts once") {
  const Folder folder;
  folder.Write("common.yaml", "load: [c]\n");
  folder.Write("a.yaml", "include: [common.yaml]\nload: [a]\n");
  folder.Write("b.yaml", "include: ['./common.yaml']\nload: [b]\n");
  Diagnostics diagnostics;
  const Document document = LoadWithIncludes(
      folder.Write("main.yaml", "include: [a.yaml, b.yaml]\n"), diagnostics, With({}));
  CHECK(!diagnostics.HasErrors());
  CHECK(ToJson(document.root).Dump() == R"({"load":["c","a","b"]})");
}

TEST_CASE("config: cycles name the chain") {
  const Folder folder;
  const std::string self = folder.Write("self.yaml", "include: self.yaml\n");
  Diagnostics one;
  LoadWithIncludes(self, one, With({}));
  CHECK(one.Sorted().at(0).message == fmt::format("cyclic include: {0} -> {0}", self));
  CHECK(one.Sorted().at(0).place.Describe() == self + ":1:10");
}

TEST_CASE("config: includes are bounded in depth and number") {
  const Folder folder;
  for (int file = 0; file < 40; ++file) {
    folder.Write(fmt::format("{}.yaml", file), fmt::format("include: [{}.yaml]\n", file + 1));
  }
  Diagnostics deep;
  LoadWithIncludes(folder.Path() + "/0.yaml", deep, With({}));
  CHECK(deep.Count() == 1);
  CHECK(deep.Sorted().at(0).message == "includes nested deeper than 16");

  std::string list = "include:\n";
  for (int file = 0; file < 300; ++file) {
    folder.Write(fmt::format("w{}.yaml", file), "load: [x]\n");
    list += fmt::format("  - w{}.yaml\n", file);
  }
  Diagnostics wide;
  const Document document = LoadWithIncludes(folder.Write("wide.yaml", list), wide, With({}));
  CHECK(wide.Count() == 44);
  CHECK(document.root.Find("load")->Items().size() == 256);
}

TEST_CASE("config: files together have one budget") {
  const Folder folder;
  std::string many;
  for (int item = 0; item < 80'000; ++item) many += "- x\n";
  for (const auto* name : {"a", "b", "c"})
    folder.Write(std::string(name) + ".yaml", "load:\n" + many);
  Diagnostics diagnostics;
  LoadWithIncludes(folder.Write("main.yaml", "include: [a.yaml, b.yaml, c.yaml]\n"), diagnostics,
                   With({}));
  CHECK(diagnostics.Count() == 1);
  CHECK(diagnostics.Sorted().at(0).message == "more than 200000 values in one document");
}

TEST_CASE("config: a pipe cannot be included") {
  const Folder folder;
  REQUIRE(mkfifo((folder.Path() + "/pipe").c_str(), 0600) == 0);
  Diagnostics diagnostics;
  LoadWithIncludes(folder.Write("main.yaml", "include: [pipe]\n"), diagnostics, With({}));
  CHECK(diagnostics.Sorted().at(0).message.find("not a regular file") != std::string::npos);
}

}  // namespace perf::config
